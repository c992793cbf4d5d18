// Authorize: reading the authorization area and checking every session of a command (Part 1 §19).
import Crypto

extension TPMEngine {
  /// Reads up to three sessions and checks their form.
  @inline(never)
  mutating func readSessions(_ reader: inout Reader, _ context: Context) throws(Stop) {
    var number = 0
    while reader.remaining > 0 {
      guard number < 3 else { throw .code(.authSize) }
      var entry = CommandSession(handle: 0, nonceCaller: Digest(), attributes: 0, hmac: Digest())
      do throws(Stop) {
        entry.handle = try reader.u32()
        entry.nonceCaller = try reader.sized()
        entry.attributes = try reader.u8()
        entry.hmac = try reader.sized()
      } catch {
        if case .code(let code) = error { throw .session(code, number &+ 1) }
        throw error
      }
      guard entry.attributes & SessionAttribute.reserved == 0 else {
        throw .session(.reservedBits, number &+ 1)
      }
      if number < context.info.handleCount && context.info.roles[number] != .none {
        entry.associated = context.handles[number]
      }
      try check(entry, number, context)
      context.sessions.append(entry)
      if !entry.isPassword { context.hasSessions = true }
      number &+= 1
    }
    for index in 0..<context.info.handleCount where context.info.roles[index] != .none {
      guard index < context.sessions.count else { throw .code(.authMissing) }
    }
  }

  private mutating func check(_ entry: CommandSession, _ number: Int, _ context: Context) throws(Stop) {
    let ordinal = number &+ 1
    if entry.isPassword {
      guard entry.nonceCaller.isEmpty else { throw .session(.nonce, ordinal) }
      guard entry.attributes & ~SessionAttribute.continueSession == 0 else {
        throw .session(.attributes, ordinal)
      }
      guard entry.associated != nil else { throw .session(.handle, ordinal) }
      return
    }
    guard Handle.isSession(entry.handle) else { throw .session(.value, ordinal) }
    guard let session = session(entry.handle) else { throw .code(.referenceSession(number)) }
    for earlier in context.sessions where earlier.handle == entry.handle { throw .session(.handle, ordinal) }
    if entry.associated != nil && session.kind == .trial { throw .session(.attributes, ordinal) }
    if entry.has(SessionAttribute.decrypt) {
      guard context.info.flags.contains(.decrypt), context.decryptSession == nil else {
        throw .session(.attributes, ordinal)
      }
      guard !session.symmetric.isNull else { throw .session(.symmetric, ordinal) }
      context.decryptSession = number
    }
    if entry.has(SessionAttribute.encrypt) {
      guard context.info.flags.contains(.encrypt), context.encryptSession == nil else {
        throw .session(.attributes, ordinal)
      }
      guard !session.symmetric.isNull else { throw .session(.symmetric, ordinal) }
      context.encryptSession = number
    }
    if entry.has(SessionAttribute.audit) {
      guard session.kind == .hmac, context.auditSession == nil else { throw .session(.attributes, ordinal) }
      context.auditSession = number
      if entry.has(SessionAttribute.auditExclusive) && volatile.exclusiveAudit != entry.handle
        && !entry.has(SessionAttribute.auditReset) && session.isAudit
      {
        throw .code(.exclusive)
      }
    } else if entry.attributes & (SessionAttribute.auditExclusive | SessionAttribute.auditReset) != 0 {
      throw .session(.attributes, ordinal)
    }
    let uses = SessionAttribute.decrypt | SessionAttribute.encrypt | SessionAttribute.audit
    if entry.associated == nil && entry.attributes & uses == 0 { throw .session(.attributes, ordinal) }
  }

  /// Checks the authorization of every handle and the HMAC of every session, each once.
  @inline(never)
  mutating func authorize(_ context: Context) throws(Stop) {
    while job.authorized < context.sessions.count {
      let number = job.authorized
      if let handle = context.sessions[number].associated {
        try authorize(handle, number, context)
      } else {
        try checkHMAC(number, context, includesAuth: false)
      }
      job.authorized &+= 1
      // A session's code is over the whole command: it gets a slice to itself.
      if !context.sessions[number].isPassword { throw .pending }
    }
  }

