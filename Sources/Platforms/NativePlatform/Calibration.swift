// Calibration: how fast the time-stamp counter and the APIC's timer go, measured against the PIT.
import Seams

/// One look at three clocks at (nearly) the same moment.
public struct ClockSample: Equatable, Sendable {
  /// The time-stamp counter.
  public var cycles: UInt64
  /// The PIT's counter, counting down from 65,535.
  public var pit: UInt16
  /// The APIC timer's counter, counting down.
  public var apic: UInt32
  /// A sample.
  public init(cycles: UInt64, pit: UInt16, apic: UInt32) {
    self.cycles = cycles
    self.pit = pit
    self.apic = apic
  }
}

/// The rates of the clocks.
public struct ClockRates: Equatable, Sendable {
  /// Time-stamp ticks per second; never 0.
  public let cyclesPerSecond: UInt64
  /// APIC timer ticks per second, divider 1; never 0.
  public let apicPerSecond: UInt64

  /// The PIT's input clock in Hz (8254: 14.31818 MHz / 12).
  public static var pitPerSecond: UInt64 { 1_193_182 }
  /// What is assumed when the samples say nothing.
  public static var fallback: UInt64 { 1_000_000_000 }

  /// The rates between two samples at most 65,535 PIT ticks apart.
  public init(from first: ClockSample, to last: ClockSample) {
    let elapsed = UInt64(first.pit &- last.pit)
    cyclesPerSecond = Self.rate(last.cycles &- first.cycles, elapsed)
    apicPerSecond = Self.rate(UInt64(first.apic &- last.apic), elapsed)
  }

  private static func rate(_ ticks: UInt64, _ elapsed: UInt64) -> UInt64 {
    guard elapsed > 0, ticks > 0, ticks < 1 << 40 else { return fallback }
    return max(1, ticks &* pitPerSecond / elapsed)
  }
}

/// The 8254's channel 2, whose gate a port opens, so that nothing interrupts.
struct PIT<Ports: PortSpace> {
  let ports: Ports

  /// Counts down from 65,535 once (mode 0), speaker off.
  func start() {
    ports.out8(0x61, (ports.in8(0x61) & 0xFC) | 1)
    ports.out8(0x43, 0xB0)
    ports.out8(0x42, 0xFF)
    ports.out8(0x42, 0xFF)
  }

  /// The count, latched.
  func count() -> UInt16 {
    ports.out8(0x43, 0x80)
    let low = UInt16(ports.in8(0x42))
    return low | UInt16(ports.in8(0x42)) << 8
  }
}
