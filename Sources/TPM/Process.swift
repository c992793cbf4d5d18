// Process: the order of checks of a command, from its header to its answer (Part 1 §18, Part 3 §5).
import Crypto

extension TPMEngine {
  mutating func process() throws(Stop) {
    if let answer = job.answer {
      try complete(answer)
      return
    }
    if job.isEndorsementKey { return try makeEndorsementKey() }
    var reader = Reader(job.command, from: 0, to: job.command.count)
    guard job.command.count >= 10 else { throw .code(.commandSize) }
    let tag = try reader.u16()
    let size = try reader.u32()
    let code = try reader.u32()
    if volatile.isFailed && code != 0x17A && code != 0x17C { throw .code(.failure) }
    guard tag == 0x8001 || tag == 0x8002 else { throw .code(.badTag) }
    guard Int(size) == job.command.count, job.command.count <= Limits.commandSize else {
      throw .code(.commandSize)
    }
    guard let info = CommandTable.info(code) else { throw .code(.commandCode) }
    if !volatile.isFailed {
      if volatile.isStarted == (code == 0x144) { throw .code(.initialize) }
    }
    let context = Context(info: info)
    try readHandles(&reader, context)
    context.parameters = reader.offset
    if tag == 0x8002 {
      let authSize = Int(try reader.u32())
      guard authSize >= 9, authSize <= reader.remaining else { throw .code(.authSize) }
      let end = reader.offset &+ authSize
      if info.flags.contains(.noSessions) { throw .code(.authContext) }
      var area = Reader(job.command, from: reader.offset, to: end)
      context.parameters = end
      try readSessions(&area, context)
      try authorize(context)
    } else {
      for index in 0..<info.handleCount where info.roles[index] != .none { throw .code(.authMissing) }
    }
    var bytes = job.command
    if let session = context.decryptSession {
      if let memo = recall() {
        bytes = memo.bytes
      } else {
        try decrypt(&bytes, context, session)
        throw remember(bytes: bytes, forgets: true)
      }
    }
    var parameters = Reader(bytes, from: context.parameters, to: bytes.count)
    out.wipe()
    out.u16(tag)
    out.u32(0)
    out.u32(0)
    if info.flags.contains(.responseHandle) { out.u32(0) }
    if tag == 0x8002 { out.u32(0) }
    let start = out.count
    try dispatch(&parameters, context)
    if let handle = context.responseHandle { out.patch32(10, handle) }
    let end = out.count
    bytes.wipe()
    if tag == 0x8002 { out.patch32(start &- 4, UInt32(truncatingIfNeeded: out.count &- start)) }
    let answer = PendingAnswer(context, start, end)
    if context.hasSessions {
      // The command is done. Its codes get a slice to themselves; the generator must not go back for it.
      job.answer = answer
      for index in job.results.indices { job.results[index].wipe() }
      job.results = []
      job.drbg = drbg
      throw .pending
    }
    try complete(answer)
  }

  /// Answers the sessions, audits, and closes the response.
  @inline(never)
  private mutating func complete(_ answer: PendingAnswer) throws(Stop) {
    let context = answer.context
    if context.hasSessions {
      try finishSessions(answer)
    } else {
      endExclusivity(context)
      for _ in 0..<context.sessions.count { answerPassword() }
    }
    auditCommand(context, answer.start..<answer.end)
    if let handle = context.flushes, let slot = slotIndex(handle) { clear(slot: slot) }
    out.patch32(2, UInt32(truncatingIfNeeded: out.count))
  }

  func isSessionCapable(_ info: CommandInfo) -> Bool { !info.flags.contains(.noSessions) }

  @inline(never)
  private mutating func readHandles(_ reader: inout Reader, _ context: Context) throws(Stop) {
    for index in 0..<context.info.handleCount {
      guard reader.remaining >= 4 else { throw .handle(.insufficient, index &+ 1) }
      let handle = try reader.u32()
      guard isAllowed(handle, context.info.handles[index]) else { throw .handle(.value, index &+ 1) }
      context.handles[index] = handle
    }
    for index in 0..<context.info.handleCount {
      try checkPresence(context.handles[index], context.info.handles[index], index &+ 1)
    }
  }

