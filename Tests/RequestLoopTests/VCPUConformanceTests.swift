// VCPUConformanceTests: statements D.16 to D.23 and D.48 to D.70 of snp-svsm.md: calling areas and vCPUs.
import Model
import RequestLoop
import SNP
import SVSMProtocol
import Seams
import Testing
import X86

private func query(_ service: Service<CoreOnly>, cpu: Int = 0) async -> UInt64 {
  await service.call(.queryProtocol, rcx: ProtocolQuery.rcx(.core, version: 1), cpu: cpu).rcx
}
private let served: UInt64 = 0x1_0000_0001

@Suite struct VCPUConformanceTests {
  // MARK: REMAP_CA

  @Test func d16_d17_d22_TheNewCallingAreaIsUsedAndTheOldOneForgotten() {
    #expect(
      failures { service in
        let world = service.world
        world.setWord(70, 0, 1)
        world.equal(await service.call(.remapCallingArea, rcx: 70 << 12).result, .success)
        world.equal(service.area(0), 70)
        world.equal(world.word(70, 0) & 0xFF, 0, "D.17")
        world.equal(world.word(World.startUpArea, 0) & 0xFF, 0, "the old pending")
        await service.exit { world.setWord(World.startUpArea, 0, 1) }
        world.equal(world.word(World.startUpArea, 0), 1, "D.16: a call in the old area is none")
        world.equal(await query(service), served, "D.16")
        let done = await service.pvalidate([entry(World.startUpArea, validate: false)], at: 70 << 12 + 8)
        world.check(done == (.success, 1), "D.22: \(done)")
        world.equal(await query(service), served)
      } == [])
  }

  @Test func d18_d19_d20_d21_ABadAddressLeavesTheOldCallingAreaInForce() {
    #expect(
      failures { service in
        let world = service.world
        world.equal(await service.create(1, vmsa: 40, area: 41), .success)
        let bad: [(UInt64, ResultCode)] = [
          (World.startUpArea << 12 + 8, .invalidParameter), (70 << 12 + 0x800, .invalidParameter),
          (World.kernel << 12, .invalidAddress), ((World.kernel + 511) << 12, .invalidAddress),
          (World.startUpVMSA << 12, .invalidAddress), (40 << 12, .invalidAddress),
          (41 << 12, .invalidAddress),
          (4096 << 12, .invalidAddress), (0xFFFF_FFFF_FFFF_F000, .invalidAddress),
          (300 << 12, .invalidAddress),
          (3072 << 12, .invalidAddress),
        ]
        for (address, result) in bad {
          world.equal(await service.call(.remapCallingArea, rcx: address).result, result, "\(address)")
          world.equal(service.area(0), World.startUpArea)
        }
        world.equal(
          await service.call(.remapCallingArea, rcx: World.startUpArea << 12).result, .success,
          "D.21: to the current one (peers.md bug h)")
        world.takeByHost(71)
        world.equal(await service.call(.remapCallingArea, rcx: 71 << 12).result, .invalidAddress)
        world.equal(await query(service), served)
      } == [])
  }

  @Test func d23_OnlyTheCallersCallingAreaMoves() {
    #expect(
      failures { service in
        let world = service.world
        world.equal(await service.create(1, vmsa: 40, area: 41), .success)
        world.equal(await service.call(.remapCallingArea, rcx: 70 << 12).result, .success)
        world.equal(service.area(1), 41)
        world.equal(await query(service, cpu: 1), served)
      } == [])
  }

  // MARK: CREATE_VCPU

  @Test func d48_ARacingPVALIDATEAndCREATENeverBothSucceed() {
    #expect(
      failures { service in
        let world = service.world
        world.equal(await service.create(1, vmsa: 40, area: 41), .success)
        world.fillVMSA(44)
        let race = Race()
        world.onRevoke = { address in
          guard address == 44 << 12 else { return }
          world.onRevoke = nil
          // Another vCPU asks for the page while CREATE has it.
          for size in [GuestPageSize.small, .large] {
            race.found.append(
              world.guest.pages.claim(PhysicalAddress(size == .small ? 44 << 12 : 0), size, from: .valid))
          }
          race.pinned = world.guest.pages.pin(PhysicalAddress(44 << 12))
        }
        let answer = await service.call(.createVCPU, rcx: 44 << 12, rdx: 45 << 12, r8: 8)
        world.equal(answer.result, .success)
        world.equal(race.found, [.busy, .protected])
        world.equal(race.pinned, .claimed)
        world.check(!world.guestWrites(44), "the VMSA can be written")
      } == [])
  }

  @Test func d49_d50_d57_d60_d61_AVCPUIsMadeAndServed() {
    #expect(
      failures { service in
        let world = service.world
        world.fillVMSA(40)
        world.setWord(40, VMSAField.tr, 0x83 << 16)
        var answer = await service.call(.createVCPU, rcx: 40 << 12, rdx: 41 << 12, r8: 0xFFFF_FFFF_0000_0007)
        world.equal(answer.result, .success, "D.49, D.57")
        world.check(world.entry(40)?.isVMSA == true && !world.guestWrites(40), "D.49, D.60")
        world.machine.offerVMSA(GuestPage(rawValue: 40), vcpu: 1, vmpl: .vmpl2)
        world.equal(await query(service, cpu: 1), served, "D.61: no REMAP needed")
        world.fillVMSA(42)
        world.setWord(42, VMSAField.tr, 0)
        answer = await service.call(.createVCPU, rcx: 42 << 12, rdx: 43 << 12, r8: 8)
        world.equal(answer.result, .success, "D.50")
        for call in [CallID.remapCallingArea, .createVCPU] {
          world.equal(
            await service.call(call, rcx: 40 << 12, rdx: 46 << 12, r8: 11).result, .invalidAddress, "D.60")
        }
      } == [])
  }

  @Test func d51_d52_d53_AWrongVMSAIsRefusedAndStaysTheGuests() {
    #expect(
      failures { service in
        let world = service.world
        let wrong: [(vmpl: UInt64, efer: UInt64, features: UInt64)] = [
          (0, 1 << 12, 1), (1, 1 << 12, 1), (3, 1 << 12, 1), (2, 0, 1), (2, 0x501, 1), (2, 1 << 12, 0),
          (2, 1 << 12, 9), (2, 1 << 12, 1 | 1 << 63),
        ]
        for (vmpl, efer, features) in wrong {
          world.fillVMSA(40, vmpl: vmpl, efer: efer, features: features)
          let answer = await service.call(.createVCPU, rcx: 40 << 12, rdx: 41 << 12, r8: 7)
          world.equal(answer.result, .invalidParameter, "VMPL \(vmpl), EFER \(efer), features \(features)")
          world.check(world.entry(40)?.isVMSA == false && world.guestWrites(40), "D.51: normal again")
          world.equal(world.guest.pages.state(of: PhysicalAddress(41 << 12)), .valid)
        }
        world.equal(await service.create(1, vmsa: 40, area: 41), .success, "the same pages still work")
      } == [])
  }

  @Test func d54_d55_d56_BadAddressesAndIdentifiers() {
    #expect(
      failures { service in
        let world = service.world
        world.equal(await service.create(1, vmsa: 40, area: 41), .success)
        world.fillVMSA(42)
        func create(_ vmsa: UInt64, _ area: UInt64, _ apic: UInt64 = 8) async -> ResultCode {
          await service.call(.createVCPU, rcx: vmsa, rdx: area, r8: apic).result
        }
        world.equal(await create(42 << 12 + 8, 43 << 12), .invalidParameter, "D.54")
        world.equal(await create(42 << 12, 43 << 12 + 0x100), .invalidParameter, "D.54")
        for bad in [World.kernel, World.startUpVMSA, 40, 41, World.startUpArea, 300, 3600, 1 << 40]
          as [UInt64]
        {
          world.equal(await create(bad << 12, 43 << 12), .invalidAddress, "D.55 VMSA \(bad)")
          world.equal(await create(42 << 12, bad << 12), .invalidAddress, "D.55 CA \(bad)")
        }
        world.equal(await create(42 << 12, 42 << 12), .invalidAddress, "D.55")
        for apic in [1, 9, 0xFFFF_FFFF] as [UInt64] {
          world.equal(await create(42 << 12, 43 << 12, apic), .invalidParameter, "D.56")
        }
        world.equal(await create(42 << 12, 43 << 12), .success, "D.56: nothing was registered")
      } == [])
  }

  @Test func d58_d68_ANewerVCPUReplacesAnOlderOne() {
    #expect(
      failures { service in
        let world = service.world
        world.equal(await service.create(1, vmsa: 40, area: 41), .success)
        world.equal(await query(service, cpu: 1), served)
        world.equal(await service.create(1, vmsa: 42, area: 43), .success, "D.58")
        world.equal(service.area(1), 43)
        world.equal(await query(service, cpu: 1), served, "D.58")
        world.equal(await service.call(.deleteVCPU, rcx: 40 << 12).result, .success, "D.68")
        world.equal(await query(service, cpu: 1), served, "D.68: the newer is still served")
      } == [])
  }

  @Test func d58_TheOlderVCPUIsServedUntilTheHostRunsTheNewer() {
    #expect(
      failures { service in
        let world = service.world
        world.equal(await service.create(1, vmsa: 40, area: 41), .success)
        world.fillVMSA(42)
        // The vCPU replaces itself and has not told the host yet.
        let made = await service.call(.createVCPU, rcx: 42 << 12, rdx: 43 << 12, r8: 7, cpu: 1, area: 41)
        world.equal(made.result, .success)
        let answer = await service.call(
          .queryProtocol, rcx: ProtocolQuery.rcx(.core, version: 1), cpu: 1, area: 41)
        world.equal(answer.rcx, served, "the older one is served")
        world.equal(await service.call(.deleteVCPU, rcx: 42 << 12, cpu: 1, area: 41).result, .success)
        world.equal(
          await service.call(.queryProtocol, rcx: ProtocolQuery.rcx(.core, version: 1), cpu: 1, area: 41).rcx,
          served)
      } == [])
  }

  @Test func d59_WhatIsJudgedIsWhatRuns() {
    #expect(
      failures { service in
        let world = service.world
        world.fillVMSA(40)
        world.onRevoke = { _ in
          world.onRevoke = nil
          // The other vCPU's stale right is gone before the contents are looked at.
          world.check(!world.guestWrites(40), "it can still be written")
        }
        world.equal(await service.call(.createVCPU, rcx: 40 << 12, rdx: 41 << 12, r8: 7).result, .success)
      } == [])
  }

  @Test func aFlushThatIsNotAcknowledgedMakesCREATEBusyAndLeavesThePage() {
    #expect(
      failures { service in
        let world = service.world
        world.fillVMSA(40)
        world.failingFlushes = 1
        world.equal(await service.call(.createVCPU, rcx: 40 << 12, rdx: 41 << 12, r8: 7).result, .busy)
        world.check(world.guestWrites(40), "the page is the guest's again")
        world.equal(await service.create(1, vmsa: 40, area: 41), .success)
      } == [])
  }

  @Test func theTableOfVCPUsIsBounded() {
    #expect(
      failures { service in
        let world = service.world
        var results: [ResultCode] = []
        for page in 0..<UInt64(20) {
          results.append(await service.create(1, vmsa: 80 + 2 * page, area: 81 + 2 * page))
        }
        world.equal(results.filter { $0 == .success }.count, VCPUTable.recordsPerCPU)
        world.equal(results.last, .invalidRequest)
        world.equal(
          await service.create(2, vmsa: 122, area: 123), .success, "another CPU's records are its own")
        world.equal(await service.call(.deleteVCPU, rcx: 80 << 12).result, .success)
        world.equal(await service.create(1, vmsa: 80, area: 81), .success)
      } == [])
  }

  // MARK: DELETE_VCPU

  @Test func d63_d70_AStoppedVCPUIsDeletedAndItsPagesWorkAgain() {
    #expect(
      failures { service in
        let world = service.world
        for _ in 0..<3 {
          world.equal(await service.create(1, vmsa: 40, area: 41), .success)
          world.equal(await query(service, cpu: 1), served)
          world.equal(await service.call(.deleteVCPU, rcx: 40 << 12).result, .success)
          world.check(
            world.entry(40)?.isVMSA == false && world.guestWrites(40) && world.guestWrites(41), "D.63")
          world.equal(service.area(1), nil)
          world.setWord(41, 0, 0xABCD_0001)
          world.check(service.vcpu(of: 1) == nil, "the CPU has no vCPU")
          world.equal(world.word(41, 0), 0xABCD_0001, "D.70")
        }
      } == [])
  }

  @Test func d64_d65_WhatCannotBeDeleted() {
    #expect(
      failures { service in
        let world = service.world
        world.equal(await service.create(1, vmsa: 40, area: 41), .success)
        for bad in [50 << 12, 300 << 12, 40 << 12 + 8, 41 << 12, 1 << 60, World.kernel << 12] as [UInt64] {
          world.equal(await service.call(.deleteVCPU, rcx: bad).result, .invalidParameter, "D.64 \(bad)")
        }
        world.equal(
          await service.call(.deleteVCPU, rcx: World.startUpVMSA << 12, cpu: 1).result, .invalidParameter,
          "D.65")
        world.equal(
          await service.call(.deleteVCPU, rcx: World.startUpVMSA << 12).result, .invalidParameter, "D.65")
        world.equal(await query(service), served)
        world.equal(await query(service, cpu: 1), served)
      } == [])
  }

  @Test func d67_ARunningVCPUStaysAndRunsOn() {
    #expect(
      failures { service in
        let world = service.world
        world.equal(await service.create(1, vmsa: 40, area: 41), .success)
        world.equal(await query(service, cpu: 1), served)
        world.equal(world.machine.vmrun(1, .vmpl2, &world.bytes), .entered(.vmpl2))
        world.equal(await service.call(.deleteVCPU, rcx: 40 << 12).result, ResultCode(rawValue: 0x8000_1003))
        world.machine.vmexit(1, .interrupt, &world.bytes)
        world.equal(await query(service, cpu: 1), served, "it runs on")
        world.equal(await service.call(.deleteVCPU, rcx: 40 << 12).result, .success)
      } == [])
  }

  @Test func aVCPUThatItsOwnerLooksAtIsBusy() {
    #expect(
      failures { service in
        let world = service.world
        world.equal(await service.create(1, vmsa: 40, area: 41), .success)
        guard let vcpu = service.vcpu(of: 1) else { return world.check(false, "no vCPU") }
        let slot = world.guest.vcpus.slot(vcpu)
        world.equal(slot.reclaim(in: .init()), .claimed)
        world.equal(await service.call(.deleteVCPU, rcx: 40 << 12).result, .busy)
        slot.resume(in: .init())
        world.equal(await service.call(.deleteVCPU, rcx: 40 << 12).result, .success)
      } == [])
  }

  @Test func d69_AVCPUThatDeletesItselfIsNeverResumed() {
    #expect(
      failures { service in
        let world = service.world
        world.equal(await service.create(1, vmsa: 40, area: 41), .success)
        let isThere = await service.exit(1) {
          world.setWord(40, VMSAField.rax, CallID.deleteVCPU.rax)
          world.setWord(40, VMSAField.rcx, 40 << 12)
          world.setWord(41, 0, 1)
        }
        world.check(!isThere, "it is gone")
        world.equal(world.machine.vmrun(1, .vmpl2, &world.bytes), .invalid, "the host can't run it")
        world.equal(await query(service), served, "the others are unaffected")
        world.equal(await service.create(1, vmsa: 40, area: 41), .success)
        world.equal(await query(service, cpu: 1), served)
      } == [])
  }
}

/// What another CPU found in the middle of a call.
final class Race: @unchecked Sendable {
  var found: [PageClaim] = []
  var pinned: PageState = .outside
}
