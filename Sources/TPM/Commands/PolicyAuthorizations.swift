// PolicyAuthorizations: policies by signature, secret, ticket and authority (Part 3 §23.3 to §23.5, §23.16).
import Crypto

extension TPMEngine {
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

  private func note(_ session: Session, cpHash: Digest, end: UInt64) {
    if !cpHash.isEmpty {
      session.boundHashKind = .cpHash
      session.boundHash = cpHash
    }
    if end != 0 {
      session.timeout = session.timeout == 0 ? end : min(session.timeout, end)
    }
  }

  @inline(never)
  mutating func policySecret(_ r: inout Reader, _ c: Context) throws(Stop) {
    let a = try authorization(&r)
    try r.finish()
    let session = try policySession(c, 1)
    var end: UInt64 = 0
    if session.kind == .policy { end = try check(a, session) }
    let entity = name(c.handles[0])
    update(session, c.info.code, name: entity, reference: a.reference)
    note(session, cpHash: session.kind == .policy ? a.cpHash : Digest(), end: end)
    set(c.handles[1], session)
    writeTicket(a, end, 0x8023, entity, c.handles[0], session)
  }

  @inline(never)
  mutating func policySigned(_ r: inout Reader, _ c: Context) throws(Stop) {
    let a = try authorization(&r)
    r.next()
    let signature = try r.signature()
    try r.finish()
    let session = try policySession(c, 1)
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
    update(session, c.info.code, name: key.name, reference: a.reference)
    note(session, cpHash: session.kind == .policy ? a.cpHash : Digest(), end: end)
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

  @inline(never)
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
    let session = try policySession(c)
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
    update(session, ticket.tag == 0x8023 ? 0x151 : 0x160, name: name, reference: reference)
    note(session, cpHash: cpHash, end: end)
    set(c.handles[0], session)
  }

  @inline(never)
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
    let session = try policySession(c)
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
    update(session, c.info.code, name: key, reference: reference)
    set(c.handles[0], session)
  }
}
