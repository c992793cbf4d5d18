// ECDSAVerifier: the ECDSA verification of FIPS 186-5 §6.4.2 as a resumable job.

/// Verifies one signature, a step at a time.
final class ECDSAVerification<C: Curve>: CurveJob, @unchecked Sendable {
  let point: Point<C>
  let message: Wide
  let inversion: C.OrderPower
  var first: ScalarMultiplication<C>?
  var second: ScalarMultiplication<C>?
  var conversion: AffineConversion<C>?
  let r: Wide
  var stage = 0
  var output: Bool?

  /// Nil if the point is not on the curve or a half is out of range: the signature is invalid.
  init?(_ publicKey: ECPoint, digest: borrowing Span<UInt8>, _ signature: ECDSASignature) {
    guard let point = publicKey.decoded(C.self), let r = C.number(signature.r.span),
      let s = C.number(signature.s.span), C.isScalar(r), C.isScalar(s)
    else { return nil }
    inversion = C.orderPower(s)
    self.point = point
    message = C.orderReduce(ECDSASigning<C>.integer(digest))
    self.r = r
  }

  func step() -> Bool {
    switch stage {
    case 0:
      var isInverted = false
      for _ in 0..<16 where !isInverted { isInverted = inversion.step() }
      guard isInverted else { break }
      let inverse = C.orderInverse(inversion)
      first = ScalarMultiplication(base: C.orderMultiply(message, inverse))
      second = ScalarMultiplication(C.orderMultiply(r, inverse), point)
      stage = 1
    case 1: if first?.step() ?? true { stage = 2 }
    case 2:
      guard second?.step() ?? true else { break }
      if let left = first?.sum, let right = second?.sum { conversion = AffineConversion(left.adding(right)) }
      stage = 3
    case 3:
      guard conversion?.step() ?? true else { break }
      output = conversion?.result.map { Limbs<6>.equal(C.orderReduce($0.x), r) != 0 } ?? false
      stage = 4
    default: break
    }
    return stage == 4
  }

  // Nothing of it is secret.
  func wipe() {}
}

/// An ECDSA verification job on either curve.
public struct ECDSAVerifier: Sendable {
  // Nil: refused at once.
  private var job: EitherCurve<ECDSAVerification<P256>, ECDSAVerification<P384>>?

  /// A job that checks `signature` over `digest`.
  public init(
    _ curve: EllipticCurve, _ publicKey: ECPoint, digest: borrowing Span<UInt8>, _ signature: ECDSASignature
  ) {
    switch curve {
    case .p256: job = ECDSAVerification(publicKey, digest: digest, signature).map { .p256($0) }
    case .p384: job = ECDSAVerification(publicKey, digest: digest, signature).map { .p384($0) }
    }
  }

  /// Instructions that the next step takes at most.
  public var nextCost: Int { job?.nextCost ?? 1000 }

  /// Does a step of at most 250,000 instructions; true when the verdict is there.
  public mutating func step() -> Bool { job?.step() ?? true }

  /// The verdict; false until `step` said true.
  public var isValid: Bool { job?.output ?? false }

  /// Runs to the end.
  public mutating func finish() -> Bool {
    while !step() {}
    return isValid
  }
}
