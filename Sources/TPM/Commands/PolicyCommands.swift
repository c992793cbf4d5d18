// PolicyCommands: the assertions that build and restrict a policy (Part 3 §23).
import Crypto

extension TPMEngine {
  private func policySession(_ c: Context, _ position: Int = 0) throws(Stop) -> Session {
    guard let session = session(c.handles[position]) else { throw .code(.referenceHandle(position &+ 1)) }
    return session
  }

  /// policyDigest' = H(policyDigest ‖ command code ‖ data).
  private func extend(_ session: inout Session, _ code: UInt32, _ data: [UInt8]) {
    var hasher = Hasher(session.hash)
    hasher.update(session.policyDigest.span)
    hasher.update(big: code)
    hasher.update(data.span)
    session.policyDigest = hasher.finalize()
  }

  /// The two steps of PolicySigned, PolicySecret and PolicyAuthorize (Part 3 §23.2.3).
  private func update(_ session: inout Session, _ code: UInt32, name: Name, reference: Digest) {
    extend(&session, code, Array(name))
    var hasher = Hasher(session.hash)
    hasher.update(session.policyDigest.span)
    hasher.update(reference.span)
    session.policyDigest = hasher.finalize()
  }

  mutating func policyRestart(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    var session = try policySession(c)
    session.resetPolicy(at: time, epoch: volatile.timeEpoch)
    set(c.handles[0], session)
  }

  mutating func policyGetDigest(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    out.sized(try policySession(c).policyDigest)
  }

  mutating func policyAuthValue(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    var session = try policySession(c)
    extend(&session, 0x16B, [])
    session.needsAuthValue = true
    session.needsPassword = false
    set(c.handles[0], session)
  }

  mutating func policyPassword(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    var session = try policySession(c)
    extend(&session, 0x16B, [])
    session.needsAuthValue = false
    session.needsPassword = true
    set(c.handles[0], session)
  }

  mutating func policyPhysicalPresence(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    var session = try policySession(c)
    extend(&session, c.info.code, [])
    session.needsPhysicalPresence = true
    set(c.handles[0], session)
  }

  mutating func policyCommandCode(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let code = try r.u32()
    guard CommandTable.info(code) != nil else { throw .parameter(.policyCC, 1) }
    try r.finish()
    var session = try policySession(c)
    if session.commandCode != 0 && session.commandCode != code { throw .parameter(.value, 1) }
    var data = Writer()
    data.u32(code)
    extend(&session, c.info.code, data.bytes)
    session.commandCode = code
    set(c.handles[0], session)
  }

  mutating func policyLocality(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let locality = try r.u8()
    try r.finish()
    guard locality != 0 else { throw .parameter(.range, 1) }
    var session = try policySession(c)
    var combined = locality
    if session.locality != 0 {
      if locality < 32 {
        guard session.locality < 32 else { throw .parameter(.range, 1) }
        combined = session.locality & locality
        guard combined != 0 else { throw .parameter(.range, 1) }
      } else {
        guard session.locality == locality else { throw .parameter(.range, 1) }
      }
    }
    extend(&session, c.info.code, [locality])
    session.locality = combined
    set(c.handles[0], session)
  }

  mutating func policyOR(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let count = try r.u32()
    guard count <= 8 else { throw r.error(.size) }
    guard count >= 2 else { throw r.error(.size) }
    var digests: [Digest] = []
    for _ in 0..<count {
      let digest: Digest = try r.sized()
      digests.append(digest)
    }
    try r.finish()
    var session = try policySession(c)
    if session.kind == .policy {
      var isListed = false
      for digest in digests where digest.matches(session.policyDigest.span) { isListed = true }
      guard isListed else { throw .parameter(.value, 1) }
    }
    session.policyDigest = Digest(zeros: session.hash.digestSize)
    var data: [UInt8] = []
    for digest in digests { data += Array(digest) }
    extend(&session, c.info.code, data)
    set(c.handles[0], session)
  }

