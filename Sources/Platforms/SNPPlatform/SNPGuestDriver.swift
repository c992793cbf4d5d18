// SNPGuestDriver: what serving a guest takes from SNP: entry, saved registers, its memory, its pages, its vCPUs.
import SNP
public import Seams
public import X86

/// The guest at a less privileged level of this VM; every CPU uses it.
public final class SNPGuestDriver<Hardware: SNPHardware>: GuestPlatform, @unchecked Sendable {
  private let hardware: Hardware
  private let ghcb: GHCB<Hardware>
  private let doorbell: Doorbell<Hardware>
  private let pages: SharedPages
  private let list: ProcessorList
  private let flushOwn: @Sendable () -> Void
  /// The guest's level.
  public let level: VMPL
  /// SEV_FEATURES of the start-up vCPU, which every other one must have.
  public let features: SEVFeatures

  // Not generic: a class of Embedded Swift has no generic methods (`SNPPlatform.guestDriver`).
  init(
    _ ghcb: GHCB<Hardware>, _ doorbell: Doorbell<Hardware>, _ pages: SharedPages, level: VMPL,
    features: SEVFeatures, list: ProcessorList, flush: @escaping @Sendable () -> Void
  ) {
    hardware = ghcb.hardware
    self.ghcb = ghcb
    self.doorbell = doorbell
    self.pages = pages
    self.list = list
    self.level = level
    self.features = features
    flushOwn = flush
  }

  // MARK: Rest and entry.

  /// Nothing to hold: the doorbell's word closes the window.
  public func holdWakes() {}
  /// Takes what came.
  public func releaseWakes() { _ = doorbell.drain() }
  /// Rests until an event.
  public func halt(until deadline: UInt64?) { doorbell.rest() }
  /// Empties this CPU's TLB.
  public func flush() { flushOwn() }

  /// RUN_VMPL by the GHCB MSR (reference B.4, 0x016); an event cancels it or ends the stay.
  public func enter(_ context: VCPUContext, until deadline: UInt64?) -> GuestExit {
    guard let word = pages.doorbell(of: hardware.cpu) else { return .dead }
    let answer = GHCBMSR(
      rawValue: ghcb.guarded { hardware.run(level, unless: word, has: Doorbell<Hardware>.pending) })
    // Without an event there is nothing to take, and nothing to lock.
    if hardware.loadShared32(word) & Doorbell<Hardware>.pending != 0 { _ = doorbell.drain() }
    if answer == .runVMPL(level) { return .handled }
    guard answer.code == .runVMPLResponse else { return .refused }
    return answer.upper == 0 ? .returned : .refused
  }

  // MARK: Saved registers.

  private func load(_ context: VCPUContext, _ offset: Int) -> UInt64? {
    hardware.loadGuest(context.address.advanced(by: UInt64(truncatingIfNeeded: offset)))
  }
  private func store(_ context: VCPUContext, _ offset: Int, _ value: UInt64) {
    _ = hardware.storeGuest(value, width: 8, context.address.advanced(by: UInt64(truncatingIfNeeded: offset)))
  }

  /// Clears EFER.SVME, so that no VMRUN enters; false if a CPU runs the state, which its exit would overwrite.
  ///
  /// Source: reference A.4 step 1; VINTR_CTRL bit 63 is BUSY (B.1.3).
  public func closeGate(_ context: VCPUContext) -> Bool { hardware.closeGate(context.address) }
  /// Sets EFER.SVME; x86 orders it behind every earlier store.
  public func openGate(_ context: VCPUContext) { hardware.openGate(context.address) }
  /// In one piece.
  @inline(__always) public func takeCall(
    _ context: VCPUContext, at area: PhysicalAddress, into registers: inout CallRegisters
  ) -> UInt64? {
    hardware.takeCall(context.address, area, into: &registers).map { UInt64($0) }
  }
  /// In one piece where RAX and RCX are all there is.
  @inline(__always) public func answer(
    _ reply: CallReply, to context: VCPUContext, at area: PhysicalAddress
  ) {
    if reply.rdx != nil || reply.r8 != nil { write(reply, to: context) }
    hardware.answerCall(context.address, area, rax: UInt64(reply.result), rcx: reply.rcx)
  }
  /// GUEST_EXITCODE is VMGEXIT (reference A.4 step 3).
  public func exitedByCall(_ context: VCPUContext) -> Bool {
    load(context, VMSAField.guestExitCode) == SVMExitCode.vmgexit.rawValue
  }
  /// RAX, RCX, RDX, R8, R9; zeros where the host took the page away.
  public func callRegisters(_ context: VCPUContext) -> CallRegisters {
    CallRegisters(
      rax: load(context, VMSAField.rax) ?? 0, rcx: load(context, VMSAField.rcx) ?? 0,
      rdx: load(context, VMSAField.rdx) ?? 0, r8: load(context, VMSAField.r8) ?? 0,
      r9: load(context, VMSAField.r9) ?? 0)
  }
  /// RAX zero-extended, and what else is given.
  public func write(_ reply: CallReply, to context: VCPUContext) {
    store(context, VMSAField.rax, UInt64(reply.result))
    if let value = reply.rcx { store(context, VMSAField.rcx, value) }
    if let value = reply.rdx { store(context, VMSAField.rdx, value) }
    if let value = reply.r8 { store(context, VMSAField.r8, value) }
  }

  // MARK: Memory by copy.

