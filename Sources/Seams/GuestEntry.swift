// GuestEntry: how a CPU enters its guest, and what it is told when the guest has come back.
public import X86

/// A guest vCPU's saved state, by the address that names it.
///
/// What lies there is the platform's matter: a page of registers, or nothing but a name.
public struct VCPUContext: Equatable, Sendable {
  /// The guest-physical address, 4 KiB aligned; already checked, and the guest has no rights there.
  public let address: PhysicalAddress
  /// The vCPU saved at `address`.
  @inlinable public init(_ address: PhysicalAddress) { self.address = address }
}

/// How a stay in the guest ended, as far as the request loop must know.
public enum GuestExit: Equatable, Sendable {
  /// The guest may have made a call; `GuestRegisters` tells.
  case returned
  /// The platform dealt with the exit, or an event for the kernel ended it: nothing for the request loop.
  case handled
  /// The guest was not entered, and may be some other time (the vCPU is not started yet, or the host refuses).
  case refused
  /// The vCPU can't run any more (triple fault, entry failure): its kernel CPU goes on without it.
  case dead
}

/// Entering the guest on this CPU: the instruction, and the closed window before it.
///
/// A `Halter` too, for a CPU without a guest vCPU rests by halting.
///
/// *May be called from*: the CPU's request loop, which has the vCPU's slot.
public protocol GuestEntry: Halter {
  /// Enters the guest and answers when it came back, for whatever reason.
  ///
  /// *Requires*: `holdWakes` was called, and the CPU has published `inGuest` since. *Guarantees*: wakes are let in no
  /// earlier than with the entry itself, so that one that came since `holdWakes` cancels the entry or ends the stay at
  /// once; on return wakes are let in. A `deadline` (ticks) ends the stay at about that time where the platform's
  /// clock can interrupt. Exits of the platform's own (CPUID, port I/O, MSR) are dealt with inside, or by the time
  /// `handled` is answered; the guest resumes behind the instruction at the next entry.
  func enter(_ context: VCPUContext, until deadline: UInt64?) -> GuestExit
}