  mutating func policyPCR(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let given: Digest = try r.sized()
    r.next()
    let selection = try r.pcrSelection()
    try r.finish()
    var session = try policySession(c)
    var (filtered, actual) = digest(selection, session.hash)
    if session.kind == .trial {
      if !given.isEmpty { actual = given }
    } else {
      if session.checksPCR && session.pcrCounter != volatile.pcrs.counter { throw .code(.pcrChanged) }
      if !given.isEmpty && !given.matches(actual.span) { throw .parameter(.value, 1) }
    }
    var data = Writer()
    filtered.write(&data)
    data.raw(actual)
    extend(&session, c.info.code, data.bytes)
    if session.kind != .trial {
      session.pcrCounter = volatile.pcrs.counter
      session.checksPCR = true
    }
    set(c.handles[0], session)
  }

  private mutating func policyHash(
    _ r: inout Reader, _ c: Context, _ kind: Session.BoundHash
  ) throws(Stop) {
    r.next()
    let digest: Digest = try r.sized()
    try r.finish()
    var session = try policySession(c)
    if digest.count != session.hash.digestSize { throw .parameter(.size, 1) }
    if session.boundHashKind != .none {
      guard session.boundHashKind == kind, session.boundHash.matches(digest.span) else {
        throw .code(.cpHash)
      }
    }
    extend(&session, c.info.code, Array(digest))
    session.boundHashKind = kind
    session.boundHash = digest
    set(c.handles[0], session)
  }

  mutating func policyCpHash(_ r: inout Reader, _ c: Context) throws(Stop) { try policyHash(&r, c, .cpHash) }
  mutating func policyNameHash(_ r: inout Reader, _ c: Context) throws(Stop) {
    try policyHash(&r, c, .nameHash)
  }
  mutating func policyTemplate(_ r: inout Reader, _ c: Context) throws(Stop) {
    try policyHash(&r, c, .templateHash)
  }

  mutating func policyNvWritten(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let state = try r.yesNo()
    try r.finish()
    var session = try policySession(c)
    if session.checksNVWritten && session.nvWrittenState != state { throw .parameter(.value, 1) }
    extend(&session, c.info.code, [state ? 1 : 0])
    session.checksNVWritten = true
    session.nvWrittenState = state
    set(c.handles[0], session)
  }

  mutating func policyDuplicationSelect(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let objectName: Name = try r.sized()
    r.next()
    let parentName: Name = try r.sized()
    r.next()
    let includes = try r.yesNo()
    try r.finish()
    var session = try policySession(c)
    guard session.boundHashKind == .none else { throw .code(.cpHash) }
    guard session.commandCode == 0 || session.commandCode == 0x14B else { throw .code(.commandCode) }
    var data = Writer()
    if includes { data.raw(objectName) }
    data.raw(parentName)
    data.yesNo(includes)
    extend(&session, c.info.code, data.bytes)
    var hasher = Hasher(session.hash)
    hasher.update(objectName.span)
    hasher.update(parentName.span)
    session.boundHash = hasher.finalize()
    session.boundHashKind = .nameHash
    session.commandCode = 0x14B
    set(c.handles[0], session)
  }

  // MARK: - Comparisons

  /// TPM_EO over operands of equal length (Part 2 §6.8); nil for an unknown operation.
  static func compare(_ left: [UInt8], _ right: [UInt8], _ operation: UInt16) -> Bool? {
    var order = 0
    for index in 0..<min(left.count, right.count) where order == 0 && left[index] != right[index] {
      order = left[index] < right[index] ? -1 : 1
    }
    var signed = order
    if let first = left.first, let other = right.first, (first ^ other) & 0x80 != 0 {
      signed = first & 0x80 != 0 ? -1 : 1
    }
    switch operation {
    case 0: return order == 0
    case 1: return order != 0
    case 2: return signed > 0
    case 3: return order > 0
    case 4: return signed < 0
    case 5: return order < 0
    case 6: return signed >= 0
    case 7: return order >= 0
    case 8: return signed <= 0
    case 9: return order <= 0
    case 10:
      for index in 0..<min(left.count, right.count) where left[index] & right[index] != right[index] {
        return false
      }
      return true
    case 11:
      for index in 0..<min(left.count, right.count) where left[index] & right[index] != 0 { return false }
      return true
    default: return nil
    }
  }