  /// The hash over command code, names and parameters (Part 1 §16).
  @inline(never)
  func cpHash(_ hash: HashAlgorithm, _ context: Context) -> Digest {
    var hasher = Hasher(hash)
    hasher.update(big: context.info.code)
    for index in 0..<context.info.handleCount { hasher.update(name(context.handles[index]).span) }
    hasher.update(job.command.span.extracting(context.parameters..<job.command.count))
    return hasher.finalize()
  }

  @inline(never)
  private mutating func authorize(_ handle: UInt32, _ number: Int, _ context: Context) throws(Stop) {
    let entry = context.sessions[number]
    let role = context.info.roles[number]
    let ordinal = number &+ 1
    let session = entry.isPassword ? nil : session(entry.handle)
    let isPolicy = session.map { $0.kind != .hmac } ?? false
    let usesAuth = session.map { $0.kind == .hmac || $0.needsAuthValue || $0.needsPassword } ?? true
    if usesAuth { try checkLockout(handle) }
    if isPolicy {
      guard hasPolicy(handle, role, context.info.code) else { throw .session(.authUnavailable, ordinal) }
    } else {
      if needsPolicy(handle, role) { throw .session(.authType, ordinal) }
      guard isAuthAvailable(handle, role, context.info.code) else {
        throw .session(.authUnavailable, ordinal)
      }
    }
    if let session, isPolicy { try checkPolicy(session, handle, role, number, context) }
    if entry.isPassword || (session?.needsPassword ?? false) {
      try checkPassword(handle, entry, number)
    } else {
      try checkHMAC(number, context, includesAuth: usesAuth)
    }
    if usesAuth {
      notePIN(handle)
      if !isDAExempt(handle) && !persistent.wasDAUsed {
        persistent.wasDAUsed = true
        touch()
      }
    }
  }

  @inline(never)
  private mutating func checkPassword(_ handle: UInt32, _ entry: CommandSession, _ number: Int) throws(Stop) {
    var given = entry.hmac
    given.dropTrailingZeros()
    let value = authValue(handle)
    guard value.matches(given.span) else { throw failedAuth(handle, number) }
  }

  /// Whether the session's key leaves the entity's authorization out because it is bound to it.
  @inline(never)
  func isBound(_ session: Session, to handle: UInt32) -> Bool {
    guard session.kind == .hmac, !session.boundEntity.isEmpty else { return false }
    return session.boundEntity.matches(boundDigest(handle, session.hash).span)
  }

  /// What a bound session remembers: a hash of the entity's name and authorization.
  @inline(never)
  func boundDigest(_ handle: UInt32, _ hash: HashAlgorithm) -> Digest {
    var hasher = Hasher(hash)
    var auth = authValue(handle)
    hasher.update(big: UInt8(truncatingIfNeeded: auth.count))
    hasher.update(auth.span)
    hasher.update(name(handle).span)
    auth.wipe()
    return hasher.finalize()
  }

  @inline(never)
  private mutating func checkHMAC(_ number: Int, _ context: Context, includesAuth: Bool) throws(Stop) {
    let entry = context.sessions[number]
    guard let session = session(entry.handle) else { throw .code(.referenceSession(number)) }
    var key = FixedBytes<128>(session.key)
    if includesAuth, let handle = entry.associated, session.kind != .hmac || !isBound(session, to: handle) {
      key.append(authValue(handle).span)
    }
    defer { key.wipe() }
    if key.isEmpty && entry.hmac.isEmpty { return }
    var mac = HMAC(session.hash, key: key.span)
    mac.update(cpHash(session.hash, context).span)
    mac.update(entry.nonceCaller.span)
    mac.update(session.nonceTPM.span)
    if number == 0 && entry.associated != nil {
      if let decrypt = context.decryptSession, decrypt != 0 {
        update(&mac, nonceOf: context.sessions[decrypt])
      }
      if let encrypt = context.encryptSession, encrypt != 0, encrypt != context.decryptSession {
        update(&mac, nonceOf: context.sessions[encrypt])
      }
    }
    mac.update(byte: entry.attributes)
    let code = mac.finalize()
    if code.matches(entry.hmac.span) { return }
    if session.isBoundToLockout { throw failedAuth(Handle.lockout, number) }
    if session.isBoundToDA {
      countFailure()
      throw .session(.authFail, number &+ 1)
    }
    if includesAuth, let handle = entry.associated { throw failedAuth(handle, number) }
    throw .session(.badAuth, number &+ 1)
  }

