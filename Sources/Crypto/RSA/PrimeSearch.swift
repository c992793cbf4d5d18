// PrimeSearch: a random prime of n limbs, as a resumable job.

/// Draws candidates until one passes sieving and the Miller-Rabin test (FIPS 186-5 §A.1.3, §B.3.1).
///
/// Every candidate is drawn anew, with its two highest bits and its lowest bit set, so that nothing
/// links it to those before and the product of two has full length.
struct PrimeSearch<let n: Int>: Sendable {
  typealias Number = InlineArray<n, UInt64>

  var drbg: HMACDRBG
  var candidate: Number
  /// What the next step does.
  private(set) var phase = Phase.draw
  /// The random base of the round, and the candidate's ring.
  private var base: Number
  private var ring: Montgomery<n>?
  /// The Miller-Rabin power under way.
  private var power: Exponentiation<n, n>?
  /// Trailing zeros of candidate - 1.
  var twos = 0
  var roundsLeft = 0
  /// Candidates drawn, for statistics.
  var drawn = 0

  enum Phase: Sendable { case draw, sieve, base, ring, power }

  /// Rounds that keep the error below 2^-112 for random candidates (FIPS 186-5 table B.1).
  static var rounds: Int { n <= 16 ? 5 : 4 }

  init(_ drbg: HMACDRBG) {
    self.drbg = drbg
    candidate = Limbs<n>.zero
    base = Limbs<n>.zero
    ring = nil
    power = nil
  }

  /// Does one phase, or one window of a power; true when `candidate` is a prime.
  mutating func step() -> Bool {
    switch phase {
    case .draw:
      draw()
      phase = .sieve
    case .sieve:
      phase = isSieved() ? .base : .draw
      start()
    case .base:
      // A random number is the Montgomery form of a random base.
      base = random()
      phase = .ring
    case .ring:
      if ring == nil { ring = Montgomery<n>(candidate) }
      startRound()
      phase = .power
    case .power:
      guard let running = power else {
        phase = .draw
        return false
      }
      guard running.step() else { return false }
      let passes = isWitnessed(running)
      running.wipe()
      power = nil
      roundsLeft &-= 1
      phase = passes && roundsLeft > 0 ? .base : .draw
      return passes && roundsLeft == 0
    }
    return false
  }

  /// Instructions that the next step takes at most.
  var nextCost: Int {
    switch phase {
    case .draw, .base: n > 16 ? 150_000 : 110_000
    case .sieve: n > 16 ? 180_000 : 130_000
    case .ring: n > 16 ? 180_000 : 90_000
    case .power: n > 16 ? 100_000 : 45_000
    }
  }

  private mutating func random() -> Number {
    var bytes = FixedBytes<192>(zeros: n &* 8)
    var span = bytes.mutableSpan
    drbg.fill(&span)
    let number = Limbs<n>.number(bytes.span) ?? Limbs<n>.zero
    bytes.wipe()
    return number
  }

  private mutating func draw() {
    candidate = random()
    candidate[0] |= 1
    candidate[n &- 1] |= 0xC000_0000_0000_0000
    drawn &+= 1
  }

  // Whether no small prime divides the candidate, and 65537 does not divide candidate - 1.
  private func isSieved() -> Bool {
    var index = 0
    while index < SmallPrimes.count {
      // As many primes at once as fit 32 bits.
      var product: UInt64 = 1
      let first = index
      while index < SmallPrimes.count {
        let next = product &* UInt64(SmallPrimes.all[index])
        if next &>> 32 != 0 { break }
        product = next
        index &+= 1
      }
      let rest = Limbs<n>.remainder(candidate, product, UInt64.max / product)
      for place in first..<index {
        let prime = UInt64(SmallPrimes.all[place])
        if Limbs<n>.barrett(rest, prime, UInt64.max / prime) == 0 { return false }
      }
    }
    return Limbs<n>.remainder(candidate, 65537, UInt64.max / 65537) != 1
  }

  private mutating func start() {
    roundsLeft = Self.rounds
    ring = nil
    let even = Limbs<n>.subtract(candidate, Limbs<n>.small(1)).difference
    twos = 0
    while twos < 64 && Limbs<n>.bit(even, twos) == 0 { twos &+= 1 }
  }

  private mutating func startRound() {
    guard let ring else { return }
    var exponent = Limbs<n>.subtract(candidate, Limbs<n>.small(1)).difference
    for _ in 0..<twos { exponent = Limbs<n>.half(exponent) }
    power = Exponentiation(ring, base: ring.reduce(base), exponent: exponent, bits: n &* 64)
  }

  // Whether the power of the round speaks for a prime.
  private func isWitnessed(_ done: Exponentiation<n, n>) -> Bool {
    let ring = done.ring
    let minusOne = Limbs<n>.subtract(ring.modulus, ring.one).difference
    var value = done.power
    if Limbs<n>.equal(value, ring.one) | Limbs<n>.equal(value, minusOne) != 0 { return true }
    for _ in 1..<max(twos, 1) {
      value = ring.multiply(value, value)
      if Limbs<n>.equal(value, minusOne) != 0 { return true }
    }
    return false
  }

  mutating func wipe() {
    Wipe.words(&candidate)
    Wipe.words(&base)
    power?.wipe()
    drbg.wipe()
  }
}
