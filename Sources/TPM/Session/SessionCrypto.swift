// SessionCrypto: parameter encryption, response HMACs and audit (Part 1 §19.6, §21).
import Crypto

extension TPMEngine {
  /// Decrypts the first parameter in place.
  ///
  /// The size field is checked against the bytes that are there before anything is touched
  /// (CVE-2023-1017, CVE-2023-1018).
  @inline(never)
  mutating func decrypt(_ bytes: inout [UInt8], _ context: Context, _ number: Int) throws(Stop) {
    let start = context.parameters
    guard bytes.count &- start >= 2 else { throw .session(.insufficient, number &+ 1) }
    let size = Int(bytes[start]) &<< 8 | Int(bytes[start &+ 1])
    guard size <= bytes.count &- start &- 2 else { throw .session(.size, number &+ 1) }
    let entry = context.sessions[number]
    guard let session = session(entry.handle) else { return }
    var key = parameterKey(session, entry)
    defer { key.wipe() }
    var field = try crypt(
      session, key, newer: entry.nonceCaller, older: session.nonceTPM, encrypting: false,
      Array(bytes[(start &+ 2)..<(start &+ 2 &+ size)]))
    guard field.count == size else { throw .code(.failure) }
    for index in 0..<size { bytes[start &+ 2 &+ index] = field[index] }
    field.wipe()
  }

  @inline(never)
  private func parameterKey(_ session: Session, _ entry: CommandSession) -> FixedBytes<128> {
    var key = FixedBytes<128>(session.key)
    if let handle = entry.associated { key.append(authValue(handle).span) }
    return key
  }

  /// A parameter encrypted or decrypted: what takes no more than a good part of a slice at once.
  @inline(never)
  private mutating func crypt(
    _ session: Session, _ key: FixedBytes<128>, newer: Digest, older: Digest, encrypting: Bool,
    _ data: [UInt8]
  ) throws(Stop) -> [UInt8] {
    let isShort = data.count <= 128
    if session.symmetric.algorithm == Algorithm.xor {
      guard let hash = Algorithm.hash(session.symmetric.bits) else { return data }
      guard isShort else { return try mask(hash, key, newer, older, data) ?? [] }
      var masked = data
      var span = masked.mutableSpan
      Self.mask(hash, key: key.span, newer.span, older.span, &span)
      return masked
    }
    let bits = Int(session.symmetric.bits)
    var material = KDF.a(session.hash, key: key.span, label: "CFB", newer.span, older.span, bits: bits &+ 128)
    defer { material.wipe() }
    let size = bits / 8
    var iv = InlineArray<16, UInt8>(repeating: 0)
    for index in 0..<16 { iv[index] = material[size &+ index] }
    guard isShort else {
      let secret = FixedBytes<192>(material.span.extracting(0..<size))
      guard let done = try crypt(secret, .cfb, encrypts: encrypting, iv: iv, data), done.count >= 16 else {
        return []
      }
      return Array(done[16...])
    }
    var out = data
    var span = out.mutableSpan
    if var cipher = AES(key: material.span.extracting(0..<size)) {
      _ = cipher.apply(.cfb, encrypting: encrypting, iv: &iv, &span)
      cipher.wipe()
    }
    return out
  }

  /// XOR obfuscation (Part 1 §11.4.7).
  static func mask(
    _ hash: HashAlgorithm, key: borrowing Span<UInt8>, _ first: borrowing Span<UInt8>,
    _ second: borrowing Span<UInt8>, _ data: inout MutableSpan<UInt8>
  ) {
    var stream = [UInt8](repeating: 0, count: data.count)
    var span = stream.mutableSpan
    KDF.a(hash, key: key, label: "XOR", first, second, bits: data.count &* 8, into: &span)
    for index in data.indices { data[index] ^= stream[index] }
    stream.wipe()
  }

  /// Rolls nonces, encrypts the first response parameter, audits, and appends the response sessions.
  @inline(never)
  mutating func finishSessions(_ answer: PendingAnswer) throws(Stop) {
    let context = answer.context
    if answer.nonces == nil { answer.nonces = drawNonces(context) }
    guard let renewed = answer.nonces else { return }
    if !answer.isEncrypted {
      try encryptFirst(answer, renewed)
      answer.isEncrypted = true
    }
    let parameters = Array(out.bytes[answer.start...])
    audit(context, parameters)
    for number in 0..<min(3, context.sessions.count) {
      finish(context, number, renewed[number], parameters)
    }
  }

  @inline(never)
  private mutating func drawNonces(_ context: Context) -> InlineArray<3, Digest> {
    var renewed: InlineArray<3, Digest> = [Digest(), Digest(), Digest()]
    for number in 0..<min(3, context.sessions.count) {
      let entry = context.sessions[number]
      guard !entry.isPassword, let session = session(entry.handle) else { continue }
      renewed[number] = drbg.bytes(session.nonceTPM.count)
    }
    job.drbg = drbg
    return renewed
  }

