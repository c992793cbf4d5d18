// CurveDomain: the domain parameters of a curve as byte strings.

extension EllipticCurve {
  /// Prime, a, b, base point and order, big-endian (SP 800-186 §3.2.1); the cofactor is 1.
  public struct Domain: Sendable {
    /// The field's prime.
    public var prime: FixedBytes<48>
    /// The coefficient a = prime - 3.
    public var a: FixedBytes<48>
    /// The coefficient b.
    public var b: FixedBytes<48>
    /// The base point's x.
    public var x: FixedBytes<48>
    /// The base point's y.
    public var y: FixedBytes<48>
    /// The order of the base point.
    public var order: FixedBytes<48>
  }

  /// The curve's domain parameters.
  public var domain: Domain {
    switch self {
    case .p256: Self.domain(P256.self)
    case .p384: Self.domain(P384.self)
    }
  }

  private static func domain<C: Curve>(_ curve: C.Type) -> Domain {
    let (x, y) = C.combEntry(1)
    return Domain(
      prime: C.bytes(C.prime), a: C.bytes(Limbs<6>.subtract(C.prime, Limbs<6>.small(3)).difference),
      b: C.bytes(C.leave(C.b)), x: C.bytes(C.leave(x)), y: C.bytes(C.leave(y)), order: C.bytes(C.order))
  }
}
