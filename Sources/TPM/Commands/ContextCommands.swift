// ContextCommands: saving, loading and flushing objects and sessions (Part 3 §28).
import Crypto

extension TPMEngine {
  @inline(never)
  mutating func flushContext(_ r: inout Reader) throws(Stop) {
    r.next()
    let handle = try r.u32()
    try r.finish()
    if let slot = slotIndex(handle) {
      guard !volatile.slots[slot].isEmpty else { throw .parameter(.handle, 1) }
      clear(slot: slot)
      return
    }
    guard Handle.isSession(handle) else { throw .parameter(.value, 1) }
    let index = Int(handle & 0xFFFFFF)
    guard index < volatile.sessions.count else { throw .parameter(.handle, 1) }
    switch volatile.sessions[index] {
    case .free: throw .parameter(.handle, 1)
    case .loaded, .saved: flush(session: handle)
    }
  }

  /// Key and first counter of a context, never the same twice: the sequence number goes in.
  private func contextKey(_ hierarchy: UInt32, _ sequence: UInt64, _ handle: UInt32) -> Digest {
    var first = Writer()
    first.u64(sequence)
    var second = Writer()
    second.u32(handle)
    return KDF.a(
      .sha256, key: proof(hierarchy).span, label: "CONTEXT", first.bytes.span, second.bytes.span, bits: 384)
  }

  private func contextIntegrity(
    _ hierarchy: UInt32, _ sequence: UInt64, _ handle: UInt32, _ body: [UInt8]
  ) -> Digest {
    var mac = HMAC(.sha256, key: proof(hierarchy).span)
    mac.update(big: persistent.totalResetCount)
    if handle == 0x8000_0002 { mac.update(big: volatile.clearCount) }
    mac.update(big: sequence)
    mac.update(big: handle)
    mac.update(body.span)
    return mac.finalize()
  }

  private func cryptContext(_ key: Digest, encrypting: Bool, _ data: inout [UInt8]) {
    guard var cipher = AES(key: key.span.extracting(0..<32)) else { return }
    var iv = InlineArray<16, UInt8>(repeating: 0)
    for index in 0..<16 { iv[index] = key[32 &+ index] }
    var span = data.mutableSpan
    _ = cipher.apply(.ctr, encrypting: encrypting, iv: &iv, &span)
    cipher.wipe()
  }

  @inline(never)
  mutating func contextSave(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    let handle = c.handles[0]
    var body = Writer()
    var hierarchy = Handle.null
    var savedHandle = handle
    let sequence: UInt64
    if let slot = slotIndex(handle) {
      sequence = volatile.objectContext &+ 1
      body.u64(sequence)
      switch volatile.slots[slot] {
      case .empty: throw .code(.referenceHandle(1))
      case .object(let object):
        hierarchy = object.hierarchy
        savedHandle = object.area.has(ObjectAttribute.stClear) ? 0x8000_0002 : 0x8000_0000
        object.write(&body)
      case .sequence(let running):
        savedHandle = 0x8000_0001
        running.sequence.write(&body)
      }
    } else {
      guard let session = session(handle) else { throw .code(.referenceHandle(1)) }
      sequence = volatile.sessionContext &+ 1
      // The oldest saved session must not be a full gap behind (Part 1 §30.5).
      for slot in volatile.sessions {
        if case .saved(let number) = slot, sequence &- number >= Limits.contextGap {
          throw .code(.contextGap)
        }
      }
      body.u64(sequence)
      session.write(&body)
    }
    let encrypted = recall()
    guard let data = encrypted?.bytes else {
      var data = body.bytes
      body.wipe()
      cryptContext(contextKey(hierarchy, sequence, savedHandle), encrypting: true, &data)
      throw remember(bytes: data)
    }
    body.wipe()
    if Handle.isSession(handle) {
      volatile.sessionContext = sequence
      flush(session: handle)
      volatile.sessions[Int(handle & 0xFFFFFF)] = .saved(sequence)
    } else {
      volatile.objectContext = sequence
    }
    cancelOrderly()
    out.u64(sequence)
    out.u32(savedHandle)
    out.u32(hierarchy)
    let mark = out.open()
    out.sized(contextIntegrity(hierarchy, sequence, savedHandle, data))
    out.raw(data)
    out.close(mark)
  }

  @inline(never)
  mutating func contextLoad(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let sequence = try r.u64()
    let savedHandle = try r.u32()
    let hierarchy = try r.u32()
    guard Self.isHierarchy(hierarchy) else { throw r.error(.value) }
    let blob = try r.sizedArray(limit: 3800)
    try r.finish()
    guard Handle.isSession(savedHandle) || (savedHandle >= 0x8000_0000 && savedHandle <= 0x8000_0002) else {
      throw .parameter(.value, 1)
    }
    var reader = Reader(blob, from: 0, to: blob.count)
    let integrity: Digest
    do throws(Stop) { integrity = try reader.sized() } catch { throw .parameter(.integrity, 1) }
    var data = Array(blob[reader.offset...])
    if recall() == nil {
      guard contextIntegrity(hierarchy, sequence, savedHandle, data).matches(integrity.span) else {
        throw .parameter(.integrity, 1)
      }
      throw remember()
    }
    guard isEnabled(hierarchy) else { throw .parameter(.hierarchy, 1) }
    cryptContext(contextKey(hierarchy, sequence, savedHandle), encrypting: false, &data)
    defer { data.wipe() }
    var body = Reader(data, from: 0, to: data.count)
    if Handle.isSession(savedHandle) {
      let index = Int(savedHandle & 0xFFFFFF)
      guard index < volatile.sessions.count, case .saved(let number) = volatile.sessions[index],
        number == sequence
      else { throw .parameter(.handle, 1) }
      guard volatile.loadedSessions < Limits.loadedSessions else { throw .code(.sessionMemory) }
      let session: Session
      do throws(Stop) {
        guard try body.u64() == sequence else { throw .code(.integrity) }
        session = try Session(&body)
      } catch { throw .parameter(.integrity, 1) }
      volatile.sessions[index] = .loaded(session)
      c.responseHandle = savedHandle
      return
    }
    try requireSlot()
    let slot: Slot
    do throws(Stop) {
      guard try body.u64() == sequence else { throw .code(.integrity) }
      slot =
        savedHandle == 0x8000_0001
        ? .sequence(RunningSequence(try Sequence(&body))) : .object(try TPMObject(&body))
    } catch { throw .parameter(.integrity, 1) }
    c.responseHandle = try place(slot)
  }
}
