// Montgomery: multiplication modulo an odd public-length modulus of n limbs.

/// Arithmetic modulo an odd number whose highest bit is set, in Montgomery form (x·2^(64n) mod m).
///
/// On the heap: a value would be copied whole for each multiplication. It does not change once it is made, hence
/// `@unchecked`.
/// Every operation takes the same time for all values of the same width. Numbers passed to
/// `multiply` may be any n-limb numbers as long as one of them is below the modulus.
final class Montgomery<let n: Int>: @unchecked Sendable {
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
  convenience init?(_ modulus: Number) {
    self.init(unsquared: modulus)
    for _ in 0..<Self.squarings { squareOnce() }
  }

  /// Squarings that a ring made by `init(unsquared:)` needs.
  static var squarings: Int { 6 }

  /// One of them: `square` is right after all.
  @inline(never)
  func squareOnce() { square = multiply(square, square) }

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
    // one·2^n; six squarings of the factor 2^n make it 2^(64n) in Montgomery form.
    square = one
    for _ in 0..<n { square = double(square) }
  }

  /// The ring of a modulus whose constants are known.
  @inline(never)
  init(modulus: Number, negatedInverse: UInt64, square: Number) {
    self.modulus = modulus
    self.negatedInverse = negatedInverse
    self.square = square
    one = Limbs<n>.subtract(Limbs<n>.zero, modulus).difference
  }

  /// left·right / 2^(64n) mod m.
  func multiply(_ left: Number, _ right: Number) -> Number {
    Self.multiply(left, right, modulus, negatedInverse)
  }

  /// left·right / 2^(64n) modulo `modulus`, with `negatedInverse` = -1/modulus modulo 2^64.
  ///
  /// A row of the product and a row of the reduction go together, so that each limb of the sum is loaded and
  /// stored once; four limbs a turn.
  @inline(never)
  static func multiply(
    _ left: Number, _ right: Number, _ modulus: Number, _ negatedInverse: UInt64
  ) -> Number {
    var total = Limbs<n>.zero
    var top: UInt64 = 0
    for row in 0..<n {
      let factor = right[row]
      var product = UInt128(left[0]) &* UInt128(factor) &+ UInt128(total[0])
      let multiple = UInt64(truncatingIfNeeded: product) &* negatedInverse
      var reduced =
        UInt128(multiple) &* UInt128(modulus[0]) &+ UInt128(UInt64(truncatingIfNeeded: product))
      @inline(__always)
      func limb(_ index: Int) {
        product =
          UInt128(left[index]) &* UInt128(factor) &+ UInt128(total[index]) &+ product &>> 64
        reduced =
          UInt128(multiple) &* UInt128(modulus[index]) &+ UInt128(UInt64(truncatingIfNeeded: product))
          &+ reduced &>> 64
        total[index &- 1] = UInt64(truncatingIfNeeded: reduced)
      }
      var index = 1
      while index < n && index & 3 != n & 3 {
        limb(index)
        index &+= 1
      }
      while index < n {
        limb(index)
        limb(index &+ 1)
        limb(index &+ 2)
        limb(index &+ 3)
        index &+= 4
      }
      let sum = product &>> 64 &+ reduced &>> 64 &+ UInt128(top)
      total[n &- 1] = UInt64(truncatingIfNeeded: sum)
      top = UInt64(truncatingIfNeeded: sum &>> 64)
    }
    return reduce(total, top, modulus)
  }

  /// The number below m that equals `top`·2^(64n) + `number`, which is below 2m.
  @inline(__always)
  private static func reduce(_ number: Number, _ top: UInt64, _ modulus: Number) -> Number {
    let (lower, borrow) = Limbs<n>.subtract(number, modulus)
    // Keep the original only if nothing overflowed and the subtraction borrowed.
    let keep = ConstantTime.mask(bit: borrow & ~top)
    return Limbs<n>.select(keep, number, lower)
  }

  @inline(__always)
  func reduce(_ number: Number, _ top: UInt64) -> Number { Self.reduce(number, top, modulus) }

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
