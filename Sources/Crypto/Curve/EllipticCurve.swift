// EllipticCurve: the public names of curves and of their points as byte strings.

/// A curve of this room.
public enum EllipticCurve: UInt8, Equatable, Sendable {
  /// NIST P-256 (secp256r1).
  case p256
  /// NIST P-384 (secp384r1).
  case p384

  /// Bytes of a coordinate or scalar.
  public var size: Int { self == .p256 ? 32 : 48 }

  /// Whether the coordinates name a point of the curve (SP 800-56A §5.6.2.3.3; the order is prime).
  public func contains(_ point: ECPoint) -> Bool {
    switch self {
    case .p256: point.decoded(P256.self) != nil
    case .p384: point.decoded(P384.self) != nil
    }
  }

  /// Whether the bytes are a private key: 1 <= scalar < order.
  public func isScalar(_ scalar: borrowing Span<UInt8>) -> Bool {
    switch self {
    case .p256: P256.number(scalar).map { P256.isScalar($0) } ?? false
    case .p384: P384.number(scalar).map { P384.isScalar($0) } ?? false
    }
  }

  /// A private key from at least `size` + 8 random bytes: (random mod (n-1)) + 1
  /// (FIPS 186-5 §A.2.1), as `size` big-endian bytes.
  public func scalar(random: borrowing Span<UInt8>) -> FixedBytes<48> {
    switch self {
    case .p256: Self.reduced(P256.self, random)
    case .p384: Self.reduced(P384.self, random)
    }
  }

  @inline(never)
  private static func reduced<C: Curve>(_ curve: C.Type, _ random: borrowing Span<UInt8>) -> FixedBytes<48> {
    // Horner's rule with conditional subtraction, bit by bit: slow, short, and without division.
    let limit = Limbs<6>.subtract(C.order, Limbs<6>.small(1)).difference
    var rest = Limbs<6>.zero
    for index in random.indices {
      var bit = 7
      while bit >= 0 {
        let (twice, carry) = Limbs<6>.add(rest, rest)
        let next = Limbs<6>.add(twice, Limbs<6>.small(UInt64(random[index] &>> UInt8(bit)) & 1)).sum
        let (lower, borrow) = Limbs<6>.subtract(next, limit)
        rest = Limbs<6>.select(ConstantTime.mask(bit: borrow & ~carry), next, lower)
        bit &-= 1
      }
    }
    rest = Limbs<6>.add(rest, Limbs<6>.small(1)).sum
    let out = C.bytes(rest)
    Wipe.words(&rest)
    return out
  }
}

/// An affine point as two big-endian coordinates of the curve's size.
public struct ECPoint: Sendable {
  /// The x coordinate, padded to the curve's size.
  public var x: FixedBytes<48>
  /// The y coordinate, padded to the curve's size.
  public var y: FixedBytes<48>

  /// A point of two coordinates, not yet known to lie on any curve.
  public init(x: FixedBytes<48>, y: FixedBytes<48>) {
    self.x = x
    self.y = y
  }

  /// The coordinates of an uncompressed encoding 04 ‖ x ‖ y (SEC 1 §2.3.4); nil if it is no such.
  public init?(uncompressed bytes: borrowing Span<UInt8>, _ curve: EllipticCurve) {
    guard bytes.count == 1 + 2 * curve.size, bytes[0] == 4 else { return nil }
    x = FixedBytes(bytes.extracting(1..<(1 + curve.size)))
    y = FixedBytes(bytes.extracting((1 + curve.size)..<bytes.count))
  }

  func decoded<C: Curve>(_ curve: C.Type) -> Point<C>? {
    guard let x = C.number(x.span), let y = C.number(y.span) else { return nil }
    return Point<C>(x: x, y: y)
  }
}
