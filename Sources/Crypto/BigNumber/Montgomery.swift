// Montgomery: multiplication modulo an odd public-length modulus of n limbs.

/// Arithmetic modulo an odd number whose highest bit is set, in Montgomery form (x·2^(64n) mod m).
///
/// Every operation takes the same time for all values of the same width. Numbers passed to
/// `multiply` may be any n-limb numbers as long as one of them is below the modulus.
struct Montgomery<let n: Int>: Sendable {
  typealias Number = InlineArray<n, UInt64>

  /// The modulus.
  let modulus: Number
  /// -1/modulus modulo 2^64.
  let negatedInverse: UInt64
  /// 1 in Montgomery form.
  let one: Number
  /// 2^(128n) mod m: multiplying by it brings a number into Montgomery form.
  private(set) var square: Number

  /// The ring of a modulus; nil if that is even or its highest bit is clear.
  @inline(never)
  init?(_ modulus: Number) {
    guard let partial = Montgomery(unsquared: modulus) else { return nil }
    self = partial
    for _ in 0..<Self.squarings { squareOnce() }
  }

  /// Squarings that a ring made by `init(unsquared:)` needs.
  static var squarings: Int { 6 }

  /// One of them: `square` is right after all.
  @inline(never)
  mutating func squareOnce() { square = multiply(square, square) }

  /// A ring that can't enter numbers yet; nil if the modulus is even or its highest bit is clear.
  @inline(never)
  init?(unsquared modulus: Number) {
    guard modulus[0] & 1 == 1, modulus[n &- 1] &>> 63 == 1 else { return nil }
    self.modulus = modulus
    // Newton's iteration doubles the correct bits: 3 → 6 → 12 → 24 → 48 → 96.
    var inverse = modulus[0] &* 3 ^ 2
    for _ in 0..<4 { inverse = inverse &* (2 &- modulus[0] &* inverse) }
    negatedInverse = 0 &- inverse
    one = Limbs<n>.subtract(Limbs<n>.zero, modulus).difference
    // one·2^n, then six squarings of the factor 2^n: 2^(64n) in Montgomery form.
    // The methods below read only what is set already: a ring without its square.
    let partial = Montgomery(modulus: modulus, negatedInverse: negatedInverse, one: one)
    var power = one
    for _ in 0..<n { power = partial.double(power) }
    square = power
  }

  private init(modulus: Number, negatedInverse: UInt64, one: Number) {
    self.modulus = modulus
    self.negatedInverse = negatedInverse
    self.one = one
    square = one
  }

  /// left·right / 2^(64n) mod m.
  @inline(never)
  func multiply(_ left: Number, _ right: Number) -> Number {
    var total = Limbs<n>.zero
    var top: UInt64 = 0
    for i in 0..<n {
      let factor = right[i]
      var carry: UInt64 = 0
      for j in 0..<n {
        let wide = UInt128(left[j]) &* UInt128(factor) &+ UInt128(total[j]) &+ UInt128(carry)
        total[j] = UInt64(truncatingIfNeeded: wide)
        carry = UInt64(truncatingIfNeeded: wide &>> 64)
      }
      let high = UInt128(top) &+ UInt128(carry)
      let multiple = total[0] &* negatedInverse
      var wide = UInt128(multiple) &* UInt128(modulus[0]) &+ UInt128(total[0])
      carry = UInt64(truncatingIfNeeded: wide &>> 64)
      for j in 1..<n {
        wide = UInt128(multiple) &* UInt128(modulus[j]) &+ UInt128(total[j]) &+ UInt128(carry)
        total[j &- 1] = UInt64(truncatingIfNeeded: wide)
        carry = UInt64(truncatingIfNeeded: wide &>> 64)
      }
      wide = high &+ UInt128(carry)
      total[n &- 1] = UInt64(truncatingIfNeeded: wide)
      top = UInt64(truncatingIfNeeded: wide &>> 64)
    }
    return reduce(total, top)
  }

  /// The number below m that equals `top`·2^(64n) + `number`, which is below 2m.
  @inline(__always)
  func reduce(_ number: Number, _ top: UInt64) -> Number {
    let (lower, borrow) = Limbs<n>.subtract(number, modulus)
    // Keep the original only if nothing overflowed and the subtraction borrowed.
    let keep = ConstantTime.mask(bit: borrow & ~top)
    return Limbs<n>.select(keep, number, lower)
  }

  /// left + right mod m, for numbers below m.
  @inline(__always)
  func add(_ left: Number, _ right: Number) -> Number {
    let (sum, carry) = Limbs<n>.add(left, right)
    return reduce(sum, carry)
  }

  /// left - right mod m, for numbers below m.
  @inline(__always)
  func subtract(_ left: Number, _ right: Number) -> Number {
    let (difference, borrow) = Limbs<n>.subtract(left, right)
    let mask = ConstantTime.mask(bit: borrow)
    return Limbs<n>.add(difference, Limbs<n>.select(mask, modulus, Limbs<n>.zero)).sum
  }

  /// 2·number mod m, for a number below m.
  @inline(__always)
  func double(_ number: Number) -> Number { add(number, number) }

  /// Any n-limb number, reduced, in Montgomery form.
  func enter(_ number: Number) -> Number { multiply(number, square) }

  /// A number out of Montgomery form.
  func leave(_ number: Number) -> Number { multiply(number, Limbs<n>.small(1)) }

  /// An n-limb number modulo m: at most one subtraction, for m's highest bit is set.
  func reduce(_ number: Number) -> Number { reduce(number, 0) }

  /// high·2^(64n) + low modulo m.
  func reduce(high: Number, low: Number) -> Number { add(multiply(high, square), reduce(low)) }
}
