// AES+SBox: the S-box on bit planes, by inversion in a tower field.
// Generated linear maps; the tower is GF(2^4) = GF(2)[x]/(x^4 + x + 1), GF(2^8) = GF(2^4)[y]/(y^2 + y + 12),
// and the maps carry FIPS 197's x^8 + x^4 + x^3 + x + 1 basis into it and back.

extension AES {
  /// Four planes: an element of GF(2^4) per byte, bit i in plane i.
  typealias Nibbles = InlineArray<4, UInt64>

  @inline(__always)
  private static func multiply(_ a: Nibbles, _ b: Nibbles) -> Nibbles {
    let t0 = a[0] & b[0]
    let t1 = a[0] & b[1] ^ a[1] & b[0]
    let t2 = a[0] & b[2] ^ a[1] & b[1] ^ a[2] & b[0]
    let t3 = a[0] & b[3] ^ a[1] & b[2] ^ a[2] & b[1] ^ a[3] & b[0]
    let t4 = a[1] & b[3] ^ a[2] & b[2] ^ a[3] & b[1]
    let t5 = a[2] & b[3] ^ a[3] & b[2]
    let t6 = a[3] & b[3]
    return [t0 ^ t4, t1 ^ t4 ^ t5, t2 ^ t5 ^ t6, t3 ^ t6]
  }

  @inline(__always)
  private static func square(_ a: Nibbles) -> Nibbles { [a[0] ^ a[2], a[2], a[1] ^ a[3], a[3]] }

  // The square times the tower's constant.
  @inline(__always)
  private static func scaledSquare(_ a: Nibbles) -> Nibbles {
    [a[1] ^ a[2] ^ a[3], a[2] ^ a[3], a[0] ^ a[1] ^ a[2] ^ a[3], a[0] ^ a[3]]
  }

  @inline(__always)
  private static func add(_ a: Nibbles, _ b: Nibbles) -> Nibbles {
    [a[0] ^ b[0], a[1] ^ b[1], a[2] ^ b[2], a[3] ^ b[3]]
  }

  // 1/a = a^14 = a^2 · a^4 · a^8 in GF(2^4); zero for zero.
  @inline(__always)
  private static func invert(_ a: Nibbles) -> Nibbles {
    let a2 = square(a)
    let a4 = square(a2)
    return multiply(multiply(a2, a4), square(a4))
  }

  // 1/(h·y + l) with norm N·h^2 + h·l + l^2; zero for zero.
  @inline(__always)
  private static func invert(_ t: Planes) -> Planes {
    let low: Nibbles = [t[0], t[1], t[2], t[3]]
    let high: Nibbles = [t[4], t[5], t[6], t[7]]
    let both = add(high, low)
    let inverse = invert(add(scaledSquare(high), multiply(low, both)))
    let h = multiply(high, inverse)
    let l = multiply(both, inverse)
    return [l[0], l[1], l[2], l[3], h[0], h[1], h[2], h[3]]
  }

  /// SubBytes (FIPS 197 §5.1.1).
  @inline(__always)
  static func substitute(_ s: inout Planes) {
    let t = invert([
      s[0] ^ s[2],
      s[1] ^ s[2] ^ s[5] ^ s[6] ^ s[7],
      s[3],
      s[1] ^ s[3] ^ s[6] ^ s[7],
      s[1] ^ s[5] ^ s[7],
      s[2] ^ s[3],
      s[1] ^ s[4] ^ s[6] ^ s[7],
      s[5] ^ s[7],
    ])
    s = [
      ~(t[0] ^ t[1] ^ t[2] ^ t[3] ^ t[4] ^ t[6] ^ t[7]),
      ~(t[0] ^ t[1]),
      t[0] ^ t[2] ^ t[3],
      t[0] ^ t[1] ^ t[2] ^ t[3] ^ t[4] ^ t[5],
      t[0] ^ t[3] ^ t[4] ^ t[6] ^ t[7],
      ~(t[1] ^ t[2] ^ t[4] ^ t[6] ^ t[7]),
      ~(t[4] ^ t[5] ^ t[6]),
      t[1] ^ t[2] ^ t[3] ^ t[4] ^ t[5] ^ t[6] ^ t[7],
    ]
  }

  /// InvSubBytes (FIPS 197 §5.3.2).
  @inline(__always)
  static func unsubstitute(_ s: inout Planes) {
    let t = invert([
      s[1] ^ s[2] ^ s[4] ^ s[5],
      ~(s[2] ^ s[4] ^ s[5]),
      s[0] ^ s[2] ^ s[5],
      s[0] ^ s[1] ^ s[2] ^ s[4],
      s[0] ^ s[1] ^ s[2] ^ s[3] ^ s[7],
      ~(s[0] ^ s[1] ^ s[2] ^ s[4] ^ s[5] ^ s[7]),
      s[3] ^ s[4] ^ s[5] ^ s[6],
      s[1] ^ s[2] ^ s[6] ^ s[7],
    ])
    s = [
      t[0] ^ t[2] ^ t[5],
      t[4] ^ t[7],
      t[2] ^ t[5],
      t[2],
      t[2] ^ t[3] ^ t[6],
      t[1] ^ t[3] ^ t[5],
      t[1] ^ t[2] ^ t[4] ^ t[5],
      t[1] ^ t[3] ^ t[5] ^ t[7],
    ]
  }
}
