// LatencyOptions: how much the suite measures, from words like `samples=1000`.

/// What to measure and how often.
public struct LatencyOptions: Sendable {
  /// Readings of a metric whose readings follow each other at once.
  public var samples: UInt64 = 100_000
  /// Operations before the first reading.
  public var warmUp: UInt64 = 1_000
  /// Readings with emptied caches.
  public var coldSamples: UInt64 = 1_000
  /// Readings of a metric that must wait for a halt or a deadline each time.
  public var slowSamples: UInt64 = 2_000
  /// The numbers of runtime.md §6 that are measured, a bit each.
  public var selection: UInt64 = .max
  /// How many percent of the empty probe's minimum its 99th percentile may be.
  public var probeLimit: UInt64 = 200

  /// The defaults.
  public init() {}

  /// Takes `samples=`, `cold=`, `slow=`, `warm=`, `select=` (a bit mask) and `probe-limit=`; false for any other word or
  /// a number that is not one.
  public mutating func take(_ word: [UInt8]) -> Bool {
    guard let equals = word.firstIndex(of: 0x3D) else { return false }
    var number: UInt64 = 0
    if equals &+ 1 == word.count { return false }
    for byte in word[(equals &+ 1)...] {
      guard byte >= 0x30, byte <= 0x39 else { return false }
      let (product, tooLarge) = number.multipliedReportingOverflow(by: 10)
      let (sum, overflow) = product.addingReportingOverflow(UInt64(byte &- 0x30))
      if tooLarge || overflow { return false }
      number = sum
    }
    let name = word[..<equals]
    if Self.matches(name, "samples"), number > 0 {
      samples = number
    } else if Self.matches(name, "cold") {
      coldSamples = number
    } else if Self.matches(name, "slow"), number > 0 {
      slowSamples = number
    } else if Self.matches(name, "warm") {
      warmUp = number
    } else if Self.matches(name, "select") {
      selection = number
    } else if Self.matches(name, "probe-limit"), number > 0 {
      probeLimit = number
    } else {
      return false
    }
    return true
  }

  /// Takes every word of a text that are separated by blanks or commas; false if one is not understood.
  public mutating func take(all text: [UInt8]) -> Bool {
    for word in text.split(whereSeparator: { $0 == 0x20 || $0 == 0x2C }) {
      if !take([UInt8](word)) { return false }
    }
    return true
  }

  /// Whether the metrics with this number are measured.
  func selects(_ number: UInt8) -> Bool { number < 64 && selection >> UInt64(number) & 1 == 1 }

  private static func matches(_ name: ArraySlice<UInt8>, _ text: String) -> Bool {
    let bytes = text.utf8Span.span
    guard bytes.count == name.count else { return false }
    for (index, byte) in name.enumerated() where bytes[index] != byte { return false }
    return true
  }
}