  private func operand(_ r: inout Reader) throws(Stop) -> (Digest, UInt16, UInt16) {
    r.next()
    let operand: Digest = try r.sized()
    r.next()
    let offset = try r.u16()
    r.next()
    let operation = try r.u16()
    guard operation < 12 else { throw r.error(.value) }
    try r.finish()
    return (operand, offset, operation)
  }

  private func arguments(_ hash: HashAlgorithm, _ operand: Digest, _ offset: UInt16, _ operation: UInt16)
    -> [UInt8]
  {
    var hasher = Hasher(hash)
    hasher.update(operand.span)
    hasher.update(big: offset)
    hasher.update(big: operation)
    return Array(hasher.finalize())
  }

  private func check(
    _ data: [UInt8], _ operand: Digest, _ offset: UInt16, _ operation: UInt16, isNV: Bool
  ) throws(Stop) {
    let start = Int(offset)
    if isNV {
      guard start <= data.count else { throw .parameter(.value, 2) }
      guard start &+ operand.count <= data.count else { throw .code(.nvRange) }
    } else {
      guard start <= data.count else { throw .parameter(.value, 2) }
      guard start &+ operand.count <= data.count else { throw .parameter(.range, 1) }
    }
    let part = Array(data[start..<(start &+ operand.count)])
    guard Self.compare(part, Array(operand), operation) == true else { throw .code(.policy) }
  }

  mutating func policyNV(_ r: inout Reader, _ c: Context) throws(Stop) {
    let (operand, offset, operation) = try operand(&r)
    var session = try policySession(c, 2)
    let index = try nvIndex(c.handles[1], 2)
    if session.kind == .policy {
      try checkNVRead(c.handles[0], c.handles[1])
      try check(persistent.indices[index].data, operand, offset, operation, isNV: true)
    }
    extend(
      &session, c.info.code,
      arguments(session.hash, operand, offset, operation) + Array(persistent.indices[index].name))
    set(c.handles[2], session)
  }

  mutating func policyCounterTimer(_ r: inout Reader, _ c: Context) throws(Stop) {
    let (operand, offset, operation) = try operand(&r)
    var session = try policySession(c)
    if session.kind == .policy {
      var info = Writer()
      writeTimeInfo(&info)
      try check(info.bytes, operand, offset, operation, isNV: false)
    }
    extend(&session, c.info.code, arguments(session.hash, operand, offset, operation))
    set(c.handles[0], session)
  }

  mutating func policyAuthorizeNV(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    var session = try policySession(c, 2)
    let index = try nvIndex(c.handles[1], 2)
    if session.kind == .policy {
      try checkNVRead(c.handles[0], c.handles[1])
      let data = persistent.indices[index].data
      guard data.count >= 2, let hash = Algorithm.hash(UInt16(data[0]) &<< 8 | UInt16(data[1])) else {
        throw .code(.hash)
      }
      guard hash == session.hash else { throw .handle(.hash, 2) }
      guard data.count >= 2 &+ hash.digestSize else { throw .code(.insufficient) }
      guard session.policyDigest.matches(data.span.extracting(2..<(2 &+ hash.digestSize))) else {
        throw .code(.value)
      }
    }
    session.policyDigest = Digest(zeros: session.hash.digestSize)
    extend(&session, c.info.code, Array(persistent.indices[index].name))
    set(c.handles[2], session)
  }

