// SNPArchitectureConformanceTests: snp-svsm.md D.3, D.32, D.60, D.110, D.117 to D.121.

import Model
import SNP
import Testing

@Suite struct SNPArchitectureConformanceTests {
  private static func code(_ status: RMPStatus, carry: Bool = false) -> Result<RMPResult, GuestFault> {
    .success(RMPResult(status, carry: carry))
  }
  private static let ok = code(.success)

  @Test func d118_pvalidateTable() {
    let machine = SNPTestMachine()
    machine.assign(50)
    #expect(machine.validate(50) == Self.ok)
    #expect(machine.validate(50) == Self.code(.success, carry: true))
    #expect(machine.validate(50, false) == Self.ok)
    #expect(machine.validate(50, false) == Self.code(.success, carry: true))
    // 2 MiB on 4 KiB entries, and the reverse.
    machine.assign(512)
    #expect(machine.validate(512, is2M: true) == Self.code(.failSizeMismatch))
    machine.assign(1024, is2M: true)
    #expect(
      machine.validate(1025)
        == .failure(.nested([.finalAddress, .encrypted, .present, .rmp, .sizeMismatch])))
    #expect(machine.validate(1024, is2M: true) == Self.ok)
    // Malformed: misaligned 2 MiB, size 2.
    #expect(machine.validate(513, is2M: true) == Self.code(.failInput))
    #expect(throws: Never.self) {
      let result = try machine.machine.memory.pvalidate(
        SNPCaller(cpu: 0, vmpl: .vmpl0), RMPTarget(GuestPage(rawValue: 50)),
        size: RMPPageSize(rawValue: 2), validate: true)
      #expect(result.status == .failInput)
    }
    // Not assigned, not privileged.
    #expect(machine.validate(60) == .failure(.nested([.finalAddress, .encrypted, .present, .rmp])))
    #expect(machine.validate(50, vmpl: .vmpl1) == .failure(.generalProtection))
  }

  @Test func d118_pvalidateNeedsCPL0AndAPrivateMapping() {
    let machine = SNPTestMachine()
    machine.assign(50)
    #expect(throws: GuestFault.generalProtection) {
      try machine.machine.memory.pvalidate(
        SNPCaller(cpu: 0, vmpl: .vmpl0, cpl: 3), RMPTarget(GuestPage(rawValue: 50)), size: .size4K,
        validate: true)
    }
    #expect(throws: GuestFault.pageFault(errorCode: 9)) {
      try machine.machine.memory.pvalidate(
        SNPCaller(cpu: 0, vmpl: .vmpl0),
        RMPTarget(linearAddress: 50 << 12, page: GuestPage(rawValue: 50), isEncrypted: false),
        size: .size4K, validate: true)
    }
  }

  @Test func d118_rmpUpdateClearsAndPSmashKeeps() {
    let machine = SNPTestMachine()
    machine.assign(1024, is2M: true)
    _ = machine.validate(1024, is2M: true)
    #expect(machine.adjust(1024, .vmpl1, .full, isVMSA: false, is2M: true) == Self.ok)
    #expect(machine.smash(1024) == .success)
    let small = machine.entry(1030)
    #expect(small?.isValidated == true && small?.permissions(.vmpl1) == .full)
    #expect(small?.guestPage.rawValue == 1030 && small?.pageSize == .size4K)
    // Another guest page: everything is gone.
    #expect(machine.assign(1030, to: 1031) == .success)
    let moved = machine.entry(1030)
    #expect(moved?.isValidated == false && moved?.permissions(.vmpl1) == RMPPermissions.none)
    // The same assignment again changes nothing.
    #expect(machine.assign(1032) == .success)
    #expect(machine.entry(1032)?.isValidated == true)
  }

  @Test func d118_rmpUpdateAndPSmashCodes() {
    let machine = SNPTestMachine()
    let update = { (page: UInt64, record: RMPUpdateRecord) in
      machine.machine.memory.rmpUpdate(SystemPage(rawValue: page), record)
    }
    func record(_ page: UInt64, is2M: Bool = false, asid: UInt32 = 5) -> RMPUpdateRecord {
      RMPUpdateRecord(
        guestAddress: page << 12, assigned: true, pageSize: is2M ? .size2M : .size4K,
        immutable: false, asid: asid)
    }
    #expect(update(513, record(513, is2M: true)) == .failInput)
    #expect(update(1 << 40, record(1)) == .failInput)
    #expect(update(600, record(600, asid: 0)) == .failInput)
    machine.assign(600)
    #expect(update(512, record(512, is2M: true)) == .failOverlap)
    machine.assign(1024, is2M: true)
    #expect(update(1025, record(1025)) == .failOverlap)
    machine.assign(700, immutable: true)
    #expect(update(700, record(700)) == .failPermission)
    #expect(machine.run() == .entered(.vmpl0))
    #expect(machine.release(40) == .failInUse)
    machine.exit()
    #expect(machine.release(40) == .success)
    let smash = { (page: UInt64) in machine.smash(page) }
    #expect(smash(1025) == .failInput)
    #expect(smash(512) == .failInput)
    #expect(smash(512 * 100) == .failBadAddress)
    #expect(smash(1024) == .success && smash(1024) == .failInput)
  }

  @Test func d119_rmpadjustTable() {
    let machine = SNPTestMachine()
    #expect(machine.adjust(1, .vmpl0, .full) == Self.code(.failPermission))
    #expect(machine.adjust(1, .vmpl1, .read, vmpl: .vmpl1) == Self.code(.failPermission))
    #expect(machine.adjust(1, .vmpl1, .full) == Self.ok)
    #expect(machine.adjust(1, .vmpl2, [.read, .write], vmpl: .vmpl1) == Self.ok)
    #expect(machine.adjust(1, .vmpl1, .read) == Self.ok)
    #expect(machine.adjust(1, .vmpl2, .full, vmpl: .vmpl1) == Self.code(.failPermission))
    // The VMSA bit counts at VMPL0 only.
    #expect(machine.adjust(1, .vmpl2, .read, isVMSA: true, vmpl: .vmpl1) == Self.ok)
    #expect(machine.entry(1)?.isVMSA == false)
    #expect(machine.adjust(1, .vmpl2, .read, isVMSA: true) == Self.ok)
    #expect(machine.entry(1)?.isVMSA == true)
    #expect(machine.adjust(0, .vmpl2, .read, is2M: true) == Self.code(.failSizeMismatch))
    machine.assign(50)
    #expect(machine.adjust(50, .vmpl1, .read) == .failure(.notValidated))
  }

  @Test func d119_rmpquery() throws {
    let machine = SNPTestMachine()
    _ = machine.adjust(1, .vmpl2, [.read, .executeUser])
    let target = RMPTarget(GuestPage(rawValue: 1))
    let found = try machine.machine.memory.rmpquery(
      SNPCaller(cpu: 0, vmpl: .vmpl1), target, of: .vmpl2)
    #expect(found.status == .success && found.answer.permissions == [.read, .executeUser])
    #expect(found.size == .size4K && !found.answer.isVMSA)
    let refused = try machine.machine.memory.rmpquery(
      SNPCaller(cpu: 0, vmpl: .vmpl2), target, of: .vmpl1)
    #expect(refused.status == .failPermission)
  }

  @Test func d117_rmpadjustOfVMPL1AtVMPL2Answers2() {
    let machine = SNPTestMachine()
    _ = machine.adjust(1, .vmpl2, .full)
    #expect(machine.adjust(1, .vmpl1, .none, vmpl: .vmpl2) == Self.code(.failPermission))
  }

  @Test func d120_accessFaults() {
    let machine = SNPTestMachine()
    machine.assign(50)
    #expect(machine.access(50, .read(encrypted: true)) == .failure(.notValidated))
    #expect(
      machine.access(1, .write(encrypted: false))
        == .failure(.nested([.finalAddress, .write, .present, .rmp])))
    #expect(machine.access(1, .read(encrypted: false)) == .success(SystemPage(rawValue: 1)))
    #expect(
      machine.access(70, .write(encrypted: true))
        == .failure(.nested([.finalAddress, .write, .encrypted, .present, .rmp])))
    #expect(
      machine.access(1, .read(encrypted: true), vmpl: .vmpl2)
        == .failure(.nested([.finalAddress, .encrypted, .present, .rmp, .vmpl])))
    #expect(
      machine.access(1, .pageTableWalk(writes: true), vmpl: .vmpl2)
        == .failure(.nested([.pageTableWalk, .write, .encrypted, .present, .rmp, .vmpl])))
    // Fetches are private whatever the C-bit, and tell user from supervisor.
    _ = machine.adjust(1, .vmpl2, [.read, .executeUser])
    #expect(machine.access(1, .fetch, vmpl: .vmpl2, cpl: 3) == .success(SystemPage(rawValue: 1)))
    #expect(
      machine.access(1, .fetch, vmpl: .vmpl2)
        == .failure(.nested([.finalAddress, .fetch, .encrypted, .present, .rmp, .vmpl])))
    // Write without read is illegal on any use.
    _ = machine.adjust(2, .vmpl2, .write)
    #expect(machine.access(2, .write(encrypted: true), vmpl: .vmpl2) != .success(SystemPage(rawValue: 2)))
  }

  @Test func d110_aLowerLevelCannotReadAPageOfVMPL0() {
    let machine = SNPTestMachine()
    for vmpl in [VMPL.vmpl1, .vmpl2, .vmpl3] {
      #expect(
        machine.access(3, .read(encrypted: true), vmpl: vmpl)
          == .failure(.nested([.finalAddress, .encrypted, .present, .rmp, .vmpl])))
    }
    #expect(!machine.hostMayWrite(3))
    #expect(machine.hostMayWrite(70))
  }

  @Test func d32_a4KPValidateInsideA2MEntryWorksAfterPSmash() {
    let machine = SNPTestMachine()
    machine.assign(1024, is2M: true)
    guard case .failure(.nested(let code)) = machine.validate(1026) else {
      Issue.record("no fault")
      return
    }
    #expect(code.contains(.sizeMismatch))
    #expect(machine.smash(1024) == .success)
    #expect(machine.validate(1026) == Self.ok)
  }

  @Test func d3_d121_vmrunChecks() {
    let machine = SNPTestMachine()
    // Not a VMSA.
    machine.machine.offerVMSA(GuestPage(rawValue: 1), vcpu: 1, vmpl: .vmpl0)
    #expect(machine.run(vcpu: 1) == .invalid)
    // Running twice: the same VMSA offered to two vCPUs.
    machine.machine.offerVMSA(GuestPage(rawValue: 40), vcpu: 1, vmpl: .vmpl0)
    #expect(machine.run() == .entered(.vmpl0))
    #expect(machine.run(vcpu: 1) == .busy)
    machine.exit()
    #expect(machine.run(vcpu: 1) == .entered(.vmpl0))
    machine.exit(vcpu: 1)
    // SVME = 0.
    machine.memory.store(SystemPage(rawValue: 41), VMSAField.efer, 0)
    #expect(machine.run(.vmpl2) == .invalid)
    machine.memory.store(SystemPage(rawValue: 41), VMSAField.efer, VMSAField.eferSVME)
    #expect(machine.run(.vmpl2) == .entered(.vmpl2))
    machine.exit()
    // Features: two injection modes, or one not allowed.
    for features: UInt64 in [0b11001, 1 << 9 | 1, 0] {
      machine.memory.store(SystemPage(rawValue: 41), VMSAField.sevFeatures, features)
      #expect(machine.run(.vmpl2) == .invalid)
    }
    // The level in the VMSA decides, not the slot.
    machine.memory.store(SystemPage(rawValue: 41), VMSAField.sevFeatures, 1)
    machine.machine.offerVMSA(GuestPage(rawValue: 41), vcpu: 0, vmpl: .vmpl1)
    #expect(machine.run(.vmpl1) == .invalid)
  }

  @Test func d2_anExitIsRecordedInTheVMSA() {
    let machine = SNPTestMachine()
    #expect(machine.run() == .entered(.vmpl0))
    machine.machine.vmexit(0, .interrupt, info1: 1, info2: 2, nextRIP: 3, &machine.memory)
    let page = SystemPage(rawValue: 40)
    #expect(machine.memory.load(page, VMSAField.guestExitCode) == 0x60)
    #expect(machine.memory.load(page, VMSAField.guestExitInfo2) == 2)
    #expect(machine.memory.load(page, VMSAField.guestNRIP) == 3)
    #expect(machine.entry(40)?.isInUse == false)
  }

  @Test func d60_aGuestCannotWriteItsVMSA() {
    let machine = SNPTestMachine()
    #expect(
      machine.access(41, .write(encrypted: true), vmpl: .vmpl2)
        == .failure(.nested([.finalAddress, .write, .encrypted, .present, .rmp, .vmpl])))
    #expect(machine.access(41, .write(encrypted: true)) == .success(SystemPage(rawValue: 41)))
    // And nobody takes the VMSA bit from a running one.
    #expect(machine.run(.vmpl2) == .entered(.vmpl2))
    #expect(machine.adjust(41, .vmpl2, .full) == Self.code(.failInUse))
    #expect(machine.machine.memory.breaches.first.map(\.rule) == [.runningVMSAAdjusted])
  }

  @Test func d46_aRevocationIsOpenUntilINVLPGBAndTLBSYNC() throws {
    let machine = SNPTestMachine(translationCapacity: 8)
    _ = machine.adjust(1, .vmpl2, .full)
    #expect(
      machine.access(1, .read(encrypted: true), vmpl: .vmpl2, cpu: 1) == .success(SystemPage(rawValue: 1)))
    _ = machine.adjust(1, .vmpl2, .none)
    #expect(
      machine.access(1, .read(encrypted: true), vmpl: .vmpl2, cpu: 1) == .success(SystemPage(rawValue: 1)))
    #expect(machine.machine.memory.breaches.first.map(\.rule) == [.staleTranslationUsed])
    let caller = SNPCaller(cpu: 0, vmpl: .vmpl0)
    // TLBSYNC alone, INVLPGB of one address, INVLPGB without TLBSYNC: still open.
    try machine.machine.memory.tlbsync(caller)
    try machine.machine.memory.invlpgb(caller, rax: 0x1001, edx: 0)
    try machine.machine.memory.tlbsync(caller)
    try machine.machine.memory.invlpgb(caller, rax: 0b1000, edx: 0)
    #expect(machine.isOpen(1, .vmpl2))
    // Another CPU's TLBSYNC does not wait for this CPU's broadcast.
    try machine.machine.memory.tlbsync(SNPCaller(cpu: 1, vmpl: .vmpl0))
    #expect(machine.isOpen(1, .vmpl2))
    try machine.machine.memory.tlbsync(caller)
    #expect(!machine.isOpen(1, .vmpl2))
    #expect(
      machine.access(1, .read(encrypted: true), vmpl: .vmpl2, cpu: 1)
        == .failure(.nested([.finalAddress, .encrypted, .present, .rmp, .vmpl])))
    #expect(throws: GuestFault.generalProtection) {
      try machine.machine.memory.invlpgb(SNPCaller(cpu: 0, vmpl: .vmpl0, cpl: 3), rax: 8, edx: 0)
    }
  }

  @Test func goingDownWithAnOpenRevocationIsABreach() {
    // issue 4: completing a call with one open is a violation.
    let machine = SNPTestMachine()
    _ = machine.adjust(1, .vmpl2, .full)
    #expect(machine.msr(0x2_0000_0016).0 == .switched(.vmpl2))
    #expect(machine.machine.memory.breaches.count == 0)
    #expect(machine.msr(0x0_0000_0016).0 == .switched(.vmpl0))
    _ = machine.adjust(1, .vmpl2, .none)
    #expect(machine.msr(0x2_0000_0016).0 == .switched(.vmpl2))
    #expect(machine.machine.memory.breaches.first.map(\.rule) == [.openRevocation])
  }
}
