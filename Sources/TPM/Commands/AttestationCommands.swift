// AttestationCommands: quotes, certifications and audits (Part 3 §18).
import Crypto

extension TPMEngine {
  /// Qualifying data and scheme, as most attestations begin.
  @inline(never)
  private func qualification(_ r: inout Reader, _ data: inout Digest) throws(Stop) -> (Scheme, Int) {
    r.next()
    data = try r.sized()
    r.next()
    return (try r.signatureScheme(), r.number)
  }

  /// The signing key and its scheme; no key for the NULL handle.
  @inline(never)
  private func signer(_ handle: UInt32, _ number: Int, _ given: Scheme, parameter: Int) throws(Stop) -> (
    TPMObject?, Scheme
  ) {
    guard handle != Handle.null else { return (nil, given) }
    let key = try object(handle, number)
    guard key.area.has(ObjectAttribute.sign), key.hasSecret, key.area.type != Algorithm.symCipher else {
      throw .handle(.key, number)
    }
    return (key, try select(given, for: key.area, parameter: parameter))
  }

  /// TPMS_ATTEST and its signature.
  private mutating func attest(
    _ type: UInt16, _ handle: UInt32, _ key: TPMObject?, _ scheme: Scheme, _ extra: Digest,
    _ attested: [UInt8]
  ) throws(Stop) {
    var data = Writer()
    data.u32(0xFF54_4347)
    data.u16(type)
    var signerName = Name()
    if let key {
      signerName = key.qualifiedName
    } else {
      signerName.append(big: Handle.null)
    }
    data.sized(signerName)
    data.sized(extra)
    var firmware: UInt64 = 1 &<< 32
    var resets = persistent.resetCount
    var restarts = volatile.restartCount
    if key.map({ $0.hierarchy != Handle.endorsement && $0.hierarchy != Handle.platform }) ?? true {
      // Keeps attestations of different owners' keys from being linked (Part 1 §36.7).
      let none = InlineArray<1, UInt8>(repeating: 0)
      let mask = KDF.a(
        .sha256, key: persistent.owner.proof.span, label: "OBFUSCATE", signerName.span,
        none.span.extracting(first: 0),
        bits: 128)
      firmware &+= UInt64(mask.span.extracting(0..<8))
      resets &+= UInt32(mask.span.extracting(8..<12))
      restarts &+= UInt32(mask.span.extracting(12..<16))
    }
    data.u64(clock)
    data.u32(resets)
    data.u32(restarts)
    data.yesNo(persistent.isClockSafe)
    data.u64(firmware)
    data.raw(attested)
    if type == 0x8019 { data.u64(firmware) }
    var signature = Signature()
    if let key, let hash = scheme.hash {
      signature = try sign(handle, key, scheme, Hasher.hash(hash, data.bytes))
    }
    out.sized(data.bytes)
    signature.write(&out)
  }

  @inline(never)
  mutating func quote(_ r: inout Reader, _ c: Context) throws(Stop) {
    var extra = Digest()
    let (given, number) = try qualification(&r, &extra)
    r.next()
    let selection = try r.pcrSelection()
    try r.finish()
    let (key, scheme) = try signer(c.handles[0], 1, given, parameter: number)
    let (filtered, digest) = digest(selection, scheme.hash ?? .sha256)
    var attested = Writer()
    filtered.write(&attested)
    attested.sized(digest)
    try attest(0x8018, c.handles[0], key, scheme, extra, attested.bytes)
  }

  @inline(never)
  mutating func certify(_ r: inout Reader, _ c: Context) throws(Stop) {
    var extra = Digest()
    let (given, number) = try qualification(&r, &extra)
    try r.finish()
    // A sequence is no object, hence nothing to certify (VRT0010).
    let subject = try object(c.handles[0], 1)
    let (key, scheme) = try signer(c.handles[1], 2, given, parameter: number)
    var attested = Writer()
    attested.sized(subject.name)
    attested.sized(subject.qualifiedName)
    try attest(0x8017, c.handles[1], key, scheme, extra, attested.bytes)
  }

