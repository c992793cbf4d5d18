// Session: an HMAC, policy or trial session and what policies noted in it.
import Crypto

/// A loaded session (Part 1 §19, §23).
///
/// On the heap, so that no stack frame carries it. `TPMEngine.session` hands out copies: what a command
/// changes counts only once it is set. Whoever drops one leaves no key behind.
final class Session {
  enum Kind: UInt8 {
    case hmac = 0
    case policy = 1
    case trial = 3
  }

  var kind: Kind
  var hash: HashAlgorithm
  var symmetric: SymmetricDefinition
  var nonceTPM: Digest
  var key = Digest()
  /// The bound entity's name ‖ authorization, hashed; empty if the session is not bound.
  var boundEntity = Digest()
  /// The bound entity is subject to dictionary-attack protection.
  var isBoundToDA = false
  var isBoundToLockout = false
  // Audit (HMAC sessions).
  var isAudit = false
  var auditDigest = Digest()
  // Policy.
  var policyDigest = Digest()
  var startTime: UInt64 = 0
  var timeEpoch: UInt32 = 0
  /// Milliseconds of TPM time at which the policy expires; 0 for never.
  var timeout: UInt64 = 0
  var commandCode: UInt32 = 0
  /// TPMA_LOCALITY; 0 if any.
  var locality: UInt8 = 0
  var pcrCounter: UInt32 = 0
  /// cpHash, nameHash or templateHash, whichever was set.
  var boundHash = Digest()
  var boundHashKind: BoundHash = .none
  var needsAuthValue = false
  var needsPassword = false
  var needsPhysicalPresence = false
  var checksNVWritten = false
  var nvWrittenState = false
  var checksPCR = false

  enum BoundHash: UInt8 {
    case none = 0
    case cpHash = 1
    case nameHash = 2
    case templateHash = 3
  }

  init(kind: Kind, hash: HashAlgorithm, symmetric: SymmetricDefinition, nonceTPM: Digest) {
    self.kind = kind
    self.hash = hash
    self.symmetric = symmetric
    self.nonceTPM = nonceTPM
    if kind != .hmac { policyDigest = Digest(zeros: hash.digestSize) }
  }

  init(copying other: Session) {
    kind = other.kind
    hash = other.hash
    symmetric = other.symmetric
    nonceTPM = other.nonceTPM
    key = other.key
    boundEntity = other.boundEntity
    isBoundToDA = other.isBoundToDA
    isBoundToLockout = other.isBoundToLockout
    isAudit = other.isAudit
    auditDigest = other.auditDigest
    policyDigest = other.policyDigest
    startTime = other.startTime
    timeEpoch = other.timeEpoch
    timeout = other.timeout
    commandCode = other.commandCode
    locality = other.locality
    pcrCounter = other.pcrCounter
    boundHash = other.boundHash
    boundHashKind = other.boundHashKind
    needsAuthValue = other.needsAuthValue
    needsPassword = other.needsPassword
    needsPhysicalPresence = other.needsPhysicalPresence
    checksNVWritten = other.checksNVWritten
    nvWrittenState = other.nvWrittenState
    checksPCR = other.checksPCR
  }

  deinit { wipe() }

  /// Back to the state of a fresh policy session; also TPM2_PolicyRestart.
  func resetPolicy(at time: UInt64, epoch: UInt32) {
    policyDigest = Digest(zeros: hash.digestSize)
    startTime = time
    timeEpoch = epoch
    timeout = 0
    commandCode = 0
    locality = 0
    pcrCounter = 0
    checksPCR = false
    boundHash = Digest()
    boundHashKind = .none
    needsAuthValue = false
    needsPassword = false
    needsPhysicalPresence = false
    checksNVWritten = false
    nvWrittenState = false
  }

  func wipe() {
    key.wipe()
    boundEntity.wipe()
  }

  func write(_ out: inout Writer) {
    out.u8(kind.rawValue)
    out.hash(hash)
    symmetric.write(&out)
    out.sized(nonceTPM)
    out.sized(key)
    out.sized(boundEntity)
    var flags: UInt16 = 0
    flags |= isBoundToDA ? 1 : 0
    flags |= isBoundToLockout ? 2 : 0
    flags |= isAudit ? 4 : 0
    flags |= needsAuthValue ? 8 : 0
    flags |= needsPassword ? 16 : 0
    flags |= needsPhysicalPresence ? 32 : 0
    flags |= checksNVWritten ? 64 : 0
    flags |= nvWrittenState ? 128 : 0
    flags |= checksPCR ? 256 : 0
    out.u16(flags)
    out.sized(auditDigest)
    out.sized(policyDigest)
    out.u64(startTime)
    out.u32(timeEpoch)
    out.u64(timeout)
    out.u32(commandCode)
    out.u8(locality)
    out.u32(pcrCounter)
    out.u8(boundHashKind.rawValue)
    out.sized(boundHash)
  }

  init(_ reader: inout Reader) throws(Stop) {
    guard let kind = Kind(rawValue: try reader.u8()) else { throw reader.error(.integrity) }
    self.kind = kind
    hash = try reader.hash()
    symmetric = try reader.symmetricSession()
    nonceTPM = try reader.sized()
    key = try reader.sized()
    boundEntity = try reader.sized()
    let flags = try reader.u16()
    isBoundToDA = flags & 1 != 0
    isBoundToLockout = flags & 2 != 0
    isAudit = flags & 4 != 0
    needsAuthValue = flags & 8 != 0
    needsPassword = flags & 16 != 0
    needsPhysicalPresence = flags & 32 != 0
    checksNVWritten = flags & 64 != 0
    nvWrittenState = flags & 128 != 0
    checksPCR = flags & 256 != 0
    auditDigest = try reader.sized()
    policyDigest = try reader.sized()
    startTime = try reader.u64()
    timeEpoch = try reader.u32()
    timeout = try reader.u64()
    commandCode = try reader.u32()
    locality = try reader.u8()
    pcrCounter = try reader.u32()
    guard let bound = BoundHash(rawValue: try reader.u8()) else { throw reader.error(.integrity) }
    boundHashKind = bound
    boundHash = try reader.sized()
  }
}

/// One of the active sessions.
enum SessionSlot {
  case free
  case loaded(Session)
  /// Saved outside; the context must carry this sequence number.
  case saved(UInt64)
}