  @inline(never)
  private mutating func encryptFirst(
    _ answer: PendingAnswer, _ renewed: InlineArray<3, Digest>
  ) throws(Stop) {
    let (context, start) = (answer.context, answer.start)
    guard let number = context.encryptSession, number < 3, out.count &- start >= 2 else { return }
    let entry = context.sessions[number]
    let size = Int(out.bytes[start]) &<< 8 | Int(out.bytes[start &+ 1])
    guard let session = session(entry.handle), size <= out.count &- start &- 2 else { return }
    var key = parameterKey(session, responseEntry(entry, number, context))
    defer { key.wipe() }
    let range = (start &+ 2)..<(start &+ 2 &+ size)
    let field = try crypt(
      session, key, newer: renewed[number], older: entry.nonceCaller, encrypting: true,
      Array(out.bytes[range]))
    // Nothing leaves in the clear: a field that could not be encrypted is gone.
    out.replace(range, with: field.count == size ? field : [UInt8](repeating: 0, count: size))
  }

  private func responseEntry(_ entry: CommandSession, _ number: Int, _ context: Context) -> CommandSession {
    var entry = entry
    if number == 0 && context.isFirstHandleGone { entry.associated = nil }
    return entry
  }

  @inline(never)
  func rpHash(_ hash: HashAlgorithm, _ context: Context, _ parameters: [UInt8]) -> Digest {
    var hasher = Hasher(hash)
    hasher.update(big: UInt32(0))
    hasher.update(big: context.info.code)
    hasher.update(parameters.span)
    return hasher.finalize()
  }

  @inline(never)
  private mutating func finish(_ context: Context, _ number: Int, _ nonce: Digest, _ parameters: [UInt8]) {
    let entry = context.sessions[number]
    if entry.isPassword { return answerPassword() }
    guard let session = session(entry.handle) else {
      // The command ended its own session: there is no key left to answer with.
      out.u16(0)
      out.u8(entry.attributes)
      out.u16(0)
      return
    }
    session.nonceTPM = nonce
    var attributes = entry.attributes
    if context.auditSession == number {
      attributes &= ~(SessionAttribute.auditExclusive | SessionAttribute.auditReset)
      if volatile.exclusiveAudit == entry.handle { attributes |= SessionAttribute.auditExclusive }
      if entry.has(SessionAttribute.auditReset) { attributes |= SessionAttribute.auditReset }
    }
    out.sized(nonce)
    out.u8(attributes)
    if session.needsPassword && entry.associated != nil {
      out.u16(0)
    } else {
      var key = FixedBytes<128>(session.key)
      let response = responseEntry(entry, number, context)
      if let handle = response.associated {
        let isIncluded = session.kind == .hmac ? !isBound(session, to: handle) : session.needsAuthValue
        if isIncluded { key.append(authValue(handle).span) }
      }
      if key.isEmpty && entry.hmac.isEmpty {
        out.u16(0)
      } else {
        var mac = HMAC(session.hash, key: key.span)
        mac.update(rpHash(session.hash, context, parameters).span)
        mac.update(nonce.span)
        mac.update(entry.nonceCaller.span)
        mac.update(byte: attributes)
        out.sized(mac.finalize())
      }
      key.wipe()
    }
    guard entry.has(SessionAttribute.continueSession) else {
      flush(session: entry.handle)
      return
    }
    if session.kind != .hmac && entry.associated != nil {
      session.resetPolicy(at: time, epoch: volatile.timeEpoch)
    }
    set(entry.handle, session)
  }

  mutating func flush(session handle: UInt32) {
    let index = Int(handle & 0xFFFFFF)
    guard index < volatile.sessions.count else { return }
    volatile.sessions[index] = .free
    if volatile.exclusiveAudit == handle { volatile.exclusiveAudit = 0 }
  }

  /// Extends the audit session's digest and keeps track of exclusivity (Part 1 §20.1).
  private mutating func audit(_ context: Context, _ parameters: [UInt8]) {
    guard let number = context.auditSession else {
      endExclusivity(context)
      return
    }
    let entry = context.sessions[number]
    guard let session = session(entry.handle) else { return }
    if !session.isAudit || entry.has(SessionAttribute.auditReset) {
      session.isAudit = true
      session.auditDigest = Digest(zeros: session.hash.digestSize)
      volatile.exclusiveAudit = entry.handle
    } else if volatile.exclusiveAudit != entry.handle {
      volatile.exclusiveAudit = 0
    }
    var hasher = Hasher(session.hash)
    hasher.update(session.auditDigest.span)
    hasher.update(cpHash(session.hash, context).span)
    hasher.update(rpHash(session.hash, context, parameters).span)
    session.auditDigest = hasher.finalize()
    set(entry.handle, session)
  }

  /// The empty nonce and code that answer a password.
  @inline(never)
  mutating func answerPassword() {
    out.u16(0)
    out.u8(SessionAttribute.continueSession)
    out.u16(0)
  }

  mutating func endExclusivity(_ context: Context) {
    if isSessionCapable(context.info) { volatile.exclusiveAudit = 0 }
  }

  /// Command audit (Part 1 §20.2).
  @inline(never)
  mutating func auditCommand(_ context: Context, _ range: Range<Int>) {
    guard isAudited(context.info.code), context.info.code != 0x133 else { return }
    let hash = persistent.auditHash
    if volatile.auditDigest.isEmpty {
      volatile.auditDigest = Digest(zeros: hash.digestSize)
      persistent.auditCounter &+= 1
      touch()
    }
    var hasher = Hasher(hash)
    hasher.update(volatile.auditDigest.span)
    hasher.update(cpHash(hash, context).span)
    hasher.update(rpHash(hash, context, Array(out.bytes[range])).span)
    volatile.auditDigest = hasher.finalize()
  }

  func isAudited(_ code: UInt32) -> Bool { code == 0x140 || persistent.auditCommands.contains(code) }
}
