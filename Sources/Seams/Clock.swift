// Clock: the time a kernel can have, and what it can do about a deadline.

/// What happens when a deadline comes.
public enum ClockKind: Sendable {
  /// There is no time: sleeping does not compile.
  case none
  /// Deadlines are noticed when the executor passes, not before.
  case polled
  /// A deadline interrupts a halted CPU.
  case interrupt
}

/// A point on a clock, in ticks since the clock's own zero.
public struct Instant: Equatable, Comparable, Sendable {
  /// Ticks since zero.
  public var ticks: UInt64
  /// The instant `ticks` after zero.
  @inlinable public init(ticks: UInt64) { self.ticks = ticks }
  /// Order in time.
  @inlinable public static func < (left: Self, right: Self) -> Bool { left.ticks < right.ticks }
  /// The instant `ticks` later; the last one there is rather than wrapping.
  @inlinable public func advanced(by ticks: UInt64) -> Self {
    let (sum, overflow) = self.ticks.addingReportingOverflow(ticks)
    return Self(ticks: overflow ? .max : sum)
  }
}

/// A clock that counts up at a fixed rate and is the same on every CPU.
public protocol Clock {
  /// What it can do about deadlines.
  static var kind: ClockKind { get }
  /// Ticks per second; never 0.
  var frequency: UInt64 { get }
  /// The time.
  func now() -> Instant
}

/// A clock on which a task can sleep (`kind` polled or interrupt).
public protocol SleepClock: Clock {
  /// Asks for one interrupt on the calling CPU at `deadline` or soon after, in place of the last one
  /// asked for. It may come early (a long wait is cut): whoever is woken looks at `now()` and arms again.
  /// A deadline already past interrupts at once. Does nothing on a polled clock.
  func arm(at deadline: Instant)
  /// Takes back what `arm` asked for; an interrupt already on its way may still come.
  func disarm()
}

extension Clock {
  /// Ticks in `microseconds`, rounded up, at most `UInt64.max`.
  public func ticks(microseconds: UInt64) -> UInt64 {
    // Seconds and the rest apart, so that no 128-bit division is needed.
    let (whole, tooLong) = (microseconds / 1_000_000).multipliedReportingOverflow(by: frequency)
    let (part, tooFast) = (microseconds % 1_000_000).multipliedReportingOverflow(by: frequency)
    guard !tooLong, !tooFast else { return .max }
    let (sum, overflow) = whole.addingReportingOverflow(part / 1_000_000 &+ (part % 1_000_000 == 0 ? 0 : 1))
    return overflow ? .max : sum
  }
}
