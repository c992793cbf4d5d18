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
  /// The most instructions the next step takes; making the job is a slice of its own.
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
  override var cost: Int { job?.nextCost ?? TPMEngine.slice }

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
  /// Instructions that the next step takes at most.
  var nextCost: Int { get }
  mutating func step() -> Bool
  mutating func wipe()
}

/// The arguments of a job until it starts.
protocol LongRequest {
  associatedtype Job: LongJob
  /// The result if the arguments are refused.
  static var refused: LongResult { get }
  /// Nil if the arguments are refused.
  func start() -> Job?
  static func result(_ job: Job) -> LongResult
  mutating func wipe()
}

/// What a handler has worked out so far, so that its next run need not: an object, bytes or a generator, and
/// where the TPM's own generator stood then, so that no byte of it is used for two things.
final class Memo {
  let object: TPMObject?
  var bytes: [UInt8]
  var source: RandomPool?
  var drbg: RandomPool

  init(_ object: TPMObject?, _ bytes: [UInt8], _ source: RandomPool?, drbg: RandomPool) {
    self.object = object
    self.bytes = bytes
    self.source = source
    self.drbg = drbg
  }

  deinit {
    bytes.wipe()
    source?.wipe()
    drbg.wipe()
  }
}

enum LongResult {
  case bytes([UInt8]?)
  case memo(Memo)
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
    case .bytes(var bytes):
      bytes?.wipe()
      self = .bytes(nil)
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

  @inline(__always)
  private mutating func perform(_ request: @autoclosure () -> some LongRequest) throws(Stop) -> LongResult {
    if let result = take() { return result }
    job.operation = Running(request())
    throw .pending
  }

  // MARK: - Rests

  /// What the handler remembered at this place in an earlier run.
  @inline(never)
  mutating func recall() -> Memo? {
    guard job.cursor < job.results.count, case .memo(let memo) = job.results[job.cursor] else { return nil }
    job.cursor &+= 1
    drbg = memo.drbg
    return memo
  }

  /// Ends the slice here: the next run recalls this at the same place.
  ///
  /// `forgets` says that what needed the results since the last memo is not run again.
  @inline(never)
  mutating func remember(
    _ object: TPMObject? = nil, bytes: [UInt8] = [], source: RandomPool? = nil, forgets: Bool = false
  ) -> Stop {
    while forgets, let last = job.results.last {
      if case .memo = last { break }
      job.results[job.results.count &- 1].wipe()
      job.results.removeLast()
    }
    job.results.append(.memo(Memo(object, bytes, source, drbg: drbg)))
    return .pending
  }

  /// XOR obfuscation of data of any length.
  @inline(never)
  mutating func mask(
    _ hash: HashAlgorithm, _ key: FixedBytes<128>, _ newer: Digest, _ older: Digest, _ data: [UInt8]
  ) throws(Stop) -> [UInt8]? {
    guard
      case .bytes(let bytes) = try perform(
        MaskRequest(hash: hash, key: key, newer: newer, older: older, data: data))
    else { return nil }
    return bytes
  }

  /// AES over data of any length; the IV that continues the stream comes before the data.
  @inline(never)
  mutating func crypt(
    _ key: FixedBytes<192>, _ mode: CipherMode, encrypts: Bool, iv: InlineArray<16, UInt8>, _ data: [UInt8]
  ) throws(Stop) -> [UInt8]? {
    guard
      case .bytes(let bytes) = try perform(
        CipherRequest(key: key, mode: mode, encrypts: encrypts, iv: iv, data: data))
    else { return nil }
    return bytes
  }

  /// scalar·point, of the generator if there is none; nil if the scalar is out of range or the point off
  /// the curve.
  @inline(never)
  mutating func multiply(
    _ curve: EllipticCurve, _ scalar: FixedBytes<48>, _ point: ECPoint? = nil
  ) throws(Stop) -> ECPoint? {
    guard case .point(let point) = try perform(MultiplyRequest(curve: curve, scalar: scalar, point: point))
    else { return nil }
    return point
  }

  @inline(never)
  mutating func ecdsaSign(
    _ curve: EllipticCurve, _ hash: HashAlgorithm, _ key: FixedBytes<48>, _ digest: Digest, extra: Digest
  ) throws(Stop) -> ECDSASignature? {
    guard
      case .signature(let signature) = try perform(
        SignRequest(curve: curve, hash: hash, key: key, digest: digest, extra: extra))
    else { return nil }
    return signature
  }

  @inline(never)
  mutating func ecdsaVerify(
    _ curve: EllipticCurve, _ point: ECPoint, _ digest: Digest, _ signature: ECDSASignature
  ) throws(Stop) -> Bool {
    guard
      case .verdict(let verdict) = try perform(
        VerifyRequest(curve: curve, point: point, digest: digest, signature: signature))
    else { return false }
    return verdict
  }

  @inline(never)
  mutating func rsaPublic(_ key: RSAPublicKey, _ message: RSANumber) throws(Stop) -> RSANumber? {
    guard case .number(let number) = try perform(RSAPublicRequest(key: key, message: message))
    else { return nil }
    return number
  }

  @inline(never)
  mutating func rsaPrivate(_ key: RSAPrivateKey, _ message: RSANumber) throws(Stop) -> RSANumber? {
    let blind = UInt64(drbg.bytes(8).span)
    guard case .number(let number) = try perform(RSAPrivateRequest(key: key, message: message, blind: blind))
    else { return nil }
    return number
  }

  @inline(never)
  mutating func rsaLoad(_ key: RSAPublicKey, prime: FixedBytes<192>) throws(Stop) -> RSAPrivateKey? {
    guard case .key(let key) = try perform(RSALoadRequest(key: key, prime: prime))
    else { return nil }
    return key
  }

  @inline(never)
  mutating func rsaGenerate(bits: Int, _ source: HMACDRBG) throws(Stop) -> RSAPrivateKey? {
    guard case .key(let key) = try perform(RSAGenerateRequest(bits: bits, source: source))
    else { return nil }
    return key
  }
}
