// StartAuthSession: new sessions, salted and bound (Part 3 §11.1).
import Crypto

extension TPMEngine {
  @inline(never)
  mutating func startAuthSession(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let nonceCaller: Digest = try r.sized()
    r.next()
    let encryptedSalt = try r.sizedArray(limit: 512)
    r.next()
    guard let kind = Session.Kind(rawValue: try r.u8()) else { throw r.error(.value) }
    r.next()
    let symmetric = try r.symmetricSession()
    if symmetric.algorithm == Algorithm.aes && symmetric.mode != Algorithm.cfb { throw r.error(.mode) }
    r.next()
    let hash = try r.hash()
    try r.finish()
    guard nonceCaller.count >= 16, nonceCaller.count <= hash.digestSize else { throw .parameter(.size, 1) }
    let (tpmKey, bind) = (c.handles[0], c.handles[1])
    var salt = Digest()
    if tpmKey == Handle.null {
      guard encryptedSalt.isEmpty else { throw .parameter(.value, 2) }
    } else {
      let key = try object(tpmKey, 1)
      guard key.hasSecret else { throw .handle(.handle, 1) }
      guard key.area.has(ObjectAttribute.decrypt) else { throw .handle(.attributes, 1) }
      guard key.area.isAsymmetric else { throw .handle(.key, 1) }
      salt = try decryptSecret(tpmKey, key, encryptedSalt, label: "SECRET", parameter: 2)
    }
    if bind != Handle.null {
      if let index = persistent.index(bind), persistent.indices[index].isPIN { throw .handle(.handle, 2) }
      if let slot = slotIndex(bind), case .sequence = volatile.slots[slot] { throw .handle(.type, 2) }
      if let object = publicArea(bind), object.nameAlgorithm == nil { throw .handle(.handle, 2) }
      if Handle.isObject(bind), try !object(bind, 2).hasSecret { throw .handle(.handle, 2) }
    }
    guard volatile.loadedSessions < Limits.loadedSessions else { throw .code(.sessionMemory) }
    guard let slot = volatile.sessions.firstIndex(where: { if case .free = $0 { true } else { false } })
    else {
      throw .code(.sessionHandles)
    }
    cancelOrderly()
    let session = Session(
      kind: kind, hash: hash, symmetric: symmetric, nonceTPM: drbg.bytes(nonceCaller.count))
    if kind != .hmac { session.resetPolicy(at: time, epoch: volatile.timeEpoch) }
    var key = FixedBytes<128>()
    if bind != Handle.null { key.append(authValue(bind).span) }
    key.append(salt.span)
    if bind != Handle.null || tpmKey != Handle.null {
      session.key = KDF.a(
        hash, key: key.span, label: "ATH", session.nonceTPM.span, nonceCaller.span, bits: hash.digestSize &* 8
      )
    }
    if kind == .hmac && bind != Handle.null {
      session.boundEntity = boundDigest(bind, hash)
      session.isBoundToLockout = bind == Handle.lockout
      session.isBoundToDA = !isDAExempt(bind)
    }
    key.wipe()
    salt.wipe()
    volatile.sessions[slot] = .loaded(session)
    let handle = (kind == .hmac ? Handle.hmacSession : Handle.policySession) | UInt32(slot)
    c.responseHandle = handle
    out.sized(session.nonceTPM)
  }
}
