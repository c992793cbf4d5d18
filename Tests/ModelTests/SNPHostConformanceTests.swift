// SNPHostConformanceTests: snp-svsm.md D.11, D.62, D.122 to D.125, and the injection modes.

import Model
import SNP
import Testing

@Suite struct SNPHostConformanceTests {
  @Test func d122_msrProtocolIsAnsweredBitExactly() {
    let machine = SNPTestMachine()
    #expect(machine.msr(0x002).1 == 0x0002_0002_2F00_0001)
    #expect(machine.msr(0x8000_001F_4000_0004).0 == .cpuid(function: 0x8000_001F, register: 1))
    machine.machine.answerCPUID(0, 0x6F)
    #expect(machine.machine.vcpus[0].ghcbMSR.rawValue == 0x0000_006F_0000_0005)
    #expect(machine.msr(0x010).1 == 0xFFFF_FFFF_FFFF_F011)
    #expect(machine.msr(65 << 12 | 0x012).1 == 65 << 12 | 0x013)
    // A private page is refused.
    #expect(machine.msr(1 << 12 | 0x012).1 == 0xFFFF_FFFF_FFFF_F013)
    #expect(machine.msr(0x080).1 >> 12 == SNPConfiguration(apicIDs: [0]).features.rawValue)
    #expect(machine.msr(0x0007_1100).0 == .terminated(set: 1, code: 7))
    #expect(machine.msr(0x006).0 == .resetHold)
    machine.machine.answerResetHold(0)
    #expect(machine.machine.vcpus[0].ghcbMSR.rawValue == 0x1007)
    // Unknown codes, and an address that is 0 or not mapped, stay as they are.
    for value: UInt64 in [0xABC_0FFF, 0x0AA, 0, 5000 << 12] {
      let (action, after) = machine.msr(value)
      #expect(action == .answered && after == value)
    }
    #expect(machine.msr(66 << 12).0 == .unregisteredPage)
    #expect(machine.msr(65 << 12).0 == .page(GuestPage(rawValue: 65)))
  }

