// Limbs: fixed-width natural numbers as little-endian arrays of 64-bit limbs.

/// Arithmetic on natural numbers of exactly `n` limbs; the time depends on `n` only.
enum Limbs<let n: Int> {
  typealias Number = InlineArray<n, UInt64>

  @inline(__always)
  static var zero: Number { InlineArray(repeating: 0) }

  /// The number `value`.
  static func small(_ value: UInt64) -> Number {
    var out = zero
    out[0] = value
    return out
  }

  /// `left + right`, and the carry (0 or 1).
  @inline(__always)
  static func add(_ left: Number, _ right: Number) -> (sum: Number, carry: UInt64) {
    var out = zero
    var carry: UInt64 = 0
    for index in 0..<n {
      let wide = UInt128(left[index]) &+ UInt128(right[index]) &+ UInt128(carry)
      out[index] = UInt64(truncatingIfNeeded: wide)
      carry = UInt64(truncatingIfNeeded: wide &>> 64)
    }
    return (out, carry)
  }

  /// `left - right` modulo 2^(64n), and the borrow (0 or 1).
  @inline(__always)
  static func subtract(_ left: Number, _ right: Number) -> (difference: Number, borrow: UInt64) {
    var out = zero
    var borrow: UInt64 = 0
    for index in 0..<n {
      let wide = UInt128(left[index]) &- UInt128(right[index]) &- UInt128(borrow)
      out[index] = UInt64(truncatingIfNeeded: wide)
      borrow = UInt64(truncatingIfNeeded: wide &>> 64) & 1
    }
    return (out, borrow)
  }

  /// `first` where `mask` is all ones, `second` where it is zero.
  @inline(__always)
  static func select(_ mask: UInt64, _ first: Number, _ second: Number) -> Number {
    var out = zero
    for index in 0..<n { out[index] = ConstantTime.select(mask, first[index], second[index]) }
    return out
  }

  /// All ones if the number is zero.
  @inline(__always)
  static func isZero(_ number: Number) -> UInt64 {
    var bits: UInt64 = 0
    for index in 0..<n { bits |= number[index] }
    return ConstantTime.isZero(bits)
  }

  /// All ones if both are equal.
  @inline(__always)
  static func equal(_ left: Number, _ right: Number) -> UInt64 {
    var bits: UInt64 = 0
    for index in 0..<n { bits |= left[index] ^ right[index] }
    return ConstantTime.isZero(bits)
  }

  /// All ones if `left` is less than `right`.
  static func less(_ left: Number, _ right: Number) -> UInt64 {
    ConstantTime.mask(bit: subtract(left, right).borrow)
  }

  /// The number shifted right by one bit, `top` coming in as the highest bit.
  @inline(__always)
  static func half(_ number: Number, top: UInt64 = 0) -> Number {
    var out = zero
    for index in 0..<(n &- 1) { out[index] = number[index] &>> 1 | number[index &+ 1] &<< 63 }
    out[n &- 1] = number[n &- 1] &>> 1 | top &<< 63
    return out
  }

  /// The bit at `position`, which is public; 0 beyond the number.
  @inline(__always)
  static func bit(_ number: Number, _ position: Int) -> UInt64 {
    guard position >= 0, position < n &* 64 else { return 0 }
    return number[position &>> 6] &>> UInt64(truncatingIfNeeded: position & 63) & 1
  }

  /// The four bits from `position` (a multiple of four) up.
  @inline(__always)
  static func nibble(_ number: Number, _ position: Int) -> UInt64 {
    guard position >= 0, position < n &* 64 else { return 0 }
    return number[position &>> 6] &>> UInt64(truncatingIfNeeded: position & 63) & 15
  }

  /// The number of a big-endian byte string; nil if it needs more limbs than there are.
  ///
  /// The time depends on the string's length and on how many leading zero bytes overhang.
  static func number(_ bytes: borrowing Span<UInt8>) -> Number? {
    var out = zero
    for index in bytes.indices {
      let place = bytes.count &- 1 &- index
      let byte = UInt64(bytes[index])
      if place >= n &* 8 {
        if byte != 0 { return nil }
      } else {
        out[place &>> 3] |= byte &<< UInt64(truncatingIfNeeded: 8 &* (place & 7))
      }
    }
    return out
  }

  /// Writes the low `out.count` bytes of the number, big-endian.
  static func write(_ number: Number, _ out: inout MutableSpan<UInt8>) {
    for index in out.indices {
      let place = out.count &- 1 &- index
      out[index] =
        place < n &* 8
        ? UInt8(truncatingIfNeeded: number[place &>> 3] &>> UInt64(truncatingIfNeeded: 8 &* (place & 7))) : 0
    }
  }

  /// The number modulo `word`, a public odd value below 2^32 with `reciprocal` = ⌊2^64 / word⌋.
  ///
  /// Barrett reduction: no division instruction sees the number.
  static func remainder(_ number: Number, _ word: UInt64, _ reciprocal: UInt64) -> UInt64 {
    var rest: UInt64 = 0
    var index = n &- 1
    while index >= 0 {
      rest = barrett(rest &<< 32 | number[index] &>> 32, word, reciprocal)
      rest = barrett(rest &<< 32 | number[index] & 0xFFFF_FFFF, word, reciprocal)
      index &-= 1
    }
    return rest
  }

  @inline(__always)
  static func barrett(_ value: UInt64, _ word: UInt64, _ reciprocal: UInt64) -> UInt64 {
    let quotient = value.multipliedFullWidth(by: reciprocal).high
    var rest = value &- quotient &* word
    // The quotient is at most two too small.
    rest &-= word & ~ConstantTime.less(rest, word)
    rest &-= word & ~ConstantTime.less(rest, word)
    return rest
  }
}