  @inline(never)
  mutating func certifyCreation(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let extra: Digest = try r.sized()
    r.next()
    let creationHash: Digest = try r.sized()
    r.next()
    let given = try r.signatureScheme()
    r.next()
    let ticket = try r.ticket()
    guard ticket.tag == 0x8021 else { throw r.error(.tag) }
    try r.finish()
    let subject = try object(c.handles[1], 2)
    let (key, scheme) = try signer(c.handles[0], 1, given, parameter: 3)
    guard creationTicket(ticket.hierarchy, subject.name, creationHash).matches(ticket.digest.span) else {
      throw .parameter(.ticket, 4)
    }
    var attested = Writer()
    attested.sized(subject.name)
    attested.sized(creationHash)
    try attest(0x801A, c.handles[0], key, scheme, extra, attested.bytes)
  }

  @inline(never)
  mutating func getTime(_ r: inout Reader, _ c: Context) throws(Stop) {
    var extra = Digest()
    let (given, number) = try qualification(&r, &extra)
    try r.finish()
    let (key, scheme) = try signer(c.handles[1], 2, given, parameter: number)
    var attested = Writer()
    writeTimeInfo(&attested)
    try attest(0x8019, c.handles[1], key, scheme, extra, attested.bytes)
  }

  @inline(never)
  mutating func getSessionAuditDigest(_ r: inout Reader, _ c: Context) throws(Stop) {
    var extra = Digest()
    let (given, number) = try qualification(&r, &extra)
    try r.finish()
    let (key, scheme) = try signer(c.handles[1], 2, given, parameter: number)
    guard let session = session(c.handles[2]), session.isAudit else { throw .handle(.type, 3) }
    var attested = Writer()
    attested.yesNo(volatile.exclusiveAudit == c.handles[2])
    attested.sized(session.auditDigest)
    try attest(0x8016, c.handles[1], key, scheme, extra, attested.bytes)
  }

  @inline(never)
  mutating func getCommandAuditDigest(_ r: inout Reader, _ c: Context) throws(Stop) {
    var extra = Digest()
    let (given, number) = try qualification(&r, &extra)
    try r.finish()
    let (key, scheme) = try signer(c.handles[1], 2, given, parameter: number)
    var hasher = Hasher(persistent.auditHash)
    for code in persistent.auditCommands where code < 0x140 { hasher.update(big: code) }
    hasher.update(big: UInt32(0x140))
    for code in persistent.auditCommands where code > 0x140 { hasher.update(big: code) }
    var attested = Writer()
    attested.u64(persistent.auditCounter)
    attested.hash(persistent.auditHash)
    attested.sized(volatile.auditDigest)
    attested.sized(hasher.finalize())
    try attest(0x8015, c.handles[1], key, scheme, extra, attested.bytes)
    if key != nil { volatile.auditDigest = Digest() }
  }

  @inline(never)
  mutating func nvCertify(_ r: inout Reader, _ c: Context) throws(Stop) {
    var extra = Digest()
    let (given, number) = try qualification(&r, &extra)
    r.next()
    let size = Int(try r.u16())
    r.next()
    let offset = Int(try r.u16())
    try r.finish()
    let (key, scheme) = try signer(c.handles[0], 1, given, parameter: number)
    let index = try nvIndex(c.handles[2], 3)
    try checkNVRead(c.handles[1], c.handles[2])
    let nv = persistent.indices[index]
    var attested = Writer()
    attested.sized(nv.name)
    if size == 0 && offset == 0 {
      guard let hash = scheme.hash else { throw .parameter(.scheme, 2) }
      attested.sized(Hasher.hash(hash, nv.data))
      try attest(0x801C, c.handles[0], key, scheme, extra, attested.bytes)
      return
    }
    guard size <= Limits.nvBuffer else { throw .parameter(.value, 3) }
    guard offset &+ size <= nv.data.count else { throw .code(.nvRange) }
    attested.u16(UInt16(offset))
    attested.sized(Array(nv.data[offset..<(offset &+ size)]))
    try attest(0x8014, c.handles[0], key, scheme, extra, attested.bytes)
  }
}
