// LongOperation: the computations a handler waits for, cut into short steps.
import Crypto

/// A computation that the engine advances step by step between runs of a handler.
///
/// It lives on the heap and is advanced in place, and it is made when its first step runs, not where the
/// handler asks for it: the jobs are kilobytes, and a kernel's stack is small.
class LongOperation {
  /// Does one step; true when `result` is there.
  func step() -> Bool { true }
  var result: LongResult { .verdict(false) }
  /// The most instructions a step takes, from `ci/bench tpm-slices`.
  var cost: Int { TPMEngine.slice }
  /// Overwrites what is secret.
  func wipe() {}
}

/// A job of Crypto as a long operation.
final class Running<Request: LongRequest>: LongOperation {
  private var request: Request?
  private var job: Request.Job?

  init(_ request: Request) { self.request = request }

  deinit { wipe() }

  override func step() -> Bool {
    if let request {
      job = request.start()
      forget()
      return job == nil
    }
    return job?.step() ?? true
  }

  override var result: LongResult { job.map(Request.result) ?? Request.refused }
  override var cost: Int { Request.cost }

  override func wipe() {
    forget()
    job?.wipe()
    job = nil
  }

  private func forget() {
    request?.wipe()
    request = nil
  }
}

/// What the jobs of Crypto have in common.
protocol LongJob {
  mutating func step() -> Bool
  mutating func wipe()
}

/// The arguments of a job until it starts.
protocol LongRequest {
  associatedtype Job: LongJob
  /// The most instructions a step takes, and the start.
  static var cost: Int { get }
  /// The result if the arguments are refused.
  static var refused: LongResult { get }
  /// Nil if the arguments are refused.
  func start() -> Job?
  static func result(_ job: Job) -> LongResult
  mutating func wipe()
}

extension ECMultiplier: LongJob {}
extension ECDSASigner: LongJob {}
extension ECDSAVerifier: LongJob { func wipe() {} }
extension RSAPublicOperation: LongJob { func wipe() {} }
extension RSAPrivateOperation: LongJob {}
extension RSAKeyLoader: LongJob {}
extension RSAKeyGenerator: LongJob {}

struct MultiplyRequest: LongRequest {
  let curve: EllipticCurve
  var scalar: FixedBytes<48>
  /// The generator if nil.
  let point: ECPoint?

  static var cost: Int { 60_000 }
  static var refused: LongResult { .point(nil) }
  static func result(_ job: ECMultiplier) -> LongResult { .point(job.point) }
  mutating func wipe() { scalar.wipe() }
  @inline(never)
  func start() -> ECMultiplier? {
    if let point { return ECMultiplier(curve, scalar: scalar.span, point) }
    return ECMultiplier(curve, scalar: scalar.span)
  }
}

struct SignRequest: LongRequest {
  let curve: EllipticCurve
  let hash: HashAlgorithm
  var key: FixedBytes<48>
  let digest: Digest
  let extra: Digest

  static var cost: Int { 60_000 }
  static var refused: LongResult { .signature(nil) }
  static func result(_ job: ECDSASigner) -> LongResult { .signature(job.signature) }
  mutating func wipe() { key.wipe() }
  @inline(never)
  func start() -> ECDSASigner? {
    ECDSASigner(curve, hash, key: key.span, digest: digest.span, extra: extra.span)
  }
}

struct VerifyRequest: LongRequest {
  let curve: EllipticCurve
  let point: ECPoint
  let digest: Digest
  let signature: ECDSASignature

  static var cost: Int { 60_000 }
  static var refused: LongResult { .verdict(false) }
  static func result(_ job: ECDSAVerifier) -> LongResult { .verdict(job.isValid) }
  func wipe() {}
  @inline(never)
  func start() -> ECDSAVerifier? { ECDSAVerifier(curve, point, digest: digest.span, signature) }
}

struct RSAPublicRequest: LongRequest {
  let key: RSAPublicKey
  var message: RSANumber

  static var cost: Int { 60_000 }
  static var refused: LongResult { .number(nil) }
  static func result(_ job: RSAPublicOperation) -> LongResult { .number(job.result) }
  mutating func wipe() { message.wipe() }
  @inline(never)
  func start() -> RSAPublicOperation? { RSAPublicOperation(key, message.span) }
}

struct RSAPrivateRequest: LongRequest {
  let key: RSAPrivateKey
  let message: RSANumber
  let blind: UInt64

  static var cost: Int { 40_000 }
  static var refused: LongResult { .number(nil) }
  static func result(_ job: RSAPrivateOperation) -> LongResult { .number(job.result) }
  func wipe() {}
  @inline(never)
  func start() -> RSAPrivateOperation? { RSAPrivateOperation(key, message.span, blind: blind) }
}

