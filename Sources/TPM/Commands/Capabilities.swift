// Capabilities: TPM2_GetCapability and the property tables (Part 3 §30, Part 2 §6.12 ff).
import Crypto

enum Capabilities {
  static let algorithms: InlineArray<29, UInt16> = [
    0x01, 0x04, 0x05, 0x06, 0x07, 0x08, 0x0A, 0x0B, 0x0C, 0x0D, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A,
    0x20, 0x21, 0x22, 0x23, 0x25, 0x40, 0x41, 0x42, 0x43, 0x44, 0, 0,
  ]

  /// TPMA_ALGORITHM of an implemented algorithm.
  static func attributes(ofAlgorithm id: UInt16) -> UInt32? {
    switch id {
    case Algorithm.rsa, Algorithm.ecc: 0x09
    case Algorithm.sha1, Algorithm.sha256, Algorithm.sha384, Algorithm.sha512: 0x04
    case Algorithm.hmac: 0x104
    case Algorithm.aes: 0x02
    case Algorithm.mgf1: 0x404
    case Algorithm.keyedHash: 0x30C
    case Algorithm.xor: 0x06
    case Algorithm.rsassa, Algorithm.rsapss, Algorithm.ecdsa: 0x101
    case Algorithm.ecdaa: 0x101
    case Algorithm.rsaes, Algorithm.oaep: 0x201
    case Algorithm.ecdh: 0x401
    case Algorithm.kdf1SP80056A, Algorithm.kdf2, Algorithm.kdf1SP800108: 0x404
    case Algorithm.symCipher: 0x0A
    case Algorithm.ctr, Algorithm.ofb, Algorithm.cbc, Algorithm.cfb, Algorithm.ecb: 0x202
    default: nil
    }
  }
}

extension TPMEngine {
  /// Items go in while they fit and fewer than asked for; the rest is "more data".
  private struct List {
    var writer = Writer()
    var count = 0
    var hasMore = false
    let wanted: Int
    let capacity: Int

    /// Whether another item may be written.
    mutating func takes() -> Bool {
      guard count < wanted, count < capacity else {
        hasMore = true
        return false
      }
      count &+= 1
      return true
    }
  }

  @inline(never)
  mutating func getCapability(_ r: inout Reader) throws(Stop) {
    r.next()
    let capability = try r.u32()
    guard capability <= 9 || capability == 0x100 else { throw r.error(.value) }
    r.next()
    let property = try r.u32()
    r.next()
    let count = Int(try r.u32() & 0xFFFF)
    try r.finish()
    var list: List
    switch capability {
    case 0:
      list = List(wanted: count, capacity: 169)
      for index in 0..<29 {
        let id = Capabilities.algorithms[index]
        guard UInt32(id) >= property, let attributes = Capabilities.attributes(ofAlgorithm: id) else {
          continue
        }
        if list.takes() {
          list.writer.u16(id)
          list.writer.u32(attributes)
        }
      }
    case 1: list = try handleList(property, count)
    case 2:
      list = List(wanted: count, capacity: 254)
      for code in CommandTable.first...CommandTable.last where code >= property {
        if let info = CommandTable.info(code), list.takes() { list.writer.u32(info.attributes) }
      }
    case 3: list = codeList(persistent.ppCommands, property, count)
    case 4:
      var codes = persistent.auditCommands.filter { $0 < 0x140 }
      codes.append(0x140)
      codes += persistent.auditCommands.filter { $0 > 0x140 }
      list = codeList(codes, property, count)
    case 5:
      guard property == 0 else { throw .parameter(.value, 2) }
      list = List(wanted: max(count, 4), capacity: 4)
      for bank in 0..<4 where list.takes() {
        let isActive = isActive(HashAlgorithm.banks[bank])
        list.writer.hash(HashAlgorithm.banks[bank])
        list.writer.u8(3)
        for _ in 0..<3 { list.writer.u8(isActive ? 0xFF : 0) }
      }
    case 6:
      list = List(wanted: count, capacity: 127)
      for tag in UInt32(0x100)...0x214 where tag >= property {
        if let value = self.property(tag), list.takes() {
          list.writer.u32(tag)
          list.writer.u32(value)
        }
      }
    case 7:
      list = List(wanted: count, capacity: 32)
      for tag in UInt32(0)...0x14 where tag >= property {
        if let bits = Self.pcrProperty(tag), list.takes() {
          list.writer.u32(tag)
          list.writer.u8(3)
          for byte in 0..<3 { list.writer.u8(UInt8(truncatingIfNeeded: bits &>> UInt32(8 &* byte))) }
        }
      }
    case 8:
      list = List(wanted: count, capacity: 508)
      for id in UInt16(3)...4 where UInt32(id) >= property && list.takes() { list.writer.u16(id) }
    case 9:
      list = List(wanted: count, capacity: 14)
      for handle in [Handle.owner, Handle.lockout, Handle.endorsement, Handle.platform]
      where handle >= property {
        var digest = Digest()
        let hash = policy(handle, into: &digest)
        if let hash, list.takes() {
          list.writer.u32(handle)
          list.writer.hash(hash)
          list.writer.raw(digest)
        }
      }
    default: throw .parameter(.value, 1)
    }
    out.yesNo(list.hasMore)
    out.u32(capability)
    out.count32(list.count)
    out.raw(list.writer.bytes)
  }

