// VolatileBlob: what a power cut would destroy as a versioned, bounded and authenticated byte string.
import Crypto

extension TPMEngine {
  /// Marks such a blob ("APUSVOL" and a zero).
  private static var volatileMagic: UInt64 { 0x4150_5553_564F_4C00 }
  private static var volatileVersion: UInt16 { 1 }

  /// PCRs, sessions, objects and sequences of a running TPM, for a move to another machine.
  ///
  /// Header, state, HMAC-SHA256 under `key`. It belongs to the `stateBlob` of the same moment and is no good
  /// with another. The caller encrypts it if it leaves trusted memory. A command under way is no part of it.
  public func volatileBlob(key: borrowing Span<UInt8>) -> [UInt8] {
    var out = Writer()
    out.u64(Self.volatileMagic)
    out.u16(Self.volatileVersion)
    out.u32(0)
    out.u64(persistent.generation)
    out.u64(time)
    out.u64(clockBase)
    volatile.writeRunning(&out)
    out.patch32(10, UInt32(truncatingIfNeeded: out.count))
    let mac = HMAC.code(.sha256, key: key, out.bytes.span)
    out.raw(mac)
    return out.bytes
  }

  /// Goes on where a blob's TPM stood; false, and nothing has changed, if it is refused.
  ///
  /// Refused is what is not whole, not of this version, not authentic, not of this persistent state, or holds
  /// a value that this engine can't have written. `milliseconds` is the caller's steady clock now.
  public mutating func restoreVolatile(
    _ blob: [UInt8], key: borrowing Span<UInt8>, milliseconds: UInt64
  ) -> Bool {
    guard blob.count >= 14 + 32, blob.count <= 1 &<< 20 else { return false }
    let end = blob.count &- 32
    let mac = HMAC.code(.sha256, key: key, blob.span.extracting(0..<end))
    guard mac.matches(blob.span.extracting(end..<blob.count)) else { return false }
    var reader = Reader(blob, from: 0, to: end)
    let restored = Volatile()
    do throws(Stop) {
      guard try reader.u64() == Self.volatileMagic, try reader.u16() == Self.volatileVersion,
        try reader.u32() == UInt32(end), try reader.u64() == persistent.generation
      else { return false }
      let (time, base) = (try reader.u64(), try reader.u64())
      try restored.readRunning(&reader)
      try reader.expectEnd()
      abort()
      wipeVolatile()
      self.time = time
      clockBase = base
      powerOnTime = milliseconds &- min(milliseconds, time)
    } catch {
      return false
    }
    volatile = restored
    return true
  }
}

extension Volatile {
  /// All of it, unlike `writeSaved`.
  @inline(never)
  func writeRunning(_ out: inout Writer) {
    out.yesNo(isStarted)
    out.yesNo(isFailed)
    writeSaved(&out)
    out.u32(exclusiveAudit)
    out.u64(lastHeal)
    out.u64(lockoutFailedAt)
    out.yesNo(hcrtm != nil)
    if let hcrtm {
      let saved = hcrtm.save()
      out.raw(saved.span)
    }
    for slot in slots {
      switch slot {
      case .empty: out.u8(0)
      case .object(let object):
        out.u8(1)
        object.write(&out)
      case .sequence(let running):
        out.u8(2)
        running.sequence.write(&out)
      }
    }
    for session in sessions {
      if case .loaded(let loaded) = session {
        out.u8(1)
        loaded.write(&out)
      } else {
        out.u8(0)
      }
    }
  }

  @inline(never)
  func readRunning(_ reader: inout Reader) throws(Stop) {
    isStarted = try reader.yesNo()
    isFailed = try reader.yesNo()
    try readSaved(&reader)
    exclusiveAudit = try reader.u32()
    lastHeal = try reader.u64()
    lockoutFailedAt = try reader.u64()
    if try reader.yesNo() { hcrtm = Hasher(.sha256, saved: try reader.array()) }
    for index in 0..<slots.count {
      switch try reader.u8() {
      case 0: break
      case 1: slots[index] = .object(try TPMObject(&reader))
      case 2: slots[index] = .sequence(RunningSequence(try Sequence(&reader)))
      default: throw reader.error(.integrity)
      }
    }
    for index in 0..<sessions.count {
      guard try reader.yesNo() else { continue }
      guard case .free = sessions[index], loadedSessions < Limits.loadedSessions else {
        throw reader.error(.integrity)
      }
      sessions[index] = .loaded(try Session(&reader))
    }
  }
}
