// SeededRandom: a small repeatable random source (SplitMix64), so that a failing run can be replayed.

/// Numbers that depend on the seed only.
public struct SeededRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// The source that `seed` stands for.
  public init(seed: UInt64) { state = seed }

  /// The next 64 bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// A number below `bound`; 0 for a bound of 0.
  public mutating func below<Number: FixedWidthInteger>(_ bound: Number) -> Number {
    Number(truncatingIfNeeded: next() % max(1, UInt64(bound)))
  }

  /// True `percent` times of a hundred.
  public mutating func chance<Number: FixedWidthInteger>(_ percent: Number) -> Bool { below(100) < percent }

  /// One of `choices`.
  public mutating func pick<Choice>(_ choices: [Choice]) -> Choice { choices[below(choices.count)] }

  /// `count` bytes.
  public mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }
}
