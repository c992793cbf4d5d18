// Recorder: one distribution being measured: its histogram and what a histogram cannot say exactly.

/// Collects the readings of one metric.
public final class Recorder: @unchecked Sendable {
  /// The readings.
  public private(set) var histogram = Histogram()
  /// What is subtracted from every reading before it is recorded: the empty probe's minimum.
  public var offset: UInt64 = 0
  /// How many operations a reading is of.
  public var divisor: UInt64 = 1
  /// How many readings there are.
  public private(set) var count: UInt64 = 0
  /// The smallest reading; 0 if there is none.
  public private(set) var minimum: UInt64 = 0
  /// The largest.
  public private(set) var maximum: UInt64 = 0
  /// Which one that was, counted from 0.
  public private(set) var maximumIndex: UInt64 = 0
  /// The sum of all readings, modulo 2^64: 2^24 of the largest fit.
  public private(set) var sum: UInt64 = 0

  /// A recorder without readings.
  public init() {}

  /// Records one reading in ticks; less than the offset counts as 0.
  public func record(_ ticks: UInt64) {
    let value = min((ticks > offset ? ticks &- offset : 0) / max(1, divisor), Histogram.limit)
    histogram.record(value)
    if count == 0 || value < minimum { minimum = value }
    if count == 0 || value > maximum {
      maximum = value
      maximumIndex = count
    }
    sum &+= value
    count &+= 1
  }

  /// Forgets all readings; the offset stays.
  public func reset() {
    histogram.reset()
    divisor = 1
    count = 0
    minimum = 0
    maximum = 0
    maximumIndex = 0
    sum = 0
  }

  /// Whether the readings are of use as an empty probe: the 99th percentile at most `limitPercent` of the minimum
  /// (sel4bench refuses a run on such a rule; runtime.md §5).
  public func isStable(limitPercent: UInt64) -> Bool {
    count > 0 && histogram.percentile(millionths: 990_000) &* 100 <= max(1, minimum) &* limitPercent
  }
}