  private func codeList(_ codes: [UInt32], _ property: UInt32, _ count: Int) -> List {
    var list = List(wanted: count, capacity: 254)
    for code in codes where code >= property {
      if list.takes() { list.writer.u32(code) }
    }
    return list
  }

  private func handleList(_ property: UInt32, _ count: Int) throws(Stop) -> List {
    var handles: [UInt32] = []
    switch Handle.type(property) {
    case 0x00: for pcr in 0..<UInt32(Limits.pcrCount) { handles.append(pcr) }
    case 0x01: handles = persistent.indices.map { $0.handle }
    case 0x02:
      for index in 0..<volatile.sessions.count {
        if case .loaded(let loaded) = volatile.sessions[index] {
          // The property's type selects loaded sessions of both kinds (Part 2 §6.12).
          handles.append((loaded.kind == .hmac ? Handle.hmacSession : Handle.policySession) | UInt32(index))
        }
      }
    case 0x03:
      for index in 0..<volatile.sessions.count {
        if case .saved = volatile.sessions[index] { handles.append(Handle.hmacSession | UInt32(index)) }
      }
    case 0x40:
      handles = [
        Handle.owner, Handle.null, Handle.password, Handle.lockout, Handle.endorsement, Handle.platform,
        Handle.platformNV,
      ]
    case 0x80:
      for index in 0..<volatile.slots.count where !volatile.slots[index].isEmpty {
        handles.append(Handle.transient | UInt32(index))
      }
    case 0x81: handles = persistent.objects.map { $0.handle }
    default: throw .parameter(.handle, 2)
    }
    handles.sort()
    let isSessionList = Handle.type(property) == 0x02 || Handle.type(property) == 0x03
    var list = List(wanted: count, capacity: 254)
    for handle in handles where isSessionList ? handle & 0xFFFFFF >= property & 0xFFFFFF : handle >= property
    {
      if list.takes() { list.writer.u32(handle) }
    }
    return list
  }

  private static func pcrProperty(_ tag: UInt32) -> UInt32? {
    func mask(_ test: (Int) -> Bool) -> UInt32 {
      var bits: UInt32 = 0
      for pcr in 0..<Limits.pcrCount where test(pcr) { bits |= 1 &<< UInt32(pcr) }
      return bits
    }
    switch tag {
    case 0: return mask(PCRBanks.isSaved)
    case 1, 3, 5, 7, 9:
      let locality = UInt8(tag / 2)
      return mask { PCRBanks.extendLocalities($0) &>> locality & 1 == 1 }
    case 2, 4, 6, 8, 0xA:
      let locality = UInt8(tag / 2 &- 1)
      return mask { PCRBanks.resetLocalities($0) &>> locality & 1 == 1 }
    case 0x11: return mask(PCRBanks.isUncounted)
    case 0x12: return mask { $0 >= 17 && $0 <= 22 }
    case 0x13, 0x14: return mask(PCRBanks.isProtected)
    default: return nil
    }
  }

