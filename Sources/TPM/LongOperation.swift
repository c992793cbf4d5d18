// LongOperation: computations too long for one slice, and their results.
import Crypto

/// A computation that the engine advances step by step between runs of a handler.
enum LongOperation {
  case multiply(ECMultiplier)
  case sign(ECDSASigner)
  case verify(ECDSAVerifier)
  case rsaPublic(RSAPublicOperation)
  case rsaPrivate(RSAPrivateOperation)
  case rsaLoad(RSAKeyLoader)
  case rsaGenerate(RSAKeyGenerator)

  /// Instructions of the next step, rounded up (measured by `ci/bench crypto`).
  var cost: Int {
    switch self {
    case .multiply, .sign, .verify: 60_000
    case .rsaPublic: 60_000
    case .rsaPrivate, .rsaLoad, .rsaGenerate: 40_000
    }
  }

  mutating func step() -> Bool {
    switch self {
    case .multiply(var job):
      let isDone = job.step()
      self = .multiply(job)
      return isDone
    case .sign(var job):
      let isDone = job.step()
      self = .sign(job)
      return isDone
    case .verify(var job):
      let isDone = job.step()
      self = .verify(job)
      return isDone
    case .rsaPublic(var job):
      let isDone = job.step()
      self = .rsaPublic(job)
      return isDone
    case .rsaPrivate(var job):
      let isDone = job.step()
      self = .rsaPrivate(job)
      return isDone
    case .rsaLoad(var job):
      let isDone = job.step()
      self = .rsaLoad(job)
      return isDone
    case .rsaGenerate(var job):
      let isDone = job.step()
      self = .rsaGenerate(job)
      return isDone
    }
  }

  var result: LongResult {
    switch self {
    case .multiply(let job): .point(job.point)
    case .sign(let job): .signature(job.signature)
    case .verify(let job): .verdict(job.isValid)
    case .rsaPublic(let job): .number(job.result)
    case .rsaPrivate(let job): .number(job.result)
    case .rsaLoad(let job): .key(job.key)
    case .rsaGenerate(let job): .key(job.key)
    }
  }

  mutating func wipe() {
    switch self {
    case .multiply(var job):
      job.wipe()
      self = .multiply(job)
    case .sign(var job):
      job.wipe()
      self = .sign(job)
    case .rsaPrivate(var job):
      job.wipe()
      self = .rsaPrivate(job)
    case .rsaLoad(var job):
      job.wipe()
      self = .rsaLoad(job)
    case .rsaGenerate(var job):
      job.wipe()
      self = .rsaGenerate(job)
    case .verify, .rsaPublic: break
    }
  }
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
    case .key(var key):
      key?.wipe()
      self = .key(key)
    default: break
    }
  }
}

// A handler asks for a computation; the first time it is begun and the handler stops with `pending`, the
// next time the handler comes to the same place its result is there. Handlers change no state before
// their last long computation, and draw the same random bytes each time.
extension TPMEngine {
  private mutating func take() -> LongResult? {
    guard job.cursor < job.results.count else { return nil }
    defer { job.cursor &+= 1 }
    return job.results[job.cursor]
  }

  /// scalar·G; nil if the scalar is out of range.
  mutating func multiply(_ curve: EllipticCurve, _ scalar: FixedBytes<48>) throws(Stop) -> ECPoint? {
    if let result = take() {
      if case .point(let point) = result { return point }
      return nil
    }
    guard let operation = ECMultiplier(curve, scalar: scalar.span) else { return nil }
    job.operation = .multiply(operation)
    throw .pending
  }

  /// scalar·point; nil if the scalar is out of range or the point off the curve.
  mutating func multiply(
    _ curve: EllipticCurve, _ scalar: FixedBytes<48>, _ point: ECPoint
  ) throws(Stop) -> ECPoint? {
    if let result = take() {
      if case .point(let point) = result { return point }
      return nil
    }
    guard let operation = ECMultiplier(curve, scalar: scalar.span, point) else { return nil }
    job.operation = .multiply(operation)
    throw .pending
  }

  mutating func ecdsaSign(
    _ curve: EllipticCurve, _ hash: HashAlgorithm, _ key: FixedBytes<48>, _ digest: Digest, extra: Digest
  ) throws(Stop) -> ECDSASignature? {
    if let result = take() {
      if case .signature(let signature) = result { return signature }
      return nil
    }
    guard let operation = ECDSASigner(curve, hash, key: key.span, digest: digest.span, extra: extra.span)
    else {
      return nil
    }
    job.operation = .sign(operation)
    throw .pending
  }

  mutating func ecdsaVerify(
    _ curve: EllipticCurve, _ point: ECPoint, _ digest: Digest, _ signature: ECDSASignature
  ) throws(Stop) -> Bool {
    if let result = take() {
      if case .verdict(let verdict) = result { return verdict }
      return false
    }
    job.operation = .verify(ECDSAVerifier(curve, point, digest: digest.span, signature))
    throw .pending
  }

  mutating func rsaPublic(_ key: RSAPublicKey, _ message: RSANumber) throws(Stop) -> RSANumber? {
    if let result = take() {
      if case .number(let number) = result { return number }
      return nil
    }
    guard let operation = RSAPublicOperation(key, message.span) else { return nil }
    job.operation = .rsaPublic(operation)
    throw .pending
  }

  mutating func rsaPrivate(_ key: RSAPrivateKey, _ message: RSANumber) throws(Stop) -> RSANumber? {
    let blind = UInt64(drbg.bytes(8).span)
    if let result = take() {
      if case .number(let number) = result { return number }
      return nil
    }
    guard let operation = RSAPrivateOperation(key, message.span, blind: blind) else { return nil }
    job.operation = .rsaPrivate(operation)
    throw .pending
  }

  mutating func rsaLoad(_ key: RSAPublicKey, prime: FixedBytes<192>) throws(Stop) -> RSAPrivateKey? {
    if let result = take() {
      if case .key(let key) = result { return key }
      return nil
    }
    guard let operation = RSAKeyLoader(key, prime: prime.span) else { return nil }
    job.operation = .rsaLoad(operation)
    throw .pending
  }

  mutating func rsaGenerate(bits: Int, _ source: HMACDRBG) throws(Stop) -> RSAPrivateKey? {
    if let result = take() {
      if case .key(let key) = result { return key }
      return nil
    }
    guard let operation = RSAKeyGenerator(bits: bits, source) else { return nil }
    job.operation = .rsaGenerate(operation)
    throw .pending
  }
}
