// SeededRandom: repeatable random numbers, so that a failing run can be had again from its seed.

/// SplitMix64: a generator whose whole state is its seed.
public struct SeededRandom: RandomNumberGenerator {
  @usableFromInline var state: UInt64

  /// The numbers of `seed`.
  public init(seed: UInt64) { state = seed }

  /// The next number.
  @inlinable public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// A number from 0 to `bound` - 1; 0 for a bound of 0.
  @inlinable public mutating func below<Number: BinaryInteger>(_ bound: Number) -> Number {
    Number(next() % UInt64(max(1, bound)))
  }

  /// True in `percent` of a hundred calls.
  @inlinable public mutating func chance(_ percent: some BinaryInteger) -> Bool { below(100) < percent }

  /// One of `choices`, of which there is one at least.
  @inlinable public mutating func pick<Choice>(_ choices: [Choice]) -> Choice {
    choices[below(choices.count)]
  }

  /// `count` random bytes.
  public mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }
}