  /// One access.
  public func loadWord(_ address: PhysicalAddress) throws(GuestMemoryFault) -> UInt64 {
    guard let value = hardware.loadGuest(address) else { throw GuestMemoryFault() }
    return value
  }
  /// One access.
  public func storeWord(_ value: UInt64, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    guard hardware.storeGuest(value, width: 8, address) else { throw GuestMemoryFault() }
  }
  /// One access.
  public func storeHalf(_ value: UInt16, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    guard hardware.storeGuest(UInt64(value), width: 2, address) else { throw GuestMemoryFault() }
  }
  /// One access.
  public func storeByte(_ value: UInt8, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    guard hardware.storeGuest(UInt64(value), width: 1, address) else { throw GuestMemoryFault() }
  }
  /// Copies out.
  public func read(_ address: PhysicalAddress, into bytes: inout MutableSpan<UInt8>) throws(GuestMemoryFault)
  {
    guard hardware.readGuest(address, into: &bytes) else { throw GuestMemoryFault() }
  }
  /// Copies in.
  public func write(_ bytes: borrowing Span<UInt8>, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    guard hardware.writeGuest(bytes, address) else { throw GuestMemoryFault() }
  }

  // MARK: Pages.

  private func rmpSize(_ size: GuestPageSize) -> RMPPageSize { size == .large ? .size2M : .size4K }

  private func check(_ status: RMPStatus) throws(PageFailure) {
    switch status {
    case .success: return
    case .failSizeMismatch: throw .sizeMismatch
    case .failInUse: throw .inUse
    case let other where other.rawValue <= 15: throw .refused(UInt8(truncatingIfNeeded: other.rawValue))
    default: throw .unreachable
    }
  }

  private func pvalidate(
    _ address: PhysicalAddress, _ size: GuestPageSize, _ validate: Bool
  ) throws(PageFailure) {
    let result = hardware.pvalidate(address, rmpSize(size), validate: validate)
    try check(result.status)
    if result.wasUnchanged { throw .unchanged }
  }

  /// PVALIDATE: a page that is validated has rights for VMPL0 only.
  public func validate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {
    try pvalidate(address, size, true)
  }
  /// PVALIDATE with 0.
  public func invalidate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {
    try pvalidate(address, size, false)
  }

  private func adjust(
    _ address: PhysicalAddress, _ size: GuestPageSize, _ target: VMPL, _ permissions: RMPPermissions,
    isVMSA: Bool = false
  ) throws(PageFailure) {
    let operand = RMPAdjustOperand(target: target, permissions: permissions, isVMSA: isVMSA)
    try check(hardware.rmpadjust(address, rmpSize(size), operand))
  }

  /// RMPADJUST of VMPL1 up to the guest's level (reference A.12, rule 10).
  public func grant(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {
    var number: UInt8 = 1
    while number <= level.rawValue {
      try adjust(address, size, VMPL(rawValue: number), .full)
      number &+= 1
    }
  }
  /// RMPADJUST of every level but VMPL0 (reference A.6, PVALIDATE step 3).
  public func revoke(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {
    for number in UInt8(1)...3 { try adjust(address, size, VMPL(rawValue: number), .none) }
  }
  /// INVLPGB of everything on every CPU, and TLBSYNC.
  public func flushReductions() -> Bool {
    hardware.invalidateEverywhere()
    return true
  }
  /// REP STOSQ with recovery.
  public func clear(_ address: PhysicalAddress, byteCount: UInt64) throws(GuestMemoryFault) {
    guard hardware.zeroGuest(address, byteCount: byteCount) else { throw GuestMemoryFault() }
  }
  /// All but the legacy hole, which hosts map read-only (reference A.6, A.12 rule 15).
  public func isClearable(_ address: PhysicalAddress) -> Bool {
    address.rawValue < 0xA_0000 || address.rawValue >= 0x10_0000
  }

  // MARK: vCPUs.

  /// The guest makes its own vCPUs by CREATE_VCPU.
  public var guestCreatesVCPUs: Bool { true }
  /// By the kernel's own list: one vCPU per CPU.
  public func processor(apicID: UInt32) -> CPUIndex? {
    for number in 0..<UInt32(truncatingIfNeeded: list.count) where list[CPUIndex(number)]?.rawValue == apicID
    {
      return CPUIndex(number)
    }
    return nil
  }

  /// Checks VMPL, SVME and SEV_FEATURES, and makes the page a VMSA that the guest may read (reference A.6, call 2).
  public func makeContext(_ context: VCPUContext) throws(VCPUFailure) {
    guard let word = load(context, VMSAField.vmpl & ~7), let efer = load(context, VMSAField.efer),
      let found = load(context, VMSAField.sevFeatures)
    else { throw .page(.unreachable) }
    let own = VMPL(rawValue: UInt8(truncatingIfNeeded: word >> UInt64(8 &* (VMSAField.vmpl & 7))))
    guard own == level, efer & VMSAField.eferSVME != 0, SEVFeatures(rawValue: found) == features else {
      throw .contents
    }
    do throws(PageFailure) {
      try adjust(context.address, .small, own, .read, isVMSA: true)
    } catch {
      throw .page(error)
    }
  }

  /// Makes the page an ordinary one without rights; throws `inUse` if a CPU runs it.
  public func unmakeContext(_ context: VCPUContext) throws(PageFailure) {
    try adjust(context.address, .small, level, .none)
  }
}
