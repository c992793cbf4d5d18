// CallConformanceTests: statements D.1 to D.15 of snp-svsm.md: how a call is made and answered.
import Model
import RequestLoop
import SNP
import SVSMProtocol
import Testing
import X86

@Suite struct CallConformanceTests {
  @Test func d1_AnEntryWithoutACallChangesNothing() {
    #expect(
      failures { service in
        let world = service.world
        let before = (0..<512).map { world.word(World.startUpVMSA, $0 * 8) }
        let area = world.word(World.startUpArea, 0)
        // The exit itself writes the exit fields.
        let written = [VMSAField.guestExitCode, VMSAField.guestNRIP]
        await service.exit()
        for word in 0..<512 where !written.contains(word * 8) {
          world.equal(world.word(World.startUpVMSA, word * 8), before[word], "VMSA word \(word)")
        }
        world.equal(world.word(World.startUpArea, 0), area, "calling area")
      } == [])
  }

  @Test(arguments: [SVMExitCode.interrupt, .cpuid, .hlt, .nestedPageFault])
  func d2_AnotherExitThanACallExecutesNothingAndStaysPending(_ code: SVMExitCode) {
    #expect(
      failures { service in
        let world = service.world
        await service.exit(0, code) {
          world.setWord(World.startUpVMSA, VMSAField.rax, CallID.queryProtocol.rax)
          world.setWord(World.startUpArea, 0, 1)
        }
        world.equal(world.word(World.startUpVMSA, VMSAField.rax), CallID.queryProtocol.rax, "RAX")
        world.equal(world.word(World.startUpArea, 0), 1, "pending")
        world.equal(world.word(World.startUpVMSA, VMSAField.efer), VMSAField.eferSVME, "EFER")
      } == [])
  }

  @Test func d3_DuringACallTheHostCannotEnterTheCaller() {
    #expect(
      failures { service in
        let world = service.world
        world.onClear = { _ in
          world.equal(world.word(World.startUpVMSA, VMSAField.efer) & VMSAField.eferSVME, 0, "SVME")
          world.equal(world.machine.vmrun(0, .vmpl2, &world.bytes), .invalid, "VMRUN")
          world.onClear = nil
        }
        world.equal(await service.pvalidate([entry(300)]).result, .success)
        world.check(world.onClear == nil, "the page was cleared during the call")
      } == [])
  }

  @Test func d4_TheAnswerIsWrittenBeforePendingAndPendingBeforeTheGate() {
    #expect(
      failures { service in
        let world = service.world
        let platform = OrderedPlatform(ModelPlatform(world))
        let loop = RequestLoop(
          cpu: 0, platform: platform, exchange: NoMemoryExchange(), guest: world.guest, table: CoreOnly())
        var seat = RequestLoop<OrderedPlatform, NoMemoryExchange, CoreOnly>.Seat()
        loop.renew(&seat)
        guard let vcpu = seat.own else { return world.check(false, "no vCPU") }
        world.setWord(World.startUpVMSA, VMSAField.rax, CallID.queryProtocol.rax)
        world.setWord(World.startUpVMSA, VMSAField.guestExitCode, SVMExitCode.vmgexit.rawValue)
        world.setWord(World.startUpArea, 0, 1)
        _ = await loop.serveExit(of: vcpu)
        world.equal(platform.log.steps, ["close", "registers", "write", "byte 0x10000", "open"], "order")
      } == [])
  }

  @Test(arguments: [2, 0x80, 0xFF] as [UInt64])
  func d5_AReservedPendingValueIsInvalidFormat(_ value: UInt64) {
    #expect(
      failures { service in
        let answer = await service.call(.queryProtocol, rcx: 1, pending: value)
        service.world.equal(answer.result, .invalidFormat)
        service.world.equal(answer.rcx, 1, "RCX")
      } == [])
  }

  @Test(arguments: [1, 2, 3, 4, 5, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF] as [UInt32])
  func d6_AnAbsentProtocolIsUnsupportedAndChangesNothing(_ number: UInt32) {
    #expect(
      failures { service in
        let answer = await service.call(
          CallID(ProtocolID(rawValue: number), 0), rcx: 11, rdx: 12, r8: 13, r9: 14)
        let wanted = Answer(rax: 0x8000_0001, rcx: 11, rdx: 12, r8: 13)
        service.world.equal(answer, wanted)
      } == [])
  }

  @Test(arguments: [8, 9, 0xFFFF_FFFF] as [UInt32])
  func d7_AnUnknownCoreCallIsUnsupported(_ number: UInt32) {
    #expect(
      failures { service in
        let answer = await service.call(CallID(.core, number), rcx: 11, rdx: 12, r8: 13)
        service.world.equal(answer, Answer(rax: 0x8000_0002, rcx: 11, rdx: 12, r8: 13))
      } == [])
  }

  @Test func d9_GarbageInTheRestOfTheCallingAreaIsIgnoredAndKept() {
    #expect(
      failures { service in
        let world = service.world
        world.setWord(World.startUpArea, 0, 0xDEAD_BEEF_0099_7700)
        let answer = await service.call(.queryProtocol, rcx: ProtocolQuery.rcx(.core, version: 1))
        world.equal(answer.rcx, 0x1_0000_0001, "RCX")
        world.equal(world.word(World.startUpArea, 0), 0xDEAD_BEEF_0099_7700, "header")
      } == [])
  }

  @Test func d12_EachVCPUSeesItsOwnCallOnly() {
    #expect(
      failures { service in
        let world = service.world
        world.equal(await service.create(1, vmsa: 40, area: 41), .success)
        world.setWord(41, 0, 1)
        let answer = await service.call(.queryProtocol, rcx: ProtocolQuery.rcx(.core, version: 1))
        world.equal(answer.result, .success)
        world.equal(world.word(41, 0), 1, "the other's pending")
        world.equal(world.word(40, VMSAField.rax), 0, "the other's RAX")
        let other = await service.call(CallID(.core, 99), cpu: 1)
        world.equal(other.result, .unsupportedCall)
      } == [])
  }

  @Test func d13_ACallingAreaThatTheHostTookIsNoCall() {
    #expect(
      failures { service in
        let world = service.world
        await service.exit {
          world.setWord(World.startUpVMSA, VMSAField.rax, CallID.queryProtocol.rax)
          world.setWord(World.startUpArea, 0, 1)
          world.takeByHost(World.startUpArea)
        }
        world.equal(world.word(World.startUpVMSA, VMSAField.rax), CallID.queryProtocol.rax, "RAX")
        world.check(
          world.word(World.startUpVMSA, VMSAField.efer) & VMSAField.eferSVME != 0, "the guest can go on")
      } == [])
  }

  @Test func d14_ThousandsOfEmptyEntriesLeaveNoTrace() {
    #expect(
      failures { service in
        for _ in 0..<5000 { await service.exit() }
        service.world.checkAll()
        service.world.equal(
          await service.call(.queryProtocol, rcx: ProtocolQuery.rcx(.core, version: 1)).rcx, 0x1_0000_0001)
      } == [])
  }

  @Test func d78_d79_d80_QueryProtocolAnswersTheRangeOrZero() {
    #expect(
      failures { service in
        let wanted: [(ProtocolID, UInt32, UInt64)] = [
          (.core, 1, 0x1_0000_0001), (.core, 0, 0), (.core, 2, 0), (.core, .max, 0), (.attestation, 1, 0),
          (.vTPM, 1, 0), (.apic, 1, 0), (.uefiMM, 1, 0), (ProtocolID(rawValue: 5), 1, 0),
          (ProtocolID(rawValue: .max), 1, 0),
        ]
        for (id, version, rcx) in wanted {
          let answer = await service.call(
            .queryProtocol, rcx: ProtocolQuery.rcx(id, version: version), rdx: 7, r8: 8)
          service.world.equal(answer, Answer(rax: 0, rcx: rcx, rdx: 7, r8: 8), "\(id) \(version)")
        }
      } == [])
  }

  @Test func d81_d82_VTOMIsNotSupportedAndChangesNothing() {
    #expect(
      failures { service in
        let world = service.world
        world.equal(await service.call(.configureVTOM, rcx: 1), Answer(rax: 0, rcx: 0, rdx: 0, r8: 0))
        world.equal(await service.call(.configureVTOM, rcx: 3).result, .invalidParameter)
        for offset in [VMSAField.cr3, VMSAField.rip, VMSAField.rsp] {
          world.setWord(World.startUpVMSA, offset, 0x1234_5000)
        }
        for rcx in [0, 2, 1 << 46 | 2] as [UInt64] {
          world.equal(
            await service.call(.configureVTOM, rcx: rcx, rdx: 1, r8: 2, r9: 3).result, .invalidRequest)
        }
        for offset in [VMSAField.cr3, VMSAField.rip, VMSAField.rsp] {
          world.equal(world.word(World.startUpVMSA, offset), 0x1234_5000)
        }
      } == [])
  }
}