  private func update(_ mac: inout HMAC, nonceOf entry: CommandSession) {
    if let session = session(entry.handle) { mac.update(session.nonceTPM.span) }
  }

  // MARK: - Policy

  @inline(never)
  private func checkPolicy(
    _ session: Session, _ handle: UInt32, _ role: Role, _ number: Int, _ context: Context
  ) throws(Stop) {
    let ordinal = number &+ 1
    if context.info.code == 0x151 && number == 0 && !session.needsAuthValue && !session.needsPassword {
      throw .session(.mode, ordinal)
    }
    if session.checksPCR && session.pcrCounter != volatile.pcrs.counter { throw .code(.pcrChanged) }
    var policy = Digest()
    let hash = self.policy(handle, into: &policy)
    guard let hash, hash == session.hash, policy.matches(session.policyDigest.span) else {
      throw .session(.policyFail, ordinal)
    }
    if session.timeout != 0 && (session.timeout < time || session.timeEpoch != volatile.timeEpoch) {
      throw .session(.expired, ordinal)
    }
    if session.commandCode != 0 {
      guard session.commandCode == context.info.code else { throw .session(.policyCC, ordinal) }
    } else if role == .admin || role == .duplicate {
      throw .session(.policyFail, ordinal)
    }
    if session.locality != 0 && !isLocality(job.locality, in: session.locality) { throw .code(.locality) }
    if session.needsPhysicalPresence { throw .session(.pp, ordinal) }
    switch session.boundHashKind {
    case .none: break
    case .cpHash:
      guard cpHash(session.hash, context).matches(session.boundHash.span) else {
        throw .session(.policyFail, ordinal)
      }
    case .nameHash:
      var hasher = Hasher(session.hash)
      for index in 0..<context.info.handleCount { hasher.update(name(context.handles[index]).span) }
      guard hasher.finalize().matches(session.boundHash.span) else { throw .session(.policyFail, ordinal) }
    case .templateHash:
      // Compared by the creating command, which has the template.
      guard context.info.code == 0x153 || context.info.code == 0x131 || context.info.code == 0x191 else {
        throw .session(.policyFail, ordinal)
      }
      guard templateHash(session.hash, context).matches(session.boundHash.span) else {
        throw .session(.policyFail, ordinal)
      }
    }
    if session.checksNVWritten {
      guard let index = persistent.index(handle),
        persistent.indices[index].has(NVAttribute.written) == session.nvWrittenState
      else { throw .session(.policyFail, ordinal) }
    }
  }

  // The digest of the TPM2B_PUBLIC's content: the second parameter of the three creating commands. A
  // parameter encrypted on the way is decrypted later; its size field is not, and the template follows it.
  @inline(never)
  private func templateHash(_ hash: HashAlgorithm, _ context: Context) -> Digest {
    var reader = Reader(job.command, from: context.parameters, to: job.command.count)
    do throws(Stop) {
      _ = try reader.sizedRange()
      let range = try reader.sizedRange()
      return Hasher.hash(hash, job.command.span.extracting(range))
    } catch {
      return Digest()
    }
  }

  func isLocality(_ locality: UInt8, in mask: UInt8) -> Bool {
    locality < 5 ? mask < 32 && mask &>> locality & 1 == 1 : mask == locality
  }

  // MARK: - What an entity offers

