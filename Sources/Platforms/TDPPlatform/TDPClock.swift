// TDPClock: the time-stamp counter of a TD as a clock without alarms.
public import Seams
import X86

/// Ticks of the counter, which the host can neither set nor scale.
///
/// An L1 has no timer of its own (reference tdx.md B.7, D.3), so this clock is no `SleepClock`: a board with it does not
/// compile with a sleep.
public struct TDPClock<Hardware: TDXHardware>: Clock, Sendable {
  /// Nothing happens at a deadline.
  public static var kind: ClockKind { .none }
  private let hardware: Hardware
  /// Ticks per second.
  public let frequency: UInt64

  /// The clock, its rate from CPUID leaf 0x15 (the module's answer): EBX × ECX / EAX.
  public init(_ hardware: Hardware) {
    self.hardware = hardware
    let leaf = hardware.cpuid(0x15, 0)
    let product = UInt64(leaf.ebx) &* UInt64(leaf.ecx)
    frequency = leaf.eax == 0 || product == 0 ? 1_000_000_000 : max(1, product / UInt64(leaf.eax))
  }

  /// The counter.
  public func now() -> Instant { Instant(ticks: hardware.cycles()) }
}
