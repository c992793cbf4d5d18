// TestSupport: seeded randomness and run lengths for the property tests.

#if canImport(Glibc)
  import Glibc
#endif

/// SplitMix64: a small generator whose whole state is its seed.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

  mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

  mutating func pick<T>(_ choices: [T]) -> T { choices[below(choices.count)] }
}

/// How long the property tests run.
enum RunLength {
  /// Whether the whole count is asked for (`APUS_FULL=1`).
  static var isFull: Bool {
    guard let value = unsafe getenv("APUS_FULL") else { return false }
    return unsafe value[0] == 49
  }

  /// `full`, or one in a hundred of it.
  static func scaled(_ full: Int) -> Int { isFull ? full : max(1, full / 100) }

  /// A fixed seed and one new one, which is printed.
  static func seeds(_ name: String) -> [UInt64] {
    let fresh = UInt64.random(in: 1...UInt64.max)
    print("\(name): seeds 1 and \(fresh)")
    return [1, fresh]
  }
}