  // MARK: - Signed, secret, ticket, authorize

  private struct Authorization {
    var nonce: Digest
    var cpHash: Digest
    var reference: Digest
    var expiration: Int32
  }

  private func authorization(_ r: inout Reader) throws(Stop) -> Authorization {
    r.next()
    let nonce: Digest = try r.sized()
    r.next()
    let cpHash: Digest = try r.sized()
    r.next()
    let reference: Digest = try r.sized()
    r.next()
    let expiration = Int32(bitPattern: try r.u32())
    return Authorization(nonce: nonce, cpHash: cpHash, reference: reference, expiration: expiration)
  }

  /// Checks nonce, cpHash and expiration (Part 3 §23.2.2); gives the time at which the assertion ends.
  private func check(_ a: Authorization, _ session: Session) throws(Stop) -> UInt64 {
    if !a.nonce.isEmpty && !a.nonce.matches(session.nonceTPM.span) { throw .parameter(.nonce, 1) }
    if !a.cpHash.isEmpty {
      guard a.cpHash.count == session.hash.digestSize else { throw .parameter(.size, 2) }
      if session.boundHashKind != .none
        && !(session.boundHashKind == .cpHash && session.boundHash.matches(a.cpHash.span))
      {
        throw .code(.cpHash)
      }
    }
    guard a.expiration != 0 else { return 0 }
    let seconds = UInt64(a.expiration.magnitude)
    let base = a.nonce.isEmpty ? time : session.startTime
    let end = base &+ seconds &* 1000
    if end < time { throw .parameter(.expired, 4) }
    return end
  }

  private func note(_ session: inout Session, cpHash: Digest, end: UInt64) {
    if !cpHash.isEmpty {
      session.boundHashKind = .cpHash
      session.boundHash = cpHash
    }
    if end != 0 {
      session.timeout = session.timeout == 0 ? end : min(session.timeout, end)
    }
  }

  mutating func policySecret(_ r: inout Reader, _ c: Context) throws(Stop) {
    let a = try authorization(&r)
    try r.finish()
    var session = try policySession(c, 1)
    var end: UInt64 = 0
    if session.kind == .policy { end = try check(a, session) }
    let entity = name(c.handles[0])
    update(&session, c.info.code, name: entity, reference: a.reference)
    note(&session, cpHash: session.kind == .policy ? a.cpHash : Digest(), end: end)
    set(c.handles[1], session)
    writeTicket(a, end, 0x8023, entity, c.handles[0], session)
  }

  mutating func policySigned(_ r: inout Reader, _ c: Context) throws(Stop) {
    let a = try authorization(&r)
    r.next()
    let signature = try r.signature()
    try r.finish()
    var session = try policySession(c, 1)
    let key = try object(c.handles[0], 1)
    var end: UInt64 = 0
    if session.kind == .policy {
      end = try check(a, session)
      guard let hash = signature.hash else { throw .parameter(.scheme, 5) }
      var hasher = Hasher(hash)
      hasher.update(a.nonce.span)
      hasher.update(big: UInt32(bitPattern: a.expiration))
      hasher.update(a.cpHash.span)
      hasher.update(a.reference.span)
      let digest = hasher.finalize()
      try verify(key, digest, signature, parameter: 5)
    }
    update(&session, c.info.code, name: key.name, reference: a.reference)
    note(&session, cpHash: session.kind == .policy ? a.cpHash : Digest(), end: end)
    set(c.handles[1], session)
    writeTicket(a, end, 0x8025, key.name, c.handles[0], session)
  }

