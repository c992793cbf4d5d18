// Histogram: counts of measured values to three significant digits, in memory that is touched beforehand.

/// A high-dynamic-range histogram of whole numbers from 0 to 2^40 (runtime.md §6: 3 digits, 1 tick … 2^40).
///
/// Values below 2,048 have a counter each; above, every doubling has 1,024 counters, so that a counter's width is at
/// most a thousandth of its values. Recording changes one counter and allocates nothing.
public struct Histogram: Sendable {
  /// How many counters there are.
  public static var counters: Int { 2048 + 29 * 1024 }
  /// The largest value; anything larger is counted there.
  public static var limit: UInt64 { 1 << 40 - 1 }
  /// Counters of one piece: a kernel heap hands out blocks of at most 2 KiB.
  private static var piece: Int { 480 }

  private var pieces: [[UInt32]]

  /// An empty histogram; every counter has been written once.
  public init() {
    let count = (Self.counters &+ Self.piece &- 1) / Self.piece
    pieces = []
    pieces.reserveCapacity(count)
    for _ in 0..<count { pieces.append([UInt32](repeating: 0, count: Self.piece)) }
  }

  /// The counter of a value.
  public static func index(of value: UInt64) -> Int {
    let value = min(value, limit)
    if value < 2048 { return Int(truncatingIfNeeded: value) }
    let shift = UInt64(truncatingIfNeeded: 53 &- value.leadingZeroBitCount)
    return 2048 &+ Int(truncatingIfNeeded: shift &- 1) &* 1024 &+ Int(truncatingIfNeeded: value >> shift)
      &- 1024
  }

  /// The smallest and the largest value of a counter.
  public static func values(of index: Int) -> ClosedRange<UInt64> {
    let index = max(0, min(index, counters &- 1))
    if index < 2048 { return UInt64(index)...UInt64(index) }
    let shift = UInt64((index &- 2048) / 1024 &+ 1)
    let low = UInt64((index &- 2048) % 1024 &+ 1024) << shift
    return low...(low &+ (1 << shift &- 1))
  }

  /// How often values of counter `index` were recorded; 0 for an index that does not exist.
  public func count(at index: Int) -> UInt32 {
    guard index >= 0, index < Self.counters else { return 0 }
    return pieces[index / Self.piece][index % Self.piece]
  }

  /// Records a value; a counter that is full stays full.
  public mutating func record(_ value: UInt64) {
    add(1, at: Self.index(of: value))
  }

  /// Adds `count` to counter `index`; false if there is no such counter or it would overflow.
  @discardableResult
  public mutating func add(_ count: UInt32, at index: Int) -> Bool {
    guard index >= 0, index < Self.counters else { return false }
    let (sum, overflow) = pieces[index / Self.piece][index % Self.piece].addingReportingOverflow(count)
    if overflow { return false }
    pieces[index / Self.piece][index % Self.piece] = sum
    return true
  }

  /// Empties every counter.
  public mutating func reset() {
    for piece in pieces.indices {
      for index in pieces[piece].indices { pieces[piece][index] = 0 }
    }
  }

  /// How many values were recorded.
  public var total: UInt64 {
    var total: UInt64 = 0
    forEach { total &+= UInt64($1) }
    return total
  }

  /// Calls `body` with each counter that is not 0, smallest values first.
  public func forEach(_ body: (Int, UInt32) -> Void) {
    for piece in pieces.indices {
      for (offset, count) in pieces[piece].enumerated() where count != 0 {
        body(piece &* Self.piece &+ offset, count)
      }
    }
  }

  /// The value below or at which `parts` of a million values lie: the largest value of the counter that holds it.
  ///
  /// 0 for an empty histogram.
  public func percentile(millionths parts: UInt64) -> UInt64 {
    let total = total
    guard total > 0 else { return 0 }
    // The rank, rounded up, at least the first; in two parts, so that nothing is divided that has 128 bits.
    let parts = min(parts, 1_000_000)
    let rest = (total % 1_000_000 &* parts &+ 999_999) / 1_000_000
    let rank = max(1, total / 1_000_000 &* parts &+ rest)
    var seen: UInt64 = 0
    var result: UInt64?
    forEach { index, count in
      seen &+= UInt64(count)
      if seen >= rank, result == nil { result = Self.values(of: index).upperBound }
    }
    return result ?? Self.limit
  }
}
