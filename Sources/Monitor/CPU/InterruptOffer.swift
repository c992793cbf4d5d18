// InterruptOffer: an interrupt that V_IRQ gave an open guest at its entry, and what became of it.

import Bits
import SNP

/// An interrupt that the CPU takes before the guest's next instruction, unless the entry ends at once.
///
/// QEMU (7.2 to 11) keeps V_IRQ in a word that VMRUN, VMEXIT and the interrupts of other CPUs change without a lock, so
/// that one that arrives during VMRUN makes it lose the virtual interrupt or keep one that was delivered: V_IRQ alone is
/// no witness. RIP and RSP are: every delivery moves both.
public struct InterruptOffer: Equatable, Sendable {
  /// The vector.
  public let vector: UInt8
  private let rip: UInt64
  private let rsp: UInt64

  /// What became of it.
  public enum Outcome: Equatable, Sendable {
    /// The handler was entered.
    case taken
    /// Nothing happened: it waits as before.
    case left
    /// The exit broke its delivery off, which EXITINTINFO says: it is under way and to be injected again.
    case brokenOff
  }

  /// `vector`, offered to a guest whose interrupts are open.
  public init<CPU: CPUState & ~Copyable>(_ vector: UInt8, to cpu: borrowing CPU) {
    self.vector = vector
    rip = cpu.vmcb(VMCB.rip)
    rsp = cpu.vmcb(VMCB.rsp)
  }

  /// Reads the outcome from the exited guest.
  ///
  /// An unmoved guest whose V_IRQ is gone has been in its handler and back, but for the exit by the interrupt that took
  /// V_IRQ away.
  public func outcome<CPU: CPUState & ~Copyable>(_ cpu: borrowing CPU) -> Outcome {
    let event = cpu.vmcb(VMCB.exitIntInfo)
    // QEMU calls every event but INTn an exception there; vectors from 32 are none.
    if event.bit(31), event & 0xFF == UInt64(vector), event >> 8 & 7 != 4 { return .brokenOff }
    guard cpu.vmcb(VMCB.rip) == rip, cpu.vmcb(VMCB.rsp) == rsp else { return .taken }
    let code = SVMExitCode(rawValue: cpu.vmcb(VMCB.exitCode) & 0xFFFF_FFFF)
    return cpu.vmcb(VMCB.virtualInterrupt).bit(8) || code == .interrupt ? .left : .taken
  }
}
