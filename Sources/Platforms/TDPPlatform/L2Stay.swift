// L2Stay: how one stay in an L2 ended, as TDG.VP.ENTER reports it.
import TDX

/// The outputs of TDG.VP.ENTER (reference tdx.md B.5), without those that no exit here needs.
struct L2Stay: Equatable, Sendable {
  /// What became of the entry.
  enum Outcome: Equatable, Sendable {
    /// The L2 ran, and this made it leave.
    case left
    /// It ran; the host or an interrupt for L1 took the vCPU away.
    case taken
    /// It did not run, and may another time: an interrupt waits for L1, or a resource is busy.
    case postponed
    /// Our arguments are wrong: the guest can't go on.
    case refused
  }

  let status: TDXStatus
  let qualification: UInt64
  let linearAddress: UInt64
  let guestAddress: UInt64
  let vectoring: UInt64
  let instructionLength: UInt64
  let cpl: UInt8

  init(_ registers: GeneralRegisters) {
    status = TDXStatus(rawValue: registers.rax)
    qualification = registers.rcx
    linearAddress = registers.rdx
    guestAddress = registers.r8
    vectoring = registers.r10
    instructionLength = registers.r11 >> 32
    cpl = UInt8(truncatingIfNeeded: registers.r12 & 3)
  }

  /// The exit reason; bit 31 for an entry failure.
  var reason: VMXExitReason { VMXExitReason(rawValue: status.detail) }

  /// Rule: reference E.4; a flush is used up exactly by `left` and `taken` (G.64).
  var outcome: Outcome {
    switch status.upper {
    case 0: .left
    case TDXStatus.l2ExitHostRoutedAsync.upper, TDXStatus.l2ExitHostRoutedTDVMCALL.upper,
      TDXStatus.l2ExitPendingInterrupt.upper:
      .taken
    case TDXStatus.pendingInterrupt.upper: .postponed
    default: status.statusClass == .retry ? .postponed : .refused
    }
  }
}
