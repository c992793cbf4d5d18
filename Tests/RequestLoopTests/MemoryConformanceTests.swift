// MemoryConformanceTests: statements D.71 to D.77 of snp-svsm.md: the guest lends pages and gets them back.
import Model
import RequestLoop
import SNP
import SVSMProtocol
import Seams
import Testing
import X86

private let list: UInt64 = World.startUpArea << 12 + 8

private func deposit(
  _ service: Service<CoreOnly>, _ entries: [UInt64]
) async -> (result: ResultCode, next: UInt64) {
  service.world.putList(list, entries)
  let done = await service.callUntilDone(.depositMemory, rcx: list)
  return (done.answer.result, service.world.next(list))
}

@Suite struct MemoryConformanceTests {
  @Test func d71_ADepositedPageIsTheKernels() {
    #expect(
      failures { service in
        let world = service.world
        let done = await deposit(service, [90 << 12, 91 << 12])
        world.check(done == (.success, 2), "\(done)")
        world.check(!world.guestReads(90) && !world.guestWrites(91), "the guest can still use it")
        world.check(world.machine.memory.revocations.isEmpty, "a reduction is open")
        let page = await service.pvalidate([entry(90)])
        world.check(page == (.invalidAddress, 0), "\(page)")
        world.equal(world.exchange.pages, [90, 91])
      } == [])
  }

  @Test func d72_d73_WhatCannotBeDeposited() {
    #expect(
      failures { service in
        let world = service.world
        world.equal(await deposit(service, [90 << 12]).result, .success)
        for bad in [2561 << 12 | 1, 92 << 12 | 2, 92 << 12 | 3, 92 << 12 | 4, 92 << 12 | 1 << 11] as [UInt64]
        {
          let done = await deposit(service, [91 << 12, bad])
          world.check(done == (.invalidParameter, 1), "D.72 \(bad): \(done)")
          world.equal(await service.call(.withdrawMemory, rcx: 30 << 12).result, .success)
          world.equal(await deposit(service, [90 << 12]).result, .success)
        }
        for (count, next) in [(0, 0), (511, 0), (1, 1)] as [(UInt64, UInt64)] {
          world.putList(list, [92 << 12], next: next, count: count)
          world.equal(await service.call(.depositMemory, rcx: list).result, .invalidParameter, "D.72")
        }
        world.equal(await service.call(.depositMemory, rcx: list + 4).result, .invalidParameter)
        for bad in [World.kernel, World.startUpArea, 90, World.startUpVMSA, 300, 3600, 1 << 40] as [UInt64] {
          let done = await deposit(service, [bad << 12])
          world.check(done == (.invalidAddress, 0), "D.73 \(bad): \(done)")
        }
      } == [])
  }

  @Test func d74_WithdrawingNothing() {
    #expect(
      failures { service in
        let world = service.world
        world.equal(await service.call(.withdrawMemory, rcx: 30 << 12 + 0xFF8).result, .invalidParameter)
        world.equal(await service.call(.withdrawMemory, rcx: 30 << 12 + 4).result, .invalidParameter)
        world.equal(await service.call(.withdrawMemory, rcx: World.kernel << 12).result, .invalidAddress)
        world.setWord(30, 0, 0xFFFF)
        world.equal(await service.call(.withdrawMemory, rcx: 30 << 12).result, .success)
        world.equal(world.word(30, 0) & 0xFFFF, 0, "count")
      } == [])
  }

  @Test func d75_d76_MoreThanFitsIsDrainedInSeveralCalls() {
    #expect(
      failures { service in
        let world = service.world
        let done = await deposit(service, [2560 << 12 | 1])
        world.check(done == (.success, 1), "\(done)")
        world.equal(world.word(World.startUpArea, 0) >> 8 & 0xFF, 1, "memory is available")
        // The kernel used them; what it wrote must not come back.
        for page in 2560..<UInt64(3072) { world.setWord(page, 128, World.canary) }
        world.exchange.wipe = { page in world.bytes.zero(SystemPage(rawValue: page)) }
        // Single pages of a 2 MiB entry come back: the host splits it.
        var seen: Set<UInt64> = []
        for (round, capacity) in [511, 1, 0].enumerated() {
          let answer = await service.call(.withdrawMemory, rcx: 30 << 12)
          world.equal(answer.result, .success)
          world.equal(world.word(30, 0) & 0xFFFF, UInt64(capacity), "round \(round)")
          world.equal(world.word(World.startUpArea, 0) >> 8 & 0xFF, round == 0 ? 1 : 0, "MEM_AVAILABLE")
          for index in 0..<capacity {
            let page = world.word(30, 8 + index * 8) >> 12
            world.check(seen.insert(page).inserted, "page \(page) twice")
            for kind in [SNPAccessKind.read(encrypted: true), .write(encrypted: true), .fetch] {
              world.check(world.guestMay(kind, page), "D.76 page \(page) \(kind)")
            }
            world.equal(world.word(page, 128), 0, "D.76 page \(page)")
          }
        }
        world.equal(seen.count, 512)
      } == [])
  }

  @Test func aFullStockRefusesAndGivesThePageBack() {
    #expect(
      failures { service in
        let world = service.world
        world.exchange.capacity = 1
        let done = await deposit(service, [90 << 12, 91 << 12, 92 << 12])
        world.check(done == (.invalidRequest, 1), "\(done)")
        world.check(world.guestWrites(91) && world.guestWrites(92), "still the guest's")
        world.failingFlushes = 1
        world.exchange.capacity = 9
        world.putList(list, [91 << 12])
        world.equal(await service.call(.depositMemory, rcx: list).result, .busy)
        world.check(world.guestWrites(91), "still the guest's")
        world.equal(await service.call(.depositMemory, rcx: list).result, .success)
      } == [])
  }

  @Test func aBufferThatTheHostTakesLosesNoPage() {
    #expect(
      failures { service in
        let world = service.world
        world.equal(await deposit(service, [90 << 12, 91 << 12]).result, .success)
        world.exchange.wipe = { _ in world.takeByHost(30) }
        world.equal(await service.call(.withdrawMemory, rcx: 30 << 12).result, .invalidAddress)
        world.equal(world.exchange.pages.count, 2)
        world.exchange.wipe = nil
        world.equal(await service.call(.withdrawMemory, rcx: 31 << 12).result, .success)
        world.equal(world.word(31, 0) & 0xFFFF, 2)
      } == [])
  }
}