  @Test func d122_pageStateChangeThroughTheMSR() {
    let machine = SNPTestMachine()
    let toPrivate = GHCBMSR.pageState(page: 70, operation: .makePrivate).rawValue
    #expect(machine.msr(toPrivate).1 == 0x015)
    let entry = machine.entry(70)
    #expect(entry?.isAssigned == true && entry?.isValidated == false)
    #expect(entry?.permissions(.vmpl1) == RMPPermissions.none && entry?.guestPage.rawValue == 70)
    #expect(machine.msr(GHCBMSR.pageState(page: 70, operation: .makeShared).rawValue).1 == 0x015)
    #expect(machine.entry(70)?.isAssigned == false)
    for bad in [
      GHCBMSR.pageState(page: 70, operation: .smash).rawValue, toPrivate | 1 << 56,
      GHCBMSR.pageState(page: 0xFF_FFFF, operation: .makePrivate).rawValue,
    ] { #expect(machine.msr(bad).1 == 0x8000_0000_0000_0015) }
    #expect(machine.entry(70)?.isAssigned == false)
  }

  @Test func d11_runVMPL() {
    let machine = SNPTestMachine()
    let (action, after) = machine.msr(0x2_0000_0016)
    #expect(action == .switched(.vmpl2) && after == 0x017)
    #expect(machine.run(.vmpl2) == .entered(.vmpl2))
    machine.exit()
    #expect(machine.msr(0x016).0 == .switched(.vmpl0))
    // A level without VMSA, and one that does not exist.
    for value: UInt64 in [0x1_0000_0016, 0x9_0000_0016, 0x100_0000_0016] {
      let (refused, answer) = machine.msr(value)
      #expect(refused == .answered && answer == 0x1_0000_0017)
    }
  }

  @Test func d123_naeErrors() {
    let machine = SNPTestMachine()
    func result(_ answer: (action: NAEAction, info1: UInt64, info2: UInt64)) -> [UInt64] {
      [answer.info1, answer.info2]
    }
    #expect(result(machine.nae(0x72, rax: 0, skipValid: GHCBPage.exitInfo2)) == [2, 4])
    #expect(result(machine.nae(0x72, rax: 0)) == [2, 4], "RCX is missing")
    #expect(result(machine.nae(0x8000_00FF)) == [2, 6])
    #expect(result(machine.nae(0x8000_FFFD, usage: 1)) == [2, 2])
    for scratch: UInt64 in [0, 65 << 12, 64 << 12 | 0x7F8, 64 << 12 | 0xFF0, 64 << 12 | 0xFEC] {
      #expect(result(machine.nae(0x8000_0010, scratch: scratch)) == [2, 3])
    }
    let features = machine.nae(0x8000_FFFD)
    #expect(features.info1 == 0 && features.info2 == SNPConfiguration(apicIDs: [0]).features.rawValue)
    #expect(machine.nae(0x8000_FFFE, info1: 0x31).action == .terminated(set: 1, code: 3))
    #expect(machine.nae(0x76).action == .emulate(.invd, info1: 0, info2: 0))
  }

  @Test func d123_emulatedEventsAreAnsweredWithValidBits() {
    let machine = SNPTestMachine()
    #expect(machine.nae(0x7B, info1: 0x0402_0011).action == .emulate(.io, info1: 0x0402_0011, info2: 0))
    machine.machine.answerNAE(0, rax: 0x5A, &machine.memory)
    let page = SystemPage(rawValue: SNPTestMachine.ghcb)
    #expect(machine.memory.load(page, GHCBPage.rax) == 0x5A)
    #expect(machine.memory.load(page, GHCBPage.validBitmap) >> 63 == 1)
    #expect(machine.memory.load(page, GHCBPage.exitInfo1) == 0)
    machine.machine.answerNAE(
      0, exception: EventInjection(.exception, vector: 13, errorCode: 0), &machine.memory)
    #expect(machine.memory.load(page, GHCBPage.exitInfo1) == 1)
    #expect(machine.memory.load(page, GHCBPage.exitInfo2) == 0x8000_0B0D)
  }

  @Test func d124_pageStateLists() {
    let machine = SNPTestMachine()
    let page = SystemPage(rawValue: SNPTestMachine.ghcb)
    let buffer = SNPTestMachine.ghcb << 12 | 0x800
    func list(_ header: PageStateHeader, _ entries: [PageStateEntry]) -> (UInt64, UInt64) {
      machine.memory.store(page, 0x800, header.rawValue)
      for (index, entry) in entries.enumerated() {
        machine.memory.store(page, 0x808 + 8 * index, entry.rawValue)
      }
      let answer = machine.nae(0x8000_0010, scratch: buffer)
      return (answer.info1, answer.info2)
    }
    let shared = PageStateEntry(page: 80, operation: .makePrivate, is2M: false)
    let second = PageStateEntry(page: 81, operation: .makePrivate, is2M: false)
    #expect(list(PageStateHeader(current: 0, end: 1), [shared, second]) == (0, 0))
    #expect(PageStateHeader(rawValue: machine.memory.load(page, 0x800)).current == 2)
    #expect(machine.entry(81)?.isAssigned == true)
    #expect(list(PageStateHeader(current: 0, end: 253), []) == (0, 1 << 32 | 1))
    #expect(list(PageStateHeader(rawValue: 1 << 32), []) == (0, 1 << 32 | 1))
    var late = shared
    late.currentPage = 2
    #expect(list(PageStateHeader(current: 0, end: 0), [late]) == (0, 1 << 32 | 2))
    var large = PageStateEntry(page: 1024, operation: .makePrivate, is2M: true)
    large.currentPage = 513
    #expect(list(PageStateHeader(current: 0, end: 0), [large]) == (0, 1 << 32 | 2))
    let crooked = PageStateEntry(page: 1025, operation: .makePrivate, is2M: true)
    #expect(list(PageStateHeader(current: 0, end: 0), [crooked]) == (0, 1 << 32 | 2))
    // A good 2 MiB entry makes a 2 MiB entry of the RMP; a 4 KiB change inside splits it.
    let good = PageStateEntry(page: 1024, operation: .makePrivate, is2M: true)
    #expect(list(PageStateHeader(current: 0, end: 0), [good]) == (0, 0))
    #expect(machine.machine.memory.rmp.governing(SystemPage(rawValue: 1100))?.pageSize == .size2M)
    let back = PageStateEntry(page: 1030, operation: .makeShared, is2M: false)
    #expect(list(PageStateHeader(current: 0, end: 0), [back]) == (0, 0))
    #expect(machine.entry(1030)?.isAssigned == false && machine.entry(1031)?.isAssigned == true)
    // The bad entry stops the list where it is.
    let stop = [PageStateEntry(page: 90, operation: .makePrivate, is2M: false), crooked, second]
    #expect(list(PageStateHeader(current: 0, end: 2), stop) == (0, 1 << 32 | 2))
    #expect(PageStateHeader(rawValue: machine.memory.load(page, 0x800)).current == 1)
  }

  @Test func d62_d125_apCreation() {
    let machine = SNPTestMachine()
    func create(
      _ operation: APCreation.Operation, vmpl: VMPL = .vmpl2, apicID: UInt32 = 7, vmsa: UInt64 = 41 << 12,
      rax: UInt64 = 1
    ) -> (action: NAEAction, info1: UInt64, info2: UInt64) {
      machine.nae(
        0x8000_0013, info1: APCreation(operation, vmpl: vmpl, apicID: apicID).rawValue, info2: vmsa,
        rax: rax)
    }
    func isRefused(_ answer: (action: NAEAction, info1: UInt64, info2: UInt64)) -> Bool {
      answer.info1 == 2 && answer.info2 == 5 && answer.action == .answered
    }
    #expect(isRefused(create(.create, apicID: 3)))
    #expect(isRefused(create(.create, vmsa: 41 << 12 | 8)))
    #expect(isRefused(create(.create, vmsa: 512 << 12)))
    #expect(isRefused(create(.create, rax: 1 | 1 << 3)))
    #expect(isRefused(create(.create, vmpl: VMPL(rawValue: 4))))
    let answer = create(.create)
    #expect(answer.info1 == 0 && answer.action == .vcpuChanged(1, .vmpl2, .create))
    #expect(machine.machine.vcpus[1].vmsa(.vmpl2)?.rawValue == 41)
    #expect(machine.machine.vcpus[1].vmsa(.vmpl0) == nil)
    #expect(machine.run(.vmpl2, vcpu: 1) == .entered(.vmpl2))
    machine.exit(vcpu: 1)
    #expect(create(.destroy).action == .vcpuChanged(1, .vmpl2, .destroy))
    #expect(machine.run(.vmpl2, vcpu: 1) == .invalid)
    // A lower level cannot replace a VMSA of VMPL0.
    machine.msr(0x2_0000_0016)
    machine.register(SNPTestMachine.ghcb)
    #expect(isRefused(create(.create, vmpl: .vmpl0)))
  }

  @Test func apicIdentifiersAreListed() {
    // snp-svsm.md B.5.1, 0x8000_0017.
    let machine = SNPTestMachine()
    let size = machine.nae(0x8000_0017, rax: 0)
    #expect(size.info1 == 0)
    #expect(machine.memory.load(SystemPage(rawValue: SNPTestMachine.ghcb), GHCBPage.rax) == 1)
    #expect(machine.nae(0x8000_0017, info1: 70 << 12, rax: 1).info1 == 0)
    #expect(machine.memory.load(SystemPage(rawValue: 70), 0) == 2)
    #expect(machine.memory.load(SystemPage(rawValue: 70), 8) == 7)
  }

  @Test func restrictedInjectionAdmitsOnlyHV() {
    // snp-svsm.md B.9, B.5.3.
    let machine = SNPTestMachine()
    let interrupt = EventInjection(.interrupt, vector: 0x31)
    func deliver(_ event: EventInjection, _ vmpl: VMPL = .vmpl0) -> SNPMachine.Delivery {
      machine.machine.hostInjection(0, vmpl, event, machine.memory)
    }
    #expect(deliver(interrupt) == .inject(interrupt))
    machine.memory.store(SystemPage(rawValue: 40), VMSAField.sevFeatures, 0b1001)
    #expect(deliver(interrupt) == .forbidden)
    #expect(deliver(.hypervisorInjection) == .inject(.hypervisorInjection))
    #expect(deliver(EventInjection(.exception, vector: 29, errorCode: 0x72)) == .forbidden)
    machine.memory.store(SystemPage(rawValue: 41), VMSAField.sevFeatures, 0b10001)
    #expect(deliver(.hypervisorInjection, .vmpl2) == .forbidden)
  }

  @Test func doorbellHoldsOneVectorAndSignalsOnce() {
    // snp-svsm.md B.5.3.
    let machine = SNPTestMachine()
    func ring(_ vector: UInt8?) -> SNPMachine.Delivery {
      machine.machine.ringDoorbell(0, .vmpl0, vector: vector, &machine.memory)
    }
    #expect(ring(0x31) == .forbidden, "no doorbell yet")
    #expect(machine.nae(0x8000_0014, info1: 1, info2: 71 << 12 | 8).info2 == 5)
    #expect(machine.nae(0x8000_0014, info1: 1, info2: 1 << 12).info2 == 5, "a private page")
    #expect(machine.nae(0x8000_0014, info1: 1, info2: 71 << 12).info1 == 0)
    #expect(machine.nae(0x8000_0014, info1: 2).info2 == 71 << 12)
    let page = SystemPage(rawValue: 71)
    #expect(ring(0x31) == .inject(.hypervisorInjection))
    #expect(machine.memory.load(page, 0) & 0xFFFF == 0x8031)
    #expect(ring(0x32) == .held)
    #expect(ring(nil) == .noted)
    #expect(machine.memory.load(page, 0) & 0xFFFF == 0x8131)
    // The guest clears no_further_signal, then takes the vector.
    machine.memory.store(page, 0, 0)
    #expect(ring(0x32) == .inject(.hypervisorInjection))
    #expect(ring(30) == .forbidden)
    #expect(machine.nae(0x8000_0014, info1: 3).info1 == 0)
    #expect(ring(0x33) == .forbidden)
  }

  @Test func alternateInjectionTakesTheVMSAsEventOnce() {
    // snp-svsm.md B.9.
    let machine = SNPTestMachine()
    let page = SystemPage(rawValue: 41)
    machine.memory.store(page, VMSAField.sevFeatures, 0b10001)
    machine.memory.store(page, VMSAField.eventInjection, EventInjection(.interrupt, vector: 0x40).rawValue)
    machine.memory.store(page, VMSAField.virtualInterruptControl, 0x200)
    let first = machine.machine.takeAlternateInjection(0, .vmpl2, &machine.memory)
    #expect(first?.event?.vector == 0x40 && first?.control.isGlobalInterruptFlag == true)
    let second = machine.machine.takeAlternateInjection(0, .vmpl2, &machine.memory)
    #expect(second != nil && second?.event == nil)
    let none = machine.machine.takeAlternateInjection(0, .vmpl0, &machine.memory)
    #expect(none == nil)
  }
}