  // A digest comes out by reference: the compiler takes a tuple of byte arrays apart, byte by byte.
  @inline(never)
  func policy(_ handle: UInt32, into digest: inout Digest) -> HashAlgorithm? {
    switch Handle.type(handle) {
    case 0x80:
      if let slot = slotIndex(handle), case .object(let object) = volatile.slots[slot] {
        digest = object.area.policy
        return object.area.nameAlgorithm
      }
    case 0x81:
      if let index = persistent.object(handle) {
        let area = persistent.objects[index].object.area
        digest = area.policy
        return area.nameAlgorithm
      }
    case 0x01:
      if let index = persistent.index(handle) {
        digest = persistent.indices[index].policy
        return persistent.indices[index].nameAlgorithm
      }
    case 0x00:
      if PCRBanks.isProtected(Int(handle)) {
        digest = persistent.pcrPolicy
        return persistent.pcrPolicyHash
      }
    default:
      switch handle {
      case Handle.owner:
        digest = persistent.owner.policy
        return persistent.owner.policyHash
      case Handle.endorsement:
        digest = persistent.endorsement.policy
        return persistent.endorsement.policyHash
      case Handle.platform:
        digest = persistent.platform.policy
        return persistent.platform.policyHash
      case Handle.lockout:
        digest = persistent.lockoutPolicy
        return persistent.lockoutPolicyHash
      default: break
      }
    }
    digest = Digest()
    return nil
  }

  @inline(never)
  private func hasPolicy(_ handle: UInt32, _ role: Role, _ code: UInt32) -> Bool {
    var digest = Digest()
    let hash = policy(handle, into: &digest)
    switch Handle.type(handle) {
    case 0x80, 0x81: return !digest.isEmpty
    case 0x01:
      guard let index = persistent.index(handle), !persistent.indices[index].policy.isEmpty else {
        return false
      }
      if role == .admin { return true }
      return persistent.indices[index].has(
        Self.isNVWrite(code) ? NVAttribute.policyWrite : NVAttribute.policyRead)
    default: return hash != nil
    }
  }

  /// Commands that write the index they authorize with.
  static func isNVWrite(_ code: UInt32) -> Bool {
    switch code {
    case 0x134, 0x135, 0x136, 0x137, 0x138: true
    default: false
    }
  }

  private func needsPolicy(_ handle: UInt32, _ role: Role) -> Bool {
    switch role {
    case .duplicate: return true
    case .admin:
      if Handle.isNV(handle) { return true }
      return publicArea(handle)?.has(ObjectAttribute.adminWithPolicy) ?? false
    default: return false
    }
  }

  @inline(never)
  func publicArea(_ handle: UInt32) -> PublicArea? {
    if let slot = slotIndex(handle), case .object(let object) = volatile.slots[slot] { return object.area }
    if let index = persistent.object(handle) { return persistent.objects[index].object.area }
    return nil
  }

  private func isAuthAvailable(_ handle: UInt32, _ role: Role, _ code: UInt32) -> Bool {
    switch Handle.type(handle) {
    case 0x80, 0x81:
      guard let area = publicArea(handle) else { return true }
      return role == .user
        ? area.has(ObjectAttribute.userWithAuth) : !area.has(ObjectAttribute.adminWithPolicy)
    case 0x01:
      guard let index = persistent.index(handle) else { return false }
      let nv = persistent.indices[index]
      if nv.isPIN {
        // A PIN index gives its authorization only once written and while the count is below the limit.
        guard nv.has(NVAttribute.written), nv.pinCount < nv.pinLimit else { return false }
      }
      return nv.has(Self.isNVWrite(code) ? NVAttribute.authWrite : NVAttribute.authRead)
    default: return true
    }
  }

  /// The authorization value of any entity.
  @inline(never)
  func authValue(_ handle: UInt32) -> Digest {
    switch Handle.type(handle) {
    case 0x80:
      guard let slot = slotIndex(handle) else { return Digest() }
      switch volatile.slots[slot] {
      case .empty: return Digest()
      case .object(let object): return object.auth
      case .sequence(let running): return running.sequence.auth
      }
    case 0x81: return persistent.object(handle).map { persistent.objects[$0].object.auth } ?? Digest()
    case 0x01: return persistent.index(handle).map { persistent.indices[$0].auth } ?? Digest()
    case 0x00: return PCRBanks.isProtected(Int(handle)) ? volatile.pcrAuth : Digest()
    default:
      switch handle {
      case Handle.owner: return persistent.owner.auth
      case Handle.endorsement: return persistent.endorsement.auth
      case Handle.platform: return persistent.platform.auth
      case Handle.lockout: return persistent.lockoutAuth
      default: return Digest()
      }
    }
  }
}
