// SNPMemory+Guest: the instructions by which a guest changes and asks the RMP.

import SNP

/// What a finished RMP instruction leaves in the registers.
public struct RMPResult: Equatable, Sendable {
  /// EAX.
  public var status: RMPStatus
  /// The carry flag, meaningful for PVALIDATE only.
  public var carry: Bool

  /// A result with `carry` clear unless said otherwise.
  public init(_ status: RMPStatus, carry: Bool = false) {
    self.status = status
    self.carry = carry
  }
}

/// Where the linear address of an RMP instruction leads, found by the caller through the guest's
/// page tables.
public struct RMPTarget: Equatable, Sendable {
  /// The linear address in RAX, bytes.
  public var linearAddress: UInt64
  /// The guest page that the linear address maps to.
  public var page: GuestPage
  /// Whether the mapping has the C-bit.
  public var isEncrypted: Bool

  /// A target mapped with the C-bit unless said otherwise.
  public init(linearAddress: UInt64, page: GuestPage, isEncrypted: Bool = true) {
    self.linearAddress = linearAddress
    self.page = page
    self.isEncrypted = isEncrypted
  }

  /// The identity mapping of `page`.
  public init(_ page: GuestPage) { self.init(linearAddress: page.address, page: page) }

  /// Present, reserved-bit page fault: what hardware is said to raise for a mapping without C-bit
  /// (reference B.1.2, one source).
  static let unencryptedFault = GuestFault.pageFault(errorCode: 1 | 8)
}

extension SNPMemory {
  /// Size or alignment that FAIL_INPUT answers; bits 11:0 must be 0 too (stricter than documented).
  private func isMalformed(_ target: RMPTarget, _ size: RMPPageSize) -> Bool {
    guard size.isArchitectural else { return true }
    return target.linearAddress & (size.byteCount &- 1) != 0
      || (size == .size2M && !target.page.is2MAligned)
  }

  /// PVALIDATE: sets or clears Validated of a page.
  ///
  /// Rule: reference B.1.2 order 1 to 6. #GP(0) at CPL > 0 and at VMPL > 0 (the latter unverified),
  /// FAIL_INPUT, #PF for a mapping without C-bit, nested fault by the RMP (SIZEM for 4 KiB inside a
  /// 2 MiB entry), FAIL_SIZEMISMATCH for 2 MiB on 4 KiB, CF = 1 when nothing changes.
  public mutating func pvalidate(
    _ caller: SNPCaller, _ target: RMPTarget, size: RMPPageSize, validate: Bool
  ) throws(GuestFault) -> RMPResult {
    guard caller.cpl == 0, caller.vmpl == .vmpl0 else { throw .generalProtection }
    guard !isMalformed(target, size) else { return RMPResult(.failInput) }
    guard target.isEncrypted else { throw RMPTarget.unencryptedFault }
    let (mapping, entry) = try resolveForInstruction(target.page, size)
    guard let entry else { return RMPResult(.failSizeMismatch) }
    guard entry.isValidated != validate else {
      note(.validationMismatch, caller, target.page)
      return RMPResult(.success, carry: true)
    }
    rmp.update(mapping.page) { $0.isValidated = validate }
    if !validate { revocations.open(target.page, count: size.pageCount, levels: 0b1111, by: caller.cpu) }
    return RMPResult(.success)
  }

  /// Steps 4 and 5 of reference B.1.2: the RMP's view of the page, nil for a size mismatch.
  private func resolveForInstruction(
    _ page: GuestPage, _ size: RMPPageSize
  ) throws(GuestFault) -> (NestedEntry, RMPEntry?) {
    let code: NestedFaultCode = [.finalAddress, .encrypted]
    let (mapping, entry) = try resolve(page, code)
    if size == .size4K, entry.pageSize == .size2M {
      throw .nested(code.union([.present, .rmp, .sizeMismatch]))
    }
    return (mapping, size == .size2M && entry.pageSize == .size4K ? nil : entry)
  }

