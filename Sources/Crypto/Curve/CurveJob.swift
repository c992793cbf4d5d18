// CurveJob: what the resumable jobs of the two curves have in common.

/// A computation on one curve, a step at a time.
protocol CurveJob: AnyObject, Sendable {
  associatedtype Output
  /// Its curve.
  associatedtype C: Curve
  /// Does a step of at most `C.stepCost` instructions; true when it is done.
  func step() -> Bool
  /// What it has found; nil until then.
  var output: Output? { get }
  /// Overwrites secrets and intermediate values.
  func wipe()
}

/// A job on either curve.
enum EitherCurve<First: CurveJob, Second: CurveJob>: Sendable where First.Output == Second.Output {
  case p256(First)
  case p384(Second)

  var nextCost: Int {
    switch self {
    case .p256: First.C.stepCost
    case .p384: Second.C.stepCost
    }
  }

  func step() -> Bool {
    switch self {
    case .p256(let job): job.step()
    case .p384(let job): job.step()
    }
  }

  var output: First.Output? {
    switch self {
    case .p256(let job): job.output
    case .p384(let job): job.output
    }
  }

  func wipe() {
    switch self {
    case .p256(let job): job.wipe()
    case .p384(let job): job.wipe()
    }
  }
}
