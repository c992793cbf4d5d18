// SNPHardware: what the SNP driver asks of a CPU at VMPL0: its instructions, the shared pages, a few words of its own.
public import SNP
public import X86

/// What PVALIDATE leaves: EAX and the carry flag.
public struct ValidationResult: Equatable, Sendable {
  /// EAX.
  public let status: RMPStatus
  /// CF: the page was in that state already (APM 3, PVALIDATE).
  public let wasUnchanged: Bool
  /// A result.
  public init(_ status: RMPStatus, wasUnchanged: Bool) {
    self.status = status
    self.wasUnchanged = wasUnchanged
  }
}

/// One CPU of an SNP guest at VMPL0; every call speaks of the calling CPU.
///
/// Private pages are named by guest-physical address and reached through the mapping that the kernel has for them
/// (direct map, or the map of the guest's memory); an unmapped one is a fault. Shared pages are those of
/// `KernelLayout.shared`: everything read there is hostile. An instruction on a page that faults answers 0xFF.
public protocol SNPHardware: Sendable {
  /// The calling CPU.
  var cpu: CPUIndex { get }
  /// Word `index`, 0 to 7, of the CPU's own, 0 at first.
  func ownWord(_ index: Int) -> UInt64
  /// Sets word `index`, 0 to 7.
  func setOwnWord(_ index: Int, _ value: UInt64)

  /// SEV_STATUS, which no host intercepts (reference snp-svsm.md B.2).
  var status: UInt64 { get }
  /// Writes the GHCB MSR, executes VMGEXIT, and reads the MSR back.
  func exchange(_ value: UInt64) -> UInt64
  /// PVALIDATE.
  func pvalidate(_ page: PhysicalAddress, _ size: RMPPageSize, validate: Bool) -> ValidationResult
  /// RMPADJUST.
  func rmpadjust(_ page: PhysicalAddress, _ size: RMPPageSize, _ operand: RMPAdjustOperand) -> RMPStatus
  /// RMPQUERY of the rights of `level`; the answer counts only with status `success`.
  func rmpquery(
    _ page: PhysicalAddress, of level: VMPL
  ) -> (status: RMPStatus, answer: RMPAdjustOperand, size: RMPPageSize)
  /// INVLPGB of all addresses, global ones included, on all CPUs, and TLBSYNC.
  func invalidateEverywhere()

  /// The word at `address`, a multiple of 8, of a shared page: one access.
  func loadShared(_ address: PhysicalAddress) -> UInt64
  /// Stores a word at `address`, a multiple of 8, of a shared page.
  func storeShared(_ address: PhysicalAddress, _ value: UInt64)
  /// Compare-exchange of the 32-bit word at `address` of a shared page; says what it was.
  func exchangeShared(_ address: PhysicalAddress, expected: UInt32, with desired: UInt32) -> UInt32

  /// Halts until an event, unless `mask` finds a bit in the 32-bit word at `word` of a shared page; an event between
  /// the look and the instruction ends the halt (`endOfWindow`).
  func halt(unless word: PhysicalAddress, has mask: UInt32)
  /// RUN_VMPL of `level` by the GHCB MSR, with the same window; the MSR afterwards, which is the request itself if the
  /// guest was not entered.
  func run(_ level: VMPL, unless word: PhysicalAddress, has mask: UInt32) -> UInt64
  /// Where an event must go on that interrupted `rip`: the end of the halt's or entry's window, or nil outside of them.
  func endOfWindow(_ rip: UInt64) -> UInt64?
  /// Where a fault must go on that `rip` met in the guest's memory; nil for code that may not fault.
  func faultExit(_ rip: UInt64) -> UInt64?
  /// Clears EFER.SVME of the VMSA at `state`, and only then, past a full fence, looks at VINTR_CTRL.BUSY; false, with the
  /// bit set, if a CPU runs the VMSA, or if the page faults.
  func closeGate(_ state: PhysicalAddress) -> Bool
  /// Sets EFER.SVME of the VMSA at `state`.
  func openGate(_ state: PhysicalAddress)
  /// Closes the gate, and if the byte at `area` is not 0 and GUEST_EXITCODE is VMGEXIT, copies the call's registers and
  /// answers that byte; else nil, with the gate open if it could be closed.
  func takeCall(
    _ state: PhysicalAddress, _ area: PhysicalAddress, into registers: inout CallRegisters
  ) -> UInt8?
  /// Writes RAX, RCX if it is given, clears the byte at `area` and opens the gate, in this order.
  func answerCall(_ state: PhysicalAddress, _ area: PhysicalAddress, rax: UInt64, rcx: UInt64?)
  /// The word at `address` of the guest's memory; nil if it faults. One access.
  func loadGuest(_ address: PhysicalAddress) -> UInt64?
  /// Stores the low `width` bytes (1, 2 or 8) of `value`; false if it faults. One access.
  func storeGuest(_ value: UInt64, width: Int, _ address: PhysicalAddress) -> Bool
  /// Copies out of the guest's memory; false if it faults.
  func readGuest(_ address: PhysicalAddress, into bytes: inout MutableSpan<UInt8>) -> Bool
  /// Copies into the guest's memory; false if it faults.
  func writeGuest(_ bytes: borrowing Span<UInt8>, _ address: PhysicalAddress) -> Bool
  /// Clears `byteCount` bytes, a multiple of 8; false if it faults.
  func zeroGuest(_ address: PhysicalAddress, byteCount: UInt64) -> Bool
  /// The byte of the kernel's own code at `address`; 0 where there is no code.
  func codeByte(_ address: UInt64) -> UInt8
  /// Rests for good.
  func park() -> Never
}

extension SNPHardware {
  /// One access to the low half of a word.
  public func loadShared32(_ address: PhysicalAddress) -> UInt32 {
    UInt32(truncatingIfNeeded: loadShared(address))
  }
}
