// SeededRandom: a small generator whose whole state is its seed, and how long the long tests run.

#if canImport(Glibc)
  import Glibc
#endif

/// SplitMix64.
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

  mutating func below(_ bound: UInt64) -> UInt64 { next() % max(1, bound) }
  mutating func chance(_ percent: UInt64) -> Bool { below(100) < percent }
  mutating func pick<T>(_ choices: [T]) -> T { choices[Int(below(UInt64(choices.count)))] }
}

/// The whole count with `APUS_FULL=1`, else one in a hundred.
func scaled(_ full: Int) -> Int {
  guard let value = unsafe getenv("APUS_FULL"), unsafe value[0] == 49 else { return max(1, full / 100) }
  return full
}

/// A fixed seed and one new one, which is printed.
func seeds(_ name: String) -> [UInt64] {
  let fresh = UInt64.random(in: 1...UInt64.max)
  print("\(name): seeds 1 and \(fresh)")
  return [1, fresh]
}