struct RSALoadRequest: LongRequest {
  let key: RSAPublicKey
  var prime: FixedBytes<192>

  static var cost: Int { 40_000 }
  static var refused: LongResult { .key(nil) }
  static func result(_ job: RSAKeyLoader) -> LongResult { .key(job.key) }
  mutating func wipe() { prime.wipe() }
  @inline(never)
  func start() -> RSAKeyLoader? { RSAKeyLoader(key, prime: prime.span) }
}

struct RSAGenerateRequest: LongRequest {
  let bits: Int
  var source: HMACDRBG

  static var cost: Int { 40_000 }
  static var refused: LongResult { .key(nil) }
  static func result(_ job: RSAKeyGenerator) -> LongResult { .key(job.key) }
  mutating func wipe() { source.wipe() }
  @inline(never)
  func start() -> RSAKeyGenerator? { RSAKeyGenerator(bits: bits, source) }
}

enum LongResult {
  case point(ECPoint?)
  case signature(ECDSASignature?)
  case verdict(Bool)
  case number(RSANumber?)
  case key(RSAPrivateKey?)

  mutating func wipe() {
    switch self {
    case .number(var number):
      number?.wipe()
      self = .number(number)
    case .key: self = .key(nil)
    default: break
    }
  }
}

// A handler asks for a computation; the first time it is begun and the handler stops with `pending`, the
// next time the handler comes to the same place its result is there. Handlers change no state before
// their last long computation, and draw the same random bytes each time.
extension TPMEngine {
  @inline(never)
  private mutating func take() -> LongResult? {
    guard job.cursor < job.results.count else { return nil }
    defer { job.cursor &+= 1 }
    return job.results[job.cursor]
  }

  /// scalar·point, of the generator if there is none; nil if the scalar is out of range or the point off
  /// the curve.
  @inline(never)
  mutating func multiply(
    _ curve: EllipticCurve, _ scalar: FixedBytes<48>, _ point: ECPoint? = nil
  ) throws(Stop) -> ECPoint? {
    if let result = take() {
      if case .point(let point) = result { return point }
      return nil
    }
    job.operation = Running(MultiplyRequest(curve: curve, scalar: scalar, point: point))
    throw .pending
  }

  @inline(never)
  mutating func ecdsaSign(
    _ curve: EllipticCurve, _ hash: HashAlgorithm, _ key: FixedBytes<48>, _ digest: Digest, extra: Digest
  ) throws(Stop) -> ECDSASignature? {
    if let result = take() {
      if case .signature(let signature) = result { return signature }
      return nil
    }
    job.operation = Running(SignRequest(curve: curve, hash: hash, key: key, digest: digest, extra: extra))
    throw .pending
  }

  @inline(never)
  mutating func ecdsaVerify(
    _ curve: EllipticCurve, _ point: ECPoint, _ digest: Digest, _ signature: ECDSASignature
  ) throws(Stop) -> Bool {
    if let result = take() {
      if case .verdict(let verdict) = result { return verdict }
      return false
    }
    job.operation = Running(VerifyRequest(curve: curve, point: point, digest: digest, signature: signature))
    throw .pending
  }

  @inline(never)
  mutating func rsaPublic(_ key: RSAPublicKey, _ message: RSANumber) throws(Stop) -> RSANumber? {
    if let result = take() {
      if case .number(let number) = result { return number }
      return nil
    }
    job.operation = Running(RSAPublicRequest(key: key, message: message))
    throw .pending
  }

  @inline(never)
  mutating func rsaPrivate(_ key: RSAPrivateKey, _ message: RSANumber) throws(Stop) -> RSANumber? {
    let blind = UInt64(drbg.bytes(8).span)
    if let result = take() {
      if case .number(let number) = result { return number }
      return nil
    }
    job.operation = Running(RSAPrivateRequest(key: key, message: message, blind: blind))
    throw .pending
  }

  @inline(never)
  mutating func rsaLoad(_ key: RSAPublicKey, prime: FixedBytes<192>) throws(Stop) -> RSAPrivateKey? {
    if let result = take() {
      if case .key(let key) = result { return key }
      return nil
    }
    job.operation = Running(RSALoadRequest(key: key, prime: prime))
    throw .pending
  }

  @inline(never)
  mutating func rsaGenerate(bits: Int, _ source: HMACDRBG) throws(Stop) -> RSAPrivateKey? {
    if let result = take() {
      if case .key(let key) = result { return key }
      return nil
    }
    job.operation = Running(RSAGenerateRequest(bits: bits, source: source))
    throw .pending
  }
}
