// ECMultiplier: public keys and Diffie-Hellman points as a resumable job.

/// One multiplication, a step at a time.
final class ECMultiplication<C: Curve>: CurveJob, @unchecked Sendable {
  var multiplication: ScalarMultiplication<C>
  var conversion: AffineConversion<C>?
  var output: ECPoint?
  var isDone = false

  init(_ multiplication: ScalarMultiplication<C>) { self.multiplication = multiplication }

  deinit { wipe() }

  func wipe() { multiplication.wipe() }

  func step() -> Bool {
    if isDone { return true }
    guard conversion != nil else {
      if multiplication.step() { conversion = AffineConversion(multiplication.sum) }
      return false
    }
    guard conversion?.step() ?? true else { return false }
    output = conversion?.result.map { ECPoint(x: C.bytes($0.x), y: C.bytes($0.y)) }
    wipe()
    isDone = true
    return true
  }
}

/// A scalar times the base point (a public key) or another point (ECDH, SP 800-56A §5.7.1.2).
public struct ECMultiplier: Sendable {
  private var job: EitherCurve<ECMultiplication<P256>, ECMultiplication<P384>>

  /// A job for scalar·G; nil unless 1 <= scalar < order.
  public init?(_ curve: EllipticCurve, scalar: borrowing Span<UInt8>) {
    switch curve {
    case .p256:
      guard let number = P256.number(scalar), P256.isScalar(number) else { return nil }
      job = .p256(ECMultiplication(ScalarMultiplication(base: number)))
    case .p384:
      guard let number = P384.number(scalar), P384.isScalar(number) else { return nil }
      job = .p384(ECMultiplication(ScalarMultiplication(base: number)))
    }
  }

  /// A job for scalar·point; nil unless the scalar is in range and the point on the curve.
  public init?(_ curve: EllipticCurve, scalar: borrowing Span<UInt8>, _ point: ECPoint) {
    switch curve {
    case .p256:
      guard let number = P256.number(scalar), P256.isScalar(number), let point = point.decoded(P256.self)
      else { return nil }
      job = .p256(ECMultiplication(ScalarMultiplication(number, point)))
    case .p384:
      guard let number = P384.number(scalar), P384.isScalar(number), let point = point.decoded(P384.self)
      else { return nil }
      job = .p384(ECMultiplication(ScalarMultiplication(number, point)))
    }
  }

  /// Instructions that the next step takes at most.
  public var nextCost: Int { job.nextCost }

  /// Does a step of at most 250,000 instructions; true when the point is there.
  public mutating func step() -> Bool { job.step() }

  /// The point once `step` said true (never the neutral element: the order is prime).
  public var point: ECPoint? { job.output }

  /// Runs to the end.
  public mutating func finish() -> ECPoint? {
    while !step() {}
    return point
  }

  /// Overwrites the scalar and intermediate points of an abandoned job.
  public mutating func wipe() { job.wipe() }
}
