// SNPClock: the time-stamp counter, at the rate that the firmware's CPUID table gives.
public import Seams

/// Ticks of the time-stamp counter; nothing interrupts at a deadline.
public struct SNPClock<Cycles: CycleCounter & Sendable>: Clock, Sendable {
  /// Deadlines are noticed when somebody looks.
  public static var kind: ClockKind { .polled }
  /// What is assumed when no leaf tells: fast, so that limits last rather too long than too short.
  public static var fallback: UInt64 { 4_000_000_000 }
  private let cycles: Cycles
  /// Ticks per second.
  public let frequency: UInt64

  /// A clock of `frequency` ticks per second.
  public init(cycles: Cycles, frequency: UInt64) {
    self.cycles = cycles
    self.frequency = max(1, frequency)
  }

  /// The counter.
  public func now() -> Instant { Instant(ticks: cycles.cycles()) }

  /// The rate: leaf 0x15 (ratio and crystal in Hz), else 0x16 (MHz), else the host's leaf 0x40000010 (kHz), within
  /// 100 MHz to 10 GHz; else the fallback (SDM 2A, CPUID).
  public static func frequency(_ source: some CPUIDSource) -> UInt64 {
    let crystal = source.cpuid(0x15, 0)
    if crystal.eax != 0, crystal.ebx != 0, crystal.ecx != 0 {
      return plausible(UInt64(crystal.ecx) &* UInt64(crystal.ebx) / UInt64(crystal.eax))
    }
    let base = source.cpuid(0x16, 0).eax & 0xFFFF
    if base != 0 { return plausible(UInt64(base) &* 1_000_000) }
    let host = source.cpuid(0x4000_0010, 0).eax
    return host == 0 ? fallback : plausible(UInt64(host) &* 1000)
  }

  private static func plausible(_ rate: UInt64) -> UInt64 {
    rate >= 100_000_000 && rate <= 10_000_000_000 ? rate : fallback
  }
}
