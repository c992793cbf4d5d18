// EllipticCurve+Scalars: arithmetic on scalars modulo a curve's order, as byte strings.

extension EllipticCurve {
  /// first + second·third modulo the order, as `size` bytes; nil if a number is longer than that.
  ///
  /// Schnorr-like signatures are of this form (ECDAA: TPM 2.0 Part 1 §C.4.2).
  public func sum(
    _ first: borrowing Span<UInt8>, _ second: borrowing Span<UInt8>, times third: borrowing Span<UInt8>
  ) -> FixedBytes<48>? {
    switch self {
    case .p256: Self.sum(P256.self, first, second, third)
    case .p384: Self.sum(P384.self, first, second, third)
    }
  }

  private static func sum<C: Curve>(
    _ curve: C.Type, _ first: borrowing Span<UInt8>, _ second: borrowing Span<UInt8>,
    _ third: borrowing Span<UInt8>
  ) -> FixedBytes<48>? {
    guard let a = C.number(first), let b = C.number(second), let c = C.number(third) else { return nil }
    return C.bytes(
      C.orderAdd(C.orderReduce(a), C.orderMultiply(C.orderReduce(b), C.orderReduce(c))))
  }
}
