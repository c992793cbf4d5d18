// Volatile: what a TPM loses with power, some of it saved by Shutdown(STATE).
import Crypto

/// The PCR banks (Part 1 §17).
struct PCRBanks {
  /// 24 values for each of the four banks.
  var values: [Digest]
  var counter: UInt32 = 0

  @inline(never)
  init() {
    values = []
    values.reserveCapacity(4 * Limits.pcrCount)
    for bank in 0..<4 {
      for pcr in 0..<Limits.pcrCount { values.append(Self.start(HashAlgorithm.banks[bank], pcr)) }
    }
  }

  /// 17 to 22 start with all ones (PC Client PTP §4.6.2).
  static func start(_ hash: HashAlgorithm, _ pcr: Int) -> Digest {
    var value = Digest(zeros: hash.digestSize)
    if pcr >= 17 && pcr <= 22 { for index in 0..<value.count { value[index] = 0xFF } }
    return value
  }

  func value(_ bank: Int, _ pcr: Int) -> Digest { values[bank &* Limits.pcrCount &+ pcr] }

  mutating func set(_ bank: Int, _ pcr: Int, _ value: Digest) {
    values[bank &* Limits.pcrCount &+ pcr] = value
  }

  mutating func extend(_ bank: Int, _ pcr: Int, _ digest: Digest) {
    let hash = HashAlgorithm.banks[bank]
    var hasher = Hasher(hash)
    hasher.update(value(bank, pcr).span)
    hasher.update(digest.span)
    set(bank, pcr, hasher.finalize())
  }

  /// PCRs that TPM2_PCR_SetAuthValue and SetAuthPolicy can protect: the dynamic OS's, as in the reference code.
  static func isProtected(_ pcr: Int) -> Bool { pcr >= 20 && pcr <= 22 }
  /// Saved by Shutdown(STATE): 0 to 15.
  static func isSaved(_ pcr: Int) -> Bool { pcr < 16 }
  /// Changes that the update counter does not count.
  static func isUncounted(_ pcr: Int) -> Bool { pcr == 16 || (pcr >= 21 && pcr <= 23) }

  /// TPMA_LOCALITY bits that may extend.
  static func extendLocalities(_ pcr: Int) -> UInt8 {
    switch pcr {
    case 17, 18: 0b11100
    case 19: 0b01100
    case 20: 0b01110
    case 21, 22: 0b00100
    default: 0b11111
    }
  }

  /// TPMA_LOCALITY bits that may reset.
  static func resetLocalities(_ pcr: Int) -> UInt8 {
    switch pcr {
    case 16, 23: 0b01111
    case 17, 18, 19: 0b10000
    case 20, 21, 22: 0b10100
    default: 0
    }
  }
}

/// Everything that a power cut destroys.
///
/// On the heap, as `Persistent` is: the engine that holds both is then small enough for a stack frame.
final class Volatile {
  var isStarted = false
  var isFailed = false
  var null = Hierarchy()
  var isPlatformNVEnabled = true
  var restartCount: UInt32 = 0
  var clearCount: UInt32 = 0
  var pcrs = PCRBanks()
  var slots: [Slot]
  var sessions: [SessionSlot]
  /// The next object context's number.
  var objectContext: UInt64 = 0
  /// The next session context's number.
  var sessionContext: UInt64 = 0
  var exclusiveAudit: UInt32 = 0
  var auditDigest = Digest()
  /// What TPM2_PCR_SetAuthValue set for the PCRs of its group.
  var pcrAuth = Digest()
  var commitments = Commitments()
  var timeEpoch: UInt32 = 0
  /// Time counted for dictionary-attack recovery, in milliseconds of TPM time.
  var lastHeal: UInt64 = 0
  var lockoutFailedAt: UInt64 = 0
  var hcrtm: Hasher?

  @inline(never)
  init() {
    slots = []
    for _ in 0..<Limits.transientObjects { slots.append(.empty) }
    sessions = []
    for _ in 0..<Limits.activeSessions { sessions.append(.free) }
  }

  var loadedSessions: Int {
    sessions.reduce(0) { if case .loaded = $1 { $0 &+ 1 } else { $0 } }
  }

  var activeSessions: Int {
    sessions.reduce(0) { if case .free = $1 { $0 } else { $0 &+ 1 } }
  }

  /// What Shutdown(STATE) keeps for a Restart or Resume.
  @inline(never)
  func writeSaved(_ out: inout Writer) {
    null.write(&out)
    out.yesNo(isPlatformNVEnabled)
    out.u32(restartCount)
    out.u32(clearCount)
    for bank in 0..<4 {
      for pcr in 0..<Limits.pcrCount { out.sized(pcrs.value(bank, pcr)) }
    }
    out.u32(pcrs.counter)
    out.u64(objectContext)
    out.u64(sessionContext)
    for session in sessions {
      if case .saved(let number) = session { out.u64(number &+ 1) } else { out.u64(0) }
    }
    out.sized(auditDigest)
    out.sized(pcrAuth)
    out.sized(commitments.secret)
    out.u64(commitments.counter)
    for word in 0..<2 { out.u64(commitments.bits[word]) }
    out.u32(timeEpoch)
  }

  @inline(never)
  func readSaved(_ reader: inout Reader) throws(Stop) {
    null = try Hierarchy(&reader)
    isPlatformNVEnabled = try reader.yesNo()
    restartCount = try reader.u32()
    clearCount = try reader.u32()
    for bank in 0..<4 {
      for pcr in 0..<Limits.pcrCount {
        let value: Digest = try reader.sized()
        guard value.count == HashAlgorithm.banks[bank].digestSize else { throw reader.error(.integrity) }
        pcrs.set(bank, pcr, value)
      }
    }
    pcrs.counter = try reader.u32()
    objectContext = try reader.u64()
    sessionContext = try reader.u64()
    for slot in 0..<Limits.activeSessions {
      let number = try reader.u64()
      sessions[slot] = number == 0 ? .free : .saved(number &- 1)
    }
    auditDigest = try reader.sized()
    pcrAuth = try reader.sized()
    commitments.secret = try reader.sized()
    commitments.counter = try reader.u64()
    for word in 0..<2 { commitments.bits[word] = try reader.u64() }
    timeEpoch = try reader.u32()
  }
}
