// ECDSASigner: the ECDSA signature of FIPS 186-5 §6.4.1 as a resumable job.

/// An ECDSA signature as two scalars of the curve's size.
public struct ECDSASignature: Sendable {
  /// The first half, big-endian.
  public var r: FixedBytes<48>
  /// The second half, big-endian.
  public var s: FixedBytes<48>

  /// A signature of two halves.
  public init(r: FixedBytes<48>, s: FixedBytes<48>) {
    self.r = r
    self.s = s
  }
}

/// Signs one digest, a step at a time.
final class ECDSASigning<C: Curve>: CurveJob, @unchecked Sendable {
  enum Stage: Sendable { case multiply, affine, invert, done }

  var key: Wide
  var digest: Wide
  var nonce: Wide
  var drbg: HMACDRBG
  var multiplication: ScalarMultiplication<C>
  var conversion: AffineConversion<C>?
  var inversion: C.OrderPower?
  var r: Wide
  var s: Wide
  var stage: Stage

  /// Nil if the key is no scalar.
  ///
  /// `extra` is fresh randomness that hedges the nonce of RFC 6979
  /// (§3.6); empty gives that RFC's deterministic signature.
  init?(
    _ hash: HashAlgorithm, key bytes: borrowing Span<UInt8>, digest message: borrowing Span<UInt8>,
    extra: borrowing Span<UInt8>
  ) {
    guard let key = C.number(bytes), C.isScalar(key) else { return nil }
    self.key = key
    digest = Self.integer(message)
    // RFC 6979 §3.2: the generator is HMAC_DRBG with the key as entropy and the digest as nonce.
    var secret = C.bytes(key)
    let reduced = C.bytes(C.orderReduce(digest))
    drbg = HMACDRBG(hash, entropy: secret.span, nonce: reduced.span, personalization: extra)
    secret.wipe()
    nonce = Limbs<6>.zero
    r = Limbs<6>.zero
    s = Limbs<6>.zero
    multiplication = ScalarMultiplication(base: nonce)
    stage = .multiply
    start()
  }

  // FIPS 186-5 §6.4.1 step 2: the leftmost bits of the digest, as many as the order has.
  static func integer(_ digest: borrowing Span<UInt8>) -> Wide {
    C.number(digest.extracting(first: min(digest.count, C.size))) ?? Limbs<6>.zero
  }

  deinit { wipe() }

  private func start() {
    // A candidate is rejected with a probability below 2^-32; 16 in a row would mean a broken hash.
    for _ in 0..<16 {
      var candidate = FixedBytes<48>(zeros: C.size)
      var span = candidate.mutableSpan
      drbg.fill(&span)
      nonce = Limbs<6>.number(candidate.span) ?? Limbs<6>.zero
      candidate.wipe()
      if C.isScalar(nonce) { break }
    }
    multiplication = ScalarMultiplication(base: nonce)
    stage = .multiply
  }

  func step() -> Bool {
    switch stage {
    case .multiply:
      guard multiplication.step() else { break }
      conversion = AffineConversion(multiplication.sum)
      stage = .affine
    case .affine:
      guard conversion?.step() ?? true else { break }
      r = conversion?.result.map { C.orderReduce($0.x) } ?? Limbs<6>.zero
      conversion = nil
      stage = .invert
      inversion = C.orderPower(nonce)
      if Limbs<6>.isZero(r) != 0 { start() }
    case .invert:
      guard let inversion else { break }
      var isInverted = false
      for _ in 0..<16 where !isInverted { isInverted = inversion.step() }
      guard isInverted else { break }
      let inverse = C.orderInverse(inversion)
      inversion.wipe()
      self.inversion = nil
      let product = C.orderAdd(C.orderReduce(digest), C.orderMultiply(r, key))
      s = C.orderMultiply(inverse, product)
      stage = .done
      if Limbs<6>.isZero(s) != 0 { start() } else { forget() }
    case .done: break
    }
    if case .done = stage { return true }
    return false
  }

  private func forget() {
    Wipe.words(&key)
    Wipe.words(&nonce)
    drbg.wipe()
    multiplication.wipe()
    inversion?.wipe()
  }

  var output: ECDSASignature? {
    guard case .done = stage else { return nil }
    return ECDSASignature(r: C.bytes(r), s: C.bytes(s))
  }

  func wipe() {
    forget()
    Wipe.words(&digest)
    Wipe.words(&r)
    Wipe.words(&s)
  }
}

/// An ECDSA signing job on either curve.
public struct ECDSASigner: Sendable {
  private var job: EitherCurve<ECDSASigning<P256>, ECDSASigning<P384>>

  /// A job that signs `digest` with `key`; nil if the key is not between 1 and the order.
  ///
  /// `hash` drives the nonce generator; `extra` (fresh random bytes, may be empty) hedges it.
  public init?(
    _ curve: EllipticCurve, _ hash: HashAlgorithm, key: borrowing Span<UInt8>, digest: borrowing Span<UInt8>,
    extra: borrowing Span<UInt8>
  ) {
    switch curve {
    case .p256:
      guard let signing = ECDSASigning<P256>(hash, key: key, digest: digest, extra: extra) else { return nil }
      job = .p256(signing)
    case .p384:
      guard let signing = ECDSASigning<P384>(hash, key: key, digest: digest, extra: extra) else { return nil }
      job = .p384(signing)
    }
  }

  /// Instructions that the next step takes at most.
  public var nextCost: Int { job.nextCost }

  /// Does a step of at most 250,000 instructions; true when the signature is there.
  public mutating func step() -> Bool { job.step() }

  /// The signature once `step` said true.
  public var signature: ECDSASignature? { job.output }

  /// Runs to the end.
  public mutating func finish() -> ECDSASignature? {
    while !step() {}
    return signature
  }

  /// Overwrites key, nonce and intermediate values of an abandoned job.
  public mutating func wipe() { job.wipe() }
}
