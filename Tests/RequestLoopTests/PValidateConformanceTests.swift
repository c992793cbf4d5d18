// PValidateConformanceTests: statements D.24 to D.47 of snp-svsm.md, and the known faults of other SVSMs.
import Model
import RequestLoop
import SNP
import SVSMProtocol
import Seams
import Testing
import X86

private let list: UInt64 = World.startUpArea << 12 + 8

@Suite struct PValidateConformanceTests {
  @Test func d24_d25_d26_d27_d28_APagesLife() {
    #expect(
      failures { service in
        let world = service.world
        for word in 0..<512 { world.setWord(300, word * 8, 0xBAD) }
        var done = await service.pvalidate([entry(300)])
        world.check(done == (.success, 1), "D.24: \(done)")
        for word in 0..<512 { world.equal(world.word(300, word * 8), 0, "D.24 word \(word)") }
        for kind in [SNPAccessKind.read(encrypted: true), .write(encrypted: true), .fetch] {
          world.check(world.guestMay(kind, 300), "D.24: \(kind)")
        }
        world.setWord(300, 64, 0x600D)
        done = await service.pvalidate([entry(300)])
        world.check(done == (ResultCode(rawValue: 0x8000_1010), 0), "D.25: \(done)")
        world.check(world.guestWrites(300), "D.25: still accessible")
        done = await service.pvalidate([entry(300, ignore: true)])
        world.check(done == (.success, 1), "D.26: \(done)")
        world.equal(world.word(300, 64), 0x600D, "a page in use is not cleared (peers.md bug n)")
        done = await service.pvalidate([entry(300, validate: false)])
        world.check(done == (.success, 1), "D.27: \(done)")
        world.check(!world.guestReads(300) && world.entry(300)?.isValidated == false, "D.27")
        for level in [VMPL.vmpl1, .vmpl2, .vmpl3] {
          world.check(world.entry(300)?.permissions(level).isEmpty == true, "D.27 \(level)")
        }
        done = await service.pvalidate([entry(300, validate: false)])
        world.check(done == (ResultCode(rawValue: 0x8000_1010), 0), "D.28: \(done)")
        done = await service.pvalidate([entry(300, validate: false, ignore: true)])
        world.check(done == (.success, 1), "rescinding twice with the carry ignored: \(done)")
      } == [])
  }

  @Test func d29_TwoMegabytesAtOnceAreClearedInEightStepsBeforeTheGuestCanRead() {
    #expect(
      failures { service in
        let world = service.world
        for page in [512, 700, 1023] as [UInt64] { world.setWord(page, 8, 0xBAD) }
        let steps = StepLog()
        world.onClear = { address in
          steps.steps.append("\(address)")
          for page in [512, 700, 1023] as [UInt64] {
            world.check(!world.guestReads(page), "page \(page) can be read before it is cleared")
          }
        }
        let done = await service.pvalidate([entry(512, is2M: true)])
        world.check(done == (.success, 1), "\(done)")
        world.check(steps.steps.count >= 8, "\(steps.steps.count) steps")
        for page in 512..<UInt64(1024) {
          world.check(world.guestWrites(page) && world.word(page, 8) == 0, "page \(page)")
        }
        let back = await service.pvalidate([entry(512, is2M: true, validate: false)])
        world.check(back == (.success, 1), "rescinded: \(back)")
      } == [])
  }

  @Test func d30_d31_ASizeMismatchNamesItsEntryAndTheRestIsDoneAfterwards() {
    #expect(
      failures { service in
        let world = service.world
        var done = await service.pvalidate([entry(300), entry(2048, is2M: true), entry(301)])
        world.check(done == (ResultCode(rawValue: 0x8000_1006), 1), "D.30: \(done)")
        world.setWord(300, 0, 0x600D)
        world.putList(list, [entry(300), entry(2048, is2M: true), entry(301)], next: 2)
        let answer = await service.callUntilDone(.pvalidate, rcx: list).answer
        world.equal(answer.result, .success, "D.31")
        world.equal(world.next(list), 3, "D.31 next")
        world.equal(world.word(300, 0), 0x600D, "D.31: the first entry is not done again")
        world.check(world.guestWrites(301) && !world.guestReads(2048), "D.31")
        // What Linux does then: 510 and 2 entries of 4 KiB (reference C.1, 18).
        done = await service.pvalidate((0..<510).map { entry(2048 + $0) })
        world.check(done == (.success, 510), "\(done)")
        done = await service.pvalidate((510..<512).map { entry(2048 + $0) })
        world.check(done == (.success, 2), "\(done)")
      } == [])
  }

  @Test func aLargeEntryOverPagesOfBothKindsIsASizeMismatch() {
    #expect(
      failures { service in
        let world = service.world
        world.equal(await service.pvalidate([entry(2050)]).result, .success)
        var done = await service.pvalidate([entry(2048, is2M: true)])
        world.check(done == (.pvalidateSizeMismatch, 0), "\(done)")
        done = await service.pvalidate([entry(2048, is2M: true, validate: false)])
        world.check(done == (.pvalidateSizeMismatch, 0), "\(done)")
        world.check(world.guestWrites(2050), "nothing changed")
      } == [])
  }

  @Test func d32_ASmallEntryInsideALargeOneCompletes() {
    #expect(
      failures { service in
        let world = service.world
        let done = await service.pvalidate([entry(1029)])
        world.check(done == (.success, 1), "\(done)")
        world.check(world.guestWrites(1029) && !world.guestReads(1028), "that page only")
        let rest = await service.pvalidate([entry(2600, validate: false)])
        world.check(rest == (.success, 1), "\(rest)")
        world.check(!world.guestReads(2600) && world.guestWrites(2601), "that page only")
      } == [])
  }

  @Test func d33_d42_AFullListIsDoneInRounds() {
    #expect(
      failures { service in
        let world = service.world
        world.putList(list, (0..<510).map { entry(2048 + $0) })
        let done = await service.callUntilDone(.pvalidate, rcx: list)
        world.equal(done.answer.result, .success)
        world.check(done.rounds > 1, "in one round of \(510 * 2100) instructions")
        world.equal(world.next(list), 510)
        world.putList(list, (0..<510).map { entry(2048 + $0, validate: false) })
        world.equal(await service.callUntilDone(.pvalidate, rcx: list).answer.result, .success)
        world.equal(world.next(list), 510)
      } == [])
  }

  @Test func d34_d35_d36_TheListItself() {
    #expect(
      failures { service in
        let world = service.world
        world.putList(20 << 12 + 0xFF0, [entry(300)])
        world.equal(
          await service.callUntilDone(.pvalidate, rcx: 20 << 12 + 0xFF0).answer.result, .success, "D.34")
        world.setWord(20, 0xFF8, 1)
        world.equal(await service.call(.pvalidate, rcx: 20 << 12 + 0xFF8).result, .invalidParameter, "D.34")
        for (count, next) in [(0, 0), (511, 0), (1, 1), (1, 2), (3, 0xFFFF)] as [(UInt64, UInt64)] {
          world.putList(list, [entry(301)], next: next, count: count)
          let header = world.word(World.startUpArea, 8)
          world.equal(
            await service.call(.pvalidate, rcx: list).result, .invalidParameter, "D.35 \(count) \(next)")
          world.equal(world.word(World.startUpArea, 8), header, "D.35: list unchanged")
        }
        world.putList(list, [entry(301)])
        for offset in [1, 2, 4, 7] as [UInt64] {
          world.equal(await service.call(.pvalidate, rcx: list + offset).result, .invalidParameter, "D.36")
        }
        world.check(!world.guestReads(301), "nothing was done")
      } == [])
  }

  @Test(arguments: [
    entry(300) | 2, entry(300) | 3, entry(300) | 1 << 4, entry(300) | 1 << 11,
    entry(0x201, is2M: true),
  ])
  func d37_d41_AMalformedEntryStopsTheListThere(_ bad: UInt64) {
    #expect(
      failures { service in
        let world = service.world
        let done = await service.pvalidate([entry(310), bad, entry(311)])
        world.check(done == (.invalidParameter, 1), "\(done)")
        world.check(world.guestWrites(310) && !world.guestReads(311), "before done, behind untouched")
      } == [])
  }

  @Test(arguments: [true, false])
  func d38_d39_d40_AProtectedAddressStopsTheListThere(_ validates: Bool) {
    #expect(
      failures { service in
        let world = service.world
        world.equal(await service.create(1, vmsa: 40, area: 41), .success)
        let bad: [(UInt64, Bool)] = [
          (World.kernel, false), (World.kernel + 511, false), (World.kernel, true),
          (World.startUpVMSA, false),
          (40, false), (41, false), (World.startUpArea, false), (0, true), (3584, false), (4096, false),
          (1 << 35, false), (1 << 39, true), ((1 << 52) - 1, false),
        ]
        for (page, is2M) in bad {
          let first = entry(320, validate: validates, ignore: true)
          let done = await service.pvalidate([
            first, entry(page, is2M: is2M, validate: validates), entry(321),
          ])
          world.check(done == (.invalidAddress, 1), "page \(page): \(done)")
        }
        world.check(!world.guestReads(321), "behind untouched")
      } == [])
  }

  @Test func d43_AListThatIsNotTheGuestsIsRefusedAndNothingIsWritten() {
    #expect(
      failures { service in
        let world = service.world
        let places = [World.kernel, 300, 600, 3600, 3072, 1 << 40, (1 << 52) - 1] as [UInt64]
        for place in places {
          world.equal(
            await service.call(.pvalidate, rcx: place << 12).result, .invalidAddress, "page \(place)")
        }
        world.putList(30 << 12, [entry(300)])
        world.takeByHost(30)
        world.equal(
          await service.call(.pvalidate, rcx: 30 << 12).result, .invalidAddress, "taken by the host")
      } == [])
  }

  @Test func d44_WhatTheKernelHadThereIsNeverRead() {
    #expect(
      failures { service in
        let world = service.world
        // The host puts a page with the kernel's bytes behind a fresh address.
        for word in 0..<512 { world.setWord(330, word * 8, World.canary) }
        world.equal(await service.pvalidate([entry(330)]).result, .success)
        for word in 0..<512 { world.equal(world.word(330, word * 8), 0, "word \(word)") }
      } == [])
  }

  @Test func d45_EachEntryIsReadOnce() {
    #expect(
      failures { service in
        let world = service.world
        world.onClear = { _ in
          // Another vCPU changes the list while its first page is being cleared.
          world.setWord(World.startUpArea, 16, entry(World.kernel))
          world.onClear = nil
        }
        let done = await service.pvalidate([entry(340), entry(341)])
        world.check(done == (.success, 2), "\(done)")
        world.check(world.guestWrites(340) && world.guestWrites(341), "both")
      } == [])
  }

  @Test func d46_ARightIsGoneEverywhereBeforeTheCallReturns() {
    #expect(
      failures { service in
        let world = service.world
        world.equal(
          await service.pvalidate([entry(50, validate: false), entry(51, validate: false)]).result, .success)
        world.check(world.machine.memory.revocations.isEmpty, "a reduction is open")
      } == [])
  }

  @Test func d46_AFlushThatIsNotAcknowledgedIsBusyAndThePageWithheld() {
    #expect(
      failures { service in
        let world = service.world
        world.putList(list, [entry(50, validate: false), entry(51, validate: false)])
        world.failingFlushes = 1
        world.equal(await service.call(.pvalidate, rcx: list).result, .busy)
        world.equal(world.next(list), 0)
        world.equal(world.guest.pages.state(of: PhysicalAddress(50 << 12)), .withheld)
        world.equal(await service.call(.pvalidate, rcx: list).result, .success)
        world.equal(world.next(list), 2)
        world.putList(list, [entry(52, validate: false)])
        world.failingFlushes = 1
        world.equal(await service.call(.pvalidate, rcx: list).result, .busy)
        world.equal(await service.pvalidate([entry(52)]).result, .success, "validated out of that state")
        world.putList(list, [entry(2560, is2M: true, validate: false)])
        world.failingFlushes = 1
        world.equal(await service.call(.pvalidate, rcx: list).result, .busy)
        world.equal(await service.call(.pvalidate, rcx: list).result, .success)
      } == [])
  }

  @Test func d47_AWindowThatHostsMapReadOnlyIsNotWritten() {
    #expect(
      failures { service in
        let world = service.world
        let rom = entry(0xC0, validate: false)
        world.equal(await service.pvalidate([rom]).result, .success)
        world.onClear = { address in world.check(address >> 12 != 0xC0, "the ROM window was written") }
        world.equal(await service.pvalidate([entry(0xC0), entry(0x110)]).result, .success)
      } == [])
  }

  @Test func aListThatNamesItsOwnPageIsRefused() {
    #expect(
      failures { service in
        let world = service.world
        let done = await service.pvalidate([entry(21, validate: false)], at: 21 << 12)
        world.check(done == (.invalidAddress, 0), "\(done)")
        let again = await service.pvalidate([entry(21)], at: 21 << 12)
        world.check(again == (.pvalidateUnchanged, 0), "\(again)")
      } == [])
  }

  @Test func aPageThatTheHostTookAwayIsAnErrorAndNothingIsLost() {
    #expect(
      failures { service in
        let world = service.world
        world.takeByHost(60)
        let done = await service.pvalidate([
          entry(59, validate: false), entry(60, validate: false), entry(61, validate: false),
        ])
        world.check(done == (.invalidAddress, 1), "\(done)")
        world.check(!world.guestReads(59) && world.guestWrites(61), "before done, behind untouched")
        let fresh = await service.pvalidate([entry(3072)])
        world.check(fresh == (.invalidAddress, 0), "a page that the host has not given: \(fresh)")
        world.assign(3072)
        world.equal(await service.pvalidate([entry(3072)]).result, .success)
      } == [])
  }

  @Test func otherTasksRunDuringOneGigabyte() {
    // The reference's limit of 1 GiB a call, at this machine's size: every slice ends.
    #expect(
      failures { service in
        let world = service.world
        let turns = StepLog()
        do throws(SpawnFailure) { try spawnCounter(turns) } catch { world.check(false, "no task") }
        world.putList(list, [entry(512, is2M: true), entry(1024, is2M: true), entry(300)])
        let first = await service.call(.pvalidate, rcx: list)
        world.equal(first.result, .incomplete, "INCOMPLETE between entries of different kinds")
        world.equal(world.next(list), 2)
        world.check(turns.steps.count >= 2, "\(turns.steps.count) turns of another task during 4 MiB")
        world.equal(await service.call(.pvalidate, rcx: list).result, .success)
        world.equal(world.next(list), 3)
        turns.steps.append("end")
      } == [])
  }
}