  private func isAllowed(_ handle: UInt32, _ kind: HandleKind) -> Bool {
    switch kind {
    case .object: return Handle.isObject(handle)
    case .objectOrNull: return Handle.isObject(handle) || handle == Handle.null
    case .parent: return Handle.isObject(handle) || Self.isHierarchy(handle)
    case .hierarchy: return Self.isHierarchy(handle)
    case .baseHierarchy:
      return handle == Handle.owner || handle == Handle.endorsement || handle == Handle.platform
    case .clear: return handle == Handle.lockout || handle == Handle.platform
    case .hierarchyAuth, .hierarchyPolicy:
      return handle == Handle.owner || handle == Handle.endorsement || handle == Handle.platform
        || handle == Handle.lockout
    case .lockout: return handle == Handle.lockout
    case .endorsement: return handle == Handle.endorsement
    case .platform: return handle == Handle.platform
    case .provision: return handle == Handle.owner || handle == Handle.platform
    case .nvAuth: return handle == Handle.owner || handle == Handle.platform || Handle.isNV(handle)
    case .nvIndex: return Handle.isNV(handle)
    case .pcr: return Handle.isPCR(handle)
    case .pcrOrNull: return Handle.isPCR(handle) || handle == Handle.null
    case .entity, .entityOrNull:
      return Handle.isObject(handle) || Handle.isNV(handle) || Handle.isPCR(handle)
        || Self.isHierarchy(handle)
        || handle == Handle.lockout
    case .policySession: return Handle.type(handle) == 0x03
    case .hmacSession: return Handle.type(handle) == 0x02
    case .context: return Handle.type(handle) == 0x80 || Handle.isSession(handle)
    }
  }

  static func isHierarchy(_ handle: UInt32) -> Bool {
    handle == Handle.owner || handle == Handle.endorsement || handle == Handle.platform
      || handle == Handle.null
  }

  private func checkPresence(_ handle: UInt32, _ kind: HandleKind, _ number: Int) throws(Stop) {
    switch Handle.type(handle) {
    case 0x80:
      guard let slot = slotIndex(handle) else { throw .code(.referenceHandle(number)) }
      guard !volatile.slots[slot].isEmpty else { throw .code(.referenceHandle(number)) }
    case 0x81:
      guard let index = persistent.object(handle), isEnabled(persistent.objects[index].object.hierarchy)
      else {
        throw .handle(.handle, number)
      }
    case 0x01:
      guard let index = persistent.index(handle) else { throw .handle(.handle, number) }
      let isPlatform = persistent.indices[index].has(NVAttribute.platformCreate)
      guard isPlatform ? volatile.isPlatformNVEnabled : persistent.owner.isEnabled else {
        throw .handle(.handle, number)
      }
    case 0x02, 0x03:
      guard let session = session(handle) else { throw .code(.referenceHandle(number)) }
      if kind == .hmacSession && session.kind != .hmac { throw .handle(.value, number) }
    case 0x40:
      if Self.isHierarchy(handle) && !isEnabled(handle) { throw .handle(.hierarchy, number) }
    default: break
    }
  }

  func isEnabled(_ hierarchy: UInt32) -> Bool {
    switch hierarchy {
    case Handle.owner: persistent.owner.isEnabled
    case Handle.endorsement: persistent.endorsement.isEnabled
    case Handle.platform: persistent.platform.isEnabled
    default: true
    }
  }

  func slotIndex(_ handle: UInt32) -> Int? {
    guard Handle.type(handle) == 0x80 else { return nil }
    let index = Int(handle & 0xFFFFFF)
    return index < volatile.slots.count ? index : nil
  }

  /// A copy of a loaded session; `set` makes its changes count.
  @inline(never)
  func session(_ handle: UInt32) -> Session? {
    guard Handle.isSession(handle) else { return nil }
    let index = Int(handle & 0xFFFFFF)
    guard index < volatile.sessions.count, case .loaded(let loaded) = volatile.sessions[index] else {
      return nil
    }
    guard (Handle.type(handle) == 0x02) == (loaded.kind == .hmac) else { return nil }
    return Session(copying: loaded)
  }

  @inline(never)
  mutating func set(_ handle: UInt32, _ session: Session) {
    let index = Int(handle & 0xFFFFFF)
    if index < volatile.sessions.count { volatile.sessions[index] = .loaded(session) }
  }

  /// The object of a handle; a sequence is no object.
  @inline(never)
  func object(_ handle: UInt32, _ number: Int) throws(Stop) -> TPMObject {
    if let slot = slotIndex(handle) {
      if case .object(let object) = volatile.slots[slot] { return object }
      throw .handle(.type, number)
    }
    if let index = persistent.object(handle) { return persistent.objects[index].object }
    throw .handle(.handle, number)
  }

  @inline(never)
  func sequence(_ handle: UInt32, _ number: Int) throws(Stop) -> Sequence {
    guard let slot = slotIndex(handle), case .sequence(let running) = volatile.slots[slot] else {
      throw .handle(.mode, number)
    }
    return running.sequence
  }

  /// The name of any entity (Part 1 §16 table 3).
  @inline(never)
  func name(_ handle: UInt32) -> Name {
    switch Handle.type(handle) {
    case 0x80:
      if let slot = slotIndex(handle), case .object(let object) = volatile.slots[slot] { return object.name }
      return Name()
    case 0x81:
      if let index = persistent.object(handle) { return persistent.objects[index].object.name }
      return Name()
    case 0x01:
      if let index = persistent.index(handle) { return persistent.indices[index].name }
      return Name()
    default:
      var name = Name()
      name.append(big: handle)
      return name
    }
  }
}