  /// RMPADJUST: gives a less privileged level exactly these permissions on a page.
  ///
  /// Rule: reference B.1.2: FAIL_INPUT for a malformed operand, FAIL_PERMISSION for a target not
  /// below the caller, nested fault as for PVALIDATE, #VC 0x404 for a page not validated,
  /// FAIL_SIZEMISMATCH, FAIL_PERMISSION for more than the caller has. The VMSA bit is written at
  /// VMPL0 only and ignored elsewhere. A running VMSA is refused with FAIL_INUSE (stricter).
  public mutating func rmpadjust(
    _ caller: SNPCaller, _ target: RMPTarget, size: RMPPageSize, _ operand: RMPAdjustOperand
  ) throws(GuestFault) -> RMPResult {
    guard caller.cpl == 0 else { throw .generalProtection }
    guard !isMalformed(target, size), operand.target.isArchitectural, operand.reserved == 0,
      operand.permissions.isSubset(of: .full)
    else { return RMPResult(.failInput) }
    guard operand.target > caller.vmpl else { return RMPResult(.failPermission) }
    guard target.isEncrypted else { throw RMPTarget.unencryptedFault }
    let (mapping, found) = try resolveForInstruction(target.page, size)
    guard rmp.read(mapping.page)?.isValidated == true else { throw .notValidated }
    guard let entry = found else { return RMPResult(.failSizeMismatch) }
    guard operand.permissions.isSubset(of: entry.permissions(caller.vmpl)) else {
      return RMPResult(.failPermission)
    }
    if entry.isInUse {
      note(.runningVMSAAdjusted, caller, target.page)
      return RMPResult(.failInUse)
    }
    let old = entry.permissions(operand.target)
    rmp.update(mapping.page) {
      $0.setPermissions(operand.permissions, for: operand.target)
      if caller.vmpl == .vmpl0 { $0.isVMSA = operand.isVMSA }
    }
    if !old.isSubset(of: operand.permissions) {
      revocations.open(
        target.page, count: size.pageCount, levels: 1 << operand.target.rawValue, by: caller.cpu)
    }
    return RMPResult(.success)
  }

  /// RMPQUERY: the permissions that a level has on a page, the VMSA bit and the entry's size.
  ///
  /// Rule: reference B.1.2: codes 0 and 2 only. A target above the caller, or one that does not
  /// exist, is FAIL_PERMISSION (unverified); #VC 0x404 for a page not validated (unverified).
  public func rmpquery(
    _ caller: SNPCaller, _ target: RMPTarget, of vmpl: VMPL
  ) throws(GuestFault) -> (status: RMPStatus, answer: RMPAdjustOperand, size: RMPPageSize) {
    guard caller.cpl == 0 else { throw .generalProtection }
    let nothing = RMPAdjustOperand(target: vmpl, permissions: .none)
    guard vmpl >= caller.vmpl, vmpl.isArchitectural else {
      return (.failPermission, nothing, .size4K)
    }
    guard target.isEncrypted else { throw RMPTarget.unencryptedFault }
    let (_, entry) = try resolve(target.page, [.finalAddress, .encrypted])
    guard entry.isValidated else { throw .notValidated }
    let held = entry.permissions(vmpl).subtracting(.supervisorShadowStack)
    let answer = RMPAdjustOperand(target: vmpl, permissions: held, isVMSA: entry.isVMSA)
    return (.success, answer, entry.pageSize)
  }

  /// INVLPGB: broadcasts an invalidation of the guest's translations; done only after TLBSYNC.
  ///
  /// Rule: APM volume 3, INVLPGB: #GP(0) at CPL > 0; in a guest the ASID field must be 0 (unverified,
  /// strict). Only an invalidation of all addresses including global ones closes a reduction of
  /// rights: RAX[0] (address valid) and RAX[1] (PCID valid) 0, RAX[3] (global) 1.
  public mutating func invlpgb(
    _ caller: SNPCaller, rax: UInt64, edx: UInt32
  ) throws(GuestFault) {
    guard caller.cpl == 0, edx & 0xFFFF == 0 else { throw .generalProtection }
    let isEverything = rax & 0b11 == 0 && rax & 0b1000 != 0
    if isEverything { revocations.post(by: caller.cpu) }
  }

  /// TLBSYNC: waits until the caller's broadcasts are done on all CPUs.
  ///
  /// Rule: APM volume 3, TLBSYNC: #GP(0) at CPL > 0. Closes the reductions that this CPU broadcast.
  public mutating func tlbsync(_ caller: SNPCaller) throws(GuestFault) {
    guard caller.cpl == 0 else { throw .generalProtection }
    revocations.sync(by: caller.cpu)
    translations.dropAll(keeping: revocations)
  }
}
