// LongRequests: the jobs a handler can ask for, with their arguments.
import Crypto

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

  static var refused: LongResult { .verdict(false) }
  static func result(_ job: ECDSAVerifier) -> LongResult { .verdict(job.isValid) }
  func wipe() {}
  @inline(never)
  func start() -> ECDSAVerifier? { ECDSAVerifier(curve, point, digest: digest.span, signature) }
}

struct RSAPublicRequest: LongRequest {
  let key: RSAPublicKey
  var message: RSANumber

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

  static var refused: LongResult { .number(nil) }
  static func result(_ job: RSAPrivateOperation) -> LongResult { .number(job.result) }
  func wipe() {}
  @inline(never)
  func start() -> RSAPrivateOperation? { RSAPrivateOperation(key, message.span, blind: blind) }
}

struct RSALoadRequest: LongRequest {
  let key: RSAPublicKey
  var prime: FixedBytes<192>

  static var refused: LongResult { .key(nil) }
  static func result(_ job: RSAKeyLoader) -> LongResult { .key(job.key) }
  mutating func wipe() { prime.wipe() }
  @inline(never)
  func start() -> RSAKeyLoader? { RSAKeyLoader(key, prime: prime.span) }
}

struct RSAGenerateRequest: LongRequest {
  let bits: Int
  var source: HMACDRBG

  static var refused: LongResult { .key(nil) }
  static func result(_ job: RSAKeyGenerator) -> LongResult { .key(job.key) }
  mutating func wipe() { source.wipe() }
  @inline(never)
  func start() -> RSAKeyGenerator? { RSAKeyGenerator(bits: bits, source) }
}

/// Bulk encryption, 128 bytes a step.
struct CipherJob: LongJob {
  private var cipher: AES
  private let mode: CipherMode
  private let encrypts: Bool
  private var iv: InlineArray<16, UInt8>
  private var data: [UInt8]
  private var offset = 0

  init?(_ request: borrowing CipherRequest) {
    guard let cipher = AES(key: request.key.span) else { return nil }
    self.cipher = cipher
    mode = request.mode
    encrypts = request.encrypts
    iv = request.iv
    data = request.data
  }

  var nextCost: Int { 190_000 }

  mutating func step() -> Bool {
    let end = min(data.count, offset &+ 128)
    var part = Array(data[offset..<end])
    var span = part.mutableSpan
    _ = cipher.apply(mode, encrypting: encrypts, iv: &iv, &span)
    for index in offset..<end { data[index] = part[index &- offset] }
    part.wipe()
    offset = end
    return offset == data.count
  }

  mutating func wipe() {
    cipher.wipe()
    data.wipe()
  }

  /// The IV that continues the stream, then the data.
  var output: [UInt8] {
    var out: [UInt8] = []
    for index in 0..<16 { out.append(iv[index]) }
    return out + data
  }
}

struct CipherRequest: LongRequest {
  var key: FixedBytes<192>
  let mode: CipherMode
  let encrypts: Bool
  let iv: InlineArray<16, UInt8>
  var data: [UInt8]

  static var refused: LongResult { .bytes(nil) }
  static func result(_ job: CipherJob) -> LongResult { .bytes(job.output) }
  mutating func wipe() {
    key.wipe()
    data.wipe()
  }
  @inline(never)
  func start() -> CipherJob? { CipherJob(self) }
}

/// XOR obfuscation of long parameters (Part 1 §11.4.7), four digests a step.
struct MaskJob: LongJob {
  private let request: MaskRequest
  private var data: [UInt8]
  private var blocks: UInt32 = 0
  private var offset = 0

  init(_ request: MaskRequest) {
    self.request = request
    data = request.data
  }

  var nextCost: Int { 100_000 }

  mutating func step() -> Bool {
    let length = min(4 &* request.hash.digestSize, data.count &- offset)
    var stream = [UInt8](repeating: 0, count: length)
    var span = stream.mutableSpan
    KDF.a(
      request.hash, key: request.key.span, label: "XOR", request.newer.span, request.older.span,
      bits: data.count &* 8, skipped: blocks, into: &span)
    for index in 0..<length { data[offset &+ index] ^= stream[index] }
    stream.wipe()
    blocks &+= 4
    offset &+= length
    return offset == data.count
  }

  mutating func wipe() { data.wipe() }

  var output: [UInt8] { data }
}

struct MaskRequest: LongRequest {
  let hash: HashAlgorithm
  var key: FixedBytes<128>
  let newer: Digest
  let older: Digest
  var data: [UInt8]

  static var refused: LongResult { .bytes(nil) }
  static func result(_ job: MaskJob) -> LongResult { .bytes(job.output) }
  mutating func wipe() {
    key.wipe()
    data.wipe()
  }
  func start() -> MaskJob? { MaskJob(self) }
}
