// TDFault: how an access or call of a TD can leave its straight path.

import TDX

/// An event that a vCPU takes.
public enum TDException: Equatable, Sendable {
  /// #UD.
  case invalidOpcode
  /// #GP(0).
  case generalProtection
  /// #PF with this error code and CR2.
  case pageFault(errorCode: UInt32, linearAddress: UInt64)
  /// #VE; the information waits for TDG.VP.VEINFO.GET.
  case virtualization
  /// #DF: a #VE was due while the information of another was not fetched.
  case doubleFault
}

/// What the host finds in its registers after TDH.VP.ENTER.
///
/// Rule: tdx.md A.5. The status is in RAX; whatever is not listed there is 0.
public struct TDExit: Equatable, Sendable {
  /// The general registers as the host sees them.
  public var registers = GeneralRegisters()
  /// The XMM registers that the host sees, bit n for XMMn; the others are zero.
  public var visibleXMM: UInt16 = 0

  /// An exit with status, reason and qualification; VM index in RCX[33:32].
  public init(
    _ status: TDXStatus = .success, _ reason: VMXExitReason, qualification: UInt32 = 0, vm: Int = 0,
    extended: ExtendedQualification = .none, guestAddress: UInt64 = 0, interruption: UInt64 = 0
  ) {
    registers.rax = UInt64(status.upper) << 32 | UInt64(reason.rawValue)
    registers.rcx = UInt64(qualification) | UInt64(vm & 3) << 32
    registers.rdx = extended.rawValue
    registers.r8 = guestAddress & ~0xFFF
    registers.r9 = interruption
  }

  /// The basic exit reason in RAX.
  public var reason: VMXExitReason {
    VMXExitReason(rawValue: UInt32(truncatingIfNeeded: registers.rax))
  }
  /// The status in RAX.
  public var status: TDXStatus { TDXStatus(UInt32(truncatingIfNeeded: registers.rax >> 32)) }
}

/// What follows an access or an instruction.
public enum TDFault: Error, Equatable, Sendable {
  /// The vCPU takes an exception; RIP stays at the instruction.
  case raise(TDException)
  /// Control goes to the host; the instruction is executed again later.
  case exit(TDExit)
}