  private mutating func writeTicket(
    _ a: Authorization, _ end: UInt64, _ tag: UInt16, _ name: Name, _ handle: UInt32, _ session: Session
  ) {
    // A ticket is asked for by a negative expiration.
    guard a.expiration < 0, session.kind == .policy else {
      out.u16(0)
      out.u16(tag)
      out.u32(Handle.null)
      out.u16(0)
      return
    }
    let hierarchy = self.hierarchy(handle)
    // Without a nonce the assertion ends with the TPM's power: bit 63 says so.
    let timeout = a.nonce.isEmpty ? end | 1 &<< 63 : end
    out.u16(8)
    out.u64(timeout)
    out.u16(tag)
    out.u32(hierarchy)
    out.sized(ticketDigest(tag, hierarchy, timeout, a.cpHash, a.reference, name))
  }

  private func ticketDigest(
    _ tag: UInt16, _ hierarchy: UInt32, _ timeout: UInt64, _ cpHash: Digest, _ reference: Digest, _ name: Name
  ) -> Digest {
    var mac = HMAC(.sha256, key: proof(hierarchy).span)
    mac.update(big: tag)
    mac.update(big: UInt16(truncatingIfNeeded: cpHash.count))
    mac.update(cpHash.span)
    mac.update(big: UInt16(truncatingIfNeeded: reference.count))
    mac.update(reference.span)
    mac.update(name.span)
    mac.update(big: timeout)
    mac.update(big: volatile.timeEpoch)
    if timeout &>> 63 == 1 { mac.update(big: persistent.totalResetCount) }
    return mac.finalize()
  }

  mutating func policyTicket(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let timeoutBytes: FixedBytes<8> = try r.sized()
    r.next()
    let cpHash: Digest = try r.sized()
    r.next()
    let reference: Digest = try r.sized()
    r.next()
    let name: Name = try r.sized()
    r.next()
    let ticket = try r.ticket()
    guard ticket.tag == 0x8023 || ticket.tag == 0x8025 else { throw r.error(.tag) }
    try r.finish()
    var session = try policySession(c)
    guard session.kind == .policy else { throw .handle(.attributes, 1) }
    guard timeoutBytes.count == 8 else { throw .parameter(.value, 1) }
    let timeout = UInt64(timeoutBytes.span)
    let end = timeout & ~(1 &<< 63)
    if end < time { throw .parameter(.expired, 1) }
    if !cpHash.isEmpty && session.boundHashKind != .none
      && !(session.boundHashKind == .cpHash && session.boundHash.matches(cpHash.span))
    {
      throw .code(.cpHash)
    }
    let wanted = ticketDigest(ticket.tag, ticket.hierarchy, timeout, cpHash, reference, name)
    guard wanted.matches(ticket.digest.span) else { throw .parameter(.ticket, 5) }
    update(&session, ticket.tag == 0x8023 ? 0x151 : 0x160, name: name, reference: reference)
    note(&session, cpHash: cpHash, end: end)
    set(c.handles[0], session)
  }

  mutating func policyAuthorize(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let approved: Digest = try r.sized()
    r.next()
    let reference: Digest = try r.sized()
    r.next()
    let key: Name = try r.sized()
    r.next()
    let ticket = try r.ticket()
    guard ticket.tag == 0x8022 else { throw r.error(.tag) }
    try r.finish()
    var session = try policySession(c)
    guard key.count >= 2, let hash = Algorithm.hash(UInt16(key[0]) &<< 8 | UInt16(key[1])) else {
      throw .parameter(key.count < 2 ? .insufficient : .hash, 3)
    }
    guard key.count == 2 &+ hash.digestSize else { throw .parameter(.size, 3) }
    if session.kind == .policy {
      guard session.policyDigest.matches(approved.span) else { throw .parameter(.value, 1) }
      var hasher = Hasher(hash)
      hasher.update(approved.span)
      hasher.update(reference.span)
      let wanted = verifiedTicket(ticket.hierarchy, hasher.finalize(), key)
      guard wanted.matches(ticket.digest.span) else { throw .parameter(.value, 4) }
    }
    session.policyDigest = Digest(zeros: session.hash.digestSize)
    update(&session, c.info.code, name: key, reference: reference)
    set(c.handles[0], session)
  }
}
