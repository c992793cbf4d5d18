// PolicyCommands: the assertions that build and restrict a policy (Part 3 §23).
import Crypto

extension TPMEngine {
  @inline(never)
  func policySession(_ c: Context, _ position: Int = 0) throws(Stop) -> Session {
    guard let session = session(c.handles[position]) else { throw .code(.referenceHandle(position &+ 1)) }
    return session
  }

  /// policyDigest' = H(policyDigest ‖ command code ‖ data).
  @inline(never)
  func extend(_ session: Session, _ code: UInt32, _ data: [UInt8]) {
    var hasher = Hasher(session.hash)
    hasher.update(session.policyDigest.span)
    hasher.update(big: code)
    hasher.update(data.span)
    session.policyDigest = hasher.finalize()
  }

  /// The two steps of PolicySigned, PolicySecret and PolicyAuthorize (Part 3 §23.2.3).
  @inline(never)
  func update(_ session: Session, _ code: UInt32, name: Name, reference: Digest) {
    extend(session, code, Array(name))
    var hasher = Hasher(session.hash)
    hasher.update(session.policyDigest.span)
    hasher.update(reference.span)
    session.policyDigest = hasher.finalize()
  }

  @inline(never)
  mutating func policyRestart(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    let session = try policySession(c)
    session.resetPolicy(at: time, epoch: volatile.timeEpoch)
    set(c.handles[0], session)
  }

  @inline(never)
  mutating func policyGetDigest(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    out.sized(try policySession(c).policyDigest)
  }

  @inline(never)
  mutating func policyAuthValue(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    let session = try policySession(c)
    extend(session, 0x16B, [])
    session.needsAuthValue = true
    session.needsPassword = false
    set(c.handles[0], session)
  }

  @inline(never)
  mutating func policyPassword(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    let session = try policySession(c)
    extend(session, 0x16B, [])
    session.needsAuthValue = false
    session.needsPassword = true
    set(c.handles[0], session)
  }

  @inline(never)
  mutating func policyPhysicalPresence(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    let session = try policySession(c)
    extend(session, c.info.code, [])
    session.needsPhysicalPresence = true
    set(c.handles[0], session)
  }

  @inline(never)
  mutating func policyCommandCode(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let code = try r.u32()
    guard CommandTable.info(code) != nil else { throw .parameter(.policyCC, 1) }
    try r.finish()
    let session = try policySession(c)
    if session.commandCode != 0 && session.commandCode != code { throw .parameter(.value, 1) }
    var data = Writer()
    data.u32(code)
    extend(session, c.info.code, data.bytes)
    session.commandCode = code
    set(c.handles[0], session)
  }

  @inline(never)
  mutating func policyLocality(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let locality = try r.u8()
    try r.finish()
    guard locality != 0 else { throw .parameter(.range, 1) }
    let session = try policySession(c)
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
    extend(session, c.info.code, [locality])
    session.locality = combined
    set(c.handles[0], session)
  }

  @inline(never)
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
    let session = try policySession(c)
    if session.kind == .policy {
      var isListed = false
      for digest in digests where digest.matches(session.policyDigest.span) { isListed = true }
      guard isListed else { throw .parameter(.value, 1) }
    }
    session.policyDigest = Digest(zeros: session.hash.digestSize)
    var data: [UInt8] = []
    for digest in digests { data += Array(digest) }
    extend(session, c.info.code, data)
    set(c.handles[0], session)
  }

  @inline(never)
  mutating func policyPCR(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let given: Digest = try r.sized()
    r.next()
    let selection = try r.pcrSelection()
    try r.finish()
    let session = try policySession(c)
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
    extend(session, c.info.code, data.bytes)
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
    let session = try policySession(c)
    if digest.count != session.hash.digestSize { throw .parameter(.size, 1) }
    if session.boundHashKind != .none {
      guard session.boundHashKind == kind, session.boundHash.matches(digest.span) else {
        throw .code(.cpHash)
      }
    }
    extend(session, c.info.code, Array(digest))
    session.boundHashKind = kind
    session.boundHash = digest
    set(c.handles[0], session)
  }

  @inline(never)
  mutating func policyCpHash(_ r: inout Reader, _ c: Context) throws(Stop) { try policyHash(&r, c, .cpHash) }
  @inline(never)
  mutating func policyNameHash(_ r: inout Reader, _ c: Context) throws(Stop) {
    try policyHash(&r, c, .nameHash)
  }
  @inline(never)
  mutating func policyTemplate(_ r: inout Reader, _ c: Context) throws(Stop) {
    try policyHash(&r, c, .templateHash)
  }

  @inline(never)
  mutating func policyNvWritten(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let state = try r.yesNo()
    try r.finish()
    let session = try policySession(c)
    if session.checksNVWritten && session.nvWrittenState != state { throw .parameter(.value, 1) }
    extend(session, c.info.code, [state ? 1 : 0])
    session.checksNVWritten = true
    session.nvWrittenState = state
    set(c.handles[0], session)
  }

  @inline(never)
  mutating func policyDuplicationSelect(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let objectName: Name = try r.sized()
    r.next()
    let parentName: Name = try r.sized()
    r.next()
    let includes = try r.yesNo()
    try r.finish()
    let session = try policySession(c)
    guard session.boundHashKind == .none else { throw .code(.cpHash) }
    guard session.commandCode == 0 || session.commandCode == 0x14B else { throw .code(.commandCode) }
    var data = Writer()
    if includes { data.raw(objectName) }
    data.raw(parentName)
    data.yesNo(includes)
    extend(session, c.info.code, data.bytes)
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

  @inline(never)
  private func operand(_ r: inout Reader, _ operand: inout Digest) throws(Stop) -> (UInt16, UInt16) {
    r.next()
    operand = try r.sized()
    r.next()
    let offset = try r.u16()
    r.next()
    let operation = try r.u16()
    guard operation < 12 else { throw r.error(.value) }
    try r.finish()
    return (offset, operation)
  }

  @inline(never)
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

  @inline(never)
  mutating func policyNV(_ r: inout Reader, _ c: Context) throws(Stop) {
    var operand = Digest()
    let (offset, operation) = try self.operand(&r, &operand)
    let session = try policySession(c, 2)
    let index = try nvIndex(c.handles[1], 2)
    if session.kind == .policy {
      try checkNVRead(c.handles[0], c.handles[1])
      try check(persistent.indices[index].data, operand, offset, operation, isNV: true)
    }
    extend(
      session, c.info.code,
      arguments(session.hash, operand, offset, operation) + Array(persistent.indices[index].name))
    set(c.handles[2], session)
  }

  @inline(never)
  mutating func policyCounterTimer(_ r: inout Reader, _ c: Context) throws(Stop) {
    var operand = Digest()
    let (offset, operation) = try self.operand(&r, &operand)
    let session = try policySession(c)
    if session.kind == .policy {
      var info = Writer()
      writeTimeInfo(&info)
      try check(info.bytes, operand, offset, operation, isNV: false)
    }
    extend(session, c.info.code, arguments(session.hash, operand, offset, operation))
    set(c.handles[0], session)
  }

  @inline(never)
  mutating func policyAuthorizeNV(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    let session = try policySession(c, 2)
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
    extend(session, c.info.code, Array(persistent.indices[index].name))
    set(c.handles[2], session)
  }
}
