// ECMultiplier: public keys and Diffie-Hellman points as a resumable job.

final class ECMultiplication<C: Curve>: @unchecked Sendable {
  var multiplication: ScalarMultiplication<C>
  var conversion: AffineConversion<C>?
  var result: ECPoint?
  var isDone = false

  init(_ multiplication: ScalarMultiplication<C>) { self.multiplication = multiplication }

  deinit { multiplication.wipe() }

  func step() -> Bool {
    if isDone { return true }
    guard conversion != nil else {
      if multiplication.step() { conversion = AffineConversion(multiplication.sum) }
      return false
    }
    guard conversion?.step() ?? true else { return false }
    result = conversion?.result.map { ECPoint(x: C.bytes($0.x), y: C.bytes($0.y)) }
    multiplication.wipe()
    isDone = true
    return true
  }
}

/// A scalar times the base point (a public key) or another point (ECDH, SP 800-56A §5.7.1.2).
public struct ECMultiplier: Sendable {
  enum Job: Sendable {
    case p256(ECMultiplication<P256>)
    case p384(ECMultiplication<P384>)
  }
  var job: Job

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
  public var nextCost: Int {
    switch job {
    case .p256: P256.stepCost
    case .p384: P384.stepCost
    }
  }

  /// Does a step of at most 250,000 instructions; true when the point is there.
  public mutating func step() -> Bool {
    switch job {
    case .p256(let multiplication): return multiplication.step()
    case .p384(let multiplication): return multiplication.step()
    }
  }

  /// The point once `step` said true (never the neutral element: the order is prime).
  public var point: ECPoint? {
    switch job {
    case .p256(let multiplication): multiplication.result
    case .p384(let multiplication): multiplication.result
    }
  }

  /// Runs to the end.
  public mutating func finish() -> ECPoint? {
    while !step() {}
    return point
  }

  /// Overwrites the scalar and intermediate points of an abandoned job.
  public mutating func wipe() {
    switch job {
    case .p256(let multiplication): multiplication.multiplication.wipe()
    case .p384(let multiplication): multiplication.multiplication.wipe()
    }
  }
}