  /// The value of a TPM_PT (Part 2 §6.13); nil for one that is not reported.
  func property(_ tag: UInt32) -> UInt32? {
    switch tag {
    case 0x100: 0x322E_3000
    case 0x101: 0
    case 0x102: 159
    case 0x103: 0x138
    case 0x104: 0x7E3
    case 0x105: 0x4150_5553
    case 0x106: 0x4170_7573
    case 0x107: 0x2076_5450
    case 0x108: 0x4D00_0000
    case 0x109: 0
    case 0x10A: 1
    case 0x10B: 1
    case 0x10C: 0
    case 0x10D: UInt32(Limits.inputBuffer)
    case 0x10E: UInt32(Limits.transientObjects)
    case 0x10F: UInt32(Limits.persistentObjects)
    case 0x110: UInt32(Limits.loadedSessions)
    case 0x111: UInt32(Limits.activeSessions)
    case 0x112: UInt32(Limits.pcrCount)
    case 0x113: 3
    case 0x114: UInt32(Limits.contextGap)
    case 0x116: 0
    case 0x117: UInt32(Limits.nvIndexSize)
    case 0x118: 6
    case 0x119: 4096
    case 0x11A: UInt32(Algorithm.sha256)
    case 0x11B: UInt32(Algorithm.aes)
    case 0x11C: 256
    case 0x11D: 255
    case 0x11E: UInt32(Limits.commandSize)
    case 0x11F: UInt32(Limits.responseSize)
    case 0x120: 64
    case 0x121: 1800
    case 0x122: 600
    case 0x123: 1
    case 0x124: 0
    case 0x125: 0x105
    case 0x126, 0x127: 0
    case 0x128: 0
    case 0x129, 0x12A: UInt32(truncatingIfNeeded: CommandTable.count)
    case 0x12B: 0
    case 0x12C: UInt32(Limits.nvBuffer)
    case 0x12D: 0
    case 0x12E: 1024
    case 0x200: permanentAttributes
    case 0x201: startupAttributes
    case 0x202: UInt32(truncatingIfNeeded: persistent.indices.count)
    case 0x203: UInt32(truncatingIfNeeded: volatile.loadedSessions)
    case 0x204: UInt32(truncatingIfNeeded: Limits.loadedSessions &- volatile.loadedSessions)
    case 0x205: UInt32(truncatingIfNeeded: volatile.activeSessions)
    case 0x206: UInt32(truncatingIfNeeded: Limits.activeSessions &- volatile.activeSessions)
    case 0x207: UInt32(truncatingIfNeeded: volatile.slots.reduce(0) { $0 &+ ($1.isEmpty ? 1 : 0) })
    case 0x208: UInt32(truncatingIfNeeded: persistent.objects.count)
    case 0x209: UInt32(truncatingIfNeeded: Limits.persistentObjects &- persistent.objects.count)
    case 0x20A:
      UInt32(
        truncatingIfNeeded: persistent.indices.reduce(0) { $0 &+ ($1.type == NVAttribute.counter ? 1 : 0) })
    case 0x20B: UInt32(truncatingIfNeeded: Limits.nvIndices &- persistent.indices.count)
    case 0x20C: persistent.algorithmSet
    case 0x20D: 2
    case 0x20E: persistent.failedTries
    case 0x20F: persistent.maxTries
    case 0x210: persistent.recoveryTime
    case 0x211: persistent.lockoutRecovery
    case 0x212: 0
    case 0x213: UInt32(truncatingIfNeeded: persistent.auditCounter &>> 32)
    case 0x214: UInt32(truncatingIfNeeded: persistent.auditCounter)
    default: nil
    }
  }

  private var permanentAttributes: UInt32 {
    (persistent.owner.auth.isEmpty ? 0 : 1) | (persistent.endorsement.auth.isEmpty ? 0 : 2)
      | (persistent.lockoutAuth.isEmpty ? 0 : 4) | (persistent.disableClear ? 1 &<< 8 : 0)
      | (isLockedOut ? 1 &<< 9 : 0) | 1 &<< 10
  }

  private var startupAttributes: UInt32 {
    (persistent.platform.isEnabled ? 1 : 0) | (persistent.owner.isEnabled ? 2 : 0)
      | (persistent.endorsement.isEnabled ? 4 : 0) | (volatile.isPlatformNVEnabled ? 8 : 0)
      | (persistent.orderly <= 1 ? 1 &<< 31 : 0)
  }
}
