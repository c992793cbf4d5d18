// NativeClock: the time-stamp counter as time, the APIC's timer or the TSC deadline as alarm.
import Seams
import X86

/// Ticks of the time-stamp counter.
public struct NativeClock<Cycles: CycleCounter, MSRs: MSRSpace, Page: APICPage>: SleepClock, Sendable
where Cycles: Sendable, MSRs: Sendable, Page: Sendable {
  /// A deadline interrupts.
  public static var kind: ClockKind { .interrupt }
  private let cycles: Cycles
  private let registers: MSRs
  private let controller: LocalAPIC<MSRs, Page>
  private let usesDeadline: Bool
  /// APIC ticks per TSC tick, 32 fraction bits.
  let ratio: UInt64
  /// TSC ticks per second.
  public let frequency: UInt64

  /// A clock of the given rates.
  public init(
    cycles: Cycles, registers: MSRs, controller: LocalAPIC<MSRs, Page>, rates: ClockRates, usesDeadline: Bool
  ) {
    self.cycles = cycles
    self.registers = registers
    self.controller = controller
    self.usesDeadline = usesDeadline
    frequency = rates.cyclesPerSecond
    let scaled = min(rates.apicPerSecond, 1 << 31) << 32
    // Rounded up, so that a count is never too short.
    ratio = scaled / rates.cyclesPerSecond &+ 1
  }

  /// The counter.
  public func now() -> Instant { Instant(ticks: cycles.cycles()) }

  /// The APIC count that lasts at least until `wait` TSC ticks have passed, cut to what fits.
  public func timerCount(for wait: UInt64) -> UInt32 {
    let product = wait.multipliedFullWidth(by: ratio)
    guard product.high < 1 << 31 else { return .max }
    let whole = product.high << 32 | product.low >> 32
    return UInt32(clamping: whole &+ 1)
  }

  /// One interrupt on this CPU at `deadline` or, if it is far off, earlier.
  public func arm(at deadline: Instant) {
    if usesDeadline {
      registers.write(.tscDeadline, max(1, deadline.ticks))
      return
    }
    let now = self.now()
    controller.startTimer(count: deadline > now ? timerCount(for: deadline.ticks &- now.ticks) : 1)
  }

  /// No interrupt.
  public func disarm() {
    if usesDeadline { registers.write(.tscDeadline, 0) } else { controller.startTimer(count: 0) }
  }
}
