// Persistent: what a TPM keeps without power.
import Crypto

/// A hierarchy's secrets and switches (Part 1 §13).
struct Hierarchy {
  var seed = Digest()
  var proof = Digest()
  var auth = Digest()
  var policy = Digest()
  var policyHash: HashAlgorithm?
  var isEnabled = true

  func write(_ out: inout Writer) {
    out.sized(seed)
    out.sized(proof)
    out.sized(auth)
    out.sized(policy)
    out.hash(policyHash)
    out.yesNo(isEnabled)
  }

  init() {}

  init(_ reader: inout Reader) throws(Stop) {
    seed = try reader.sized()
    proof = try reader.sized()
    auth = try reader.sized()
    policy = try reader.sized()
    policyHash = try reader.hashOrNull()
    isEnabled = try reader.yesNo()
  }

  mutating func wipe() {
    seed.wipe()
    proof.wipe()
    auth.wipe()
  }
}

/// Everything that survives a power cycle, orderly or not.
final class Persistent {
  /// Owner, endorsement, platform; the null hierarchy is volatile.
  var owner = Hierarchy()
  var endorsement = Hierarchy()
  var platform = Hierarchy()
  var lockoutAuth = Digest()
  var lockoutPolicy = Digest()
  var lockoutPolicyHash: HashAlgorithm?
  var disableClear = false
  // Dictionary attack (Part 1 §19.8).
  var failedTries: UInt32 = 0
  var maxTries: UInt32 = 3
  var recoveryTime: UInt32 = 1000
  var lockoutRecovery: UInt32 = 1000
  var isLockoutAuthEnabled = true
  /// A protected value was used since the last start: an unorderly stop counts as a failed try.
  var wasDAUsed = false
  // Counters (Part 1 §36.7).
  var resetCount: UInt32 = 0
  var totalResetCount: UInt64 = 0
  var clock: UInt64 = 0
  var isClockSafe = true
  /// TPM_SU of the last Shutdown, or 0xFFFF.
  var orderly: UInt16 = 0xFFFF
  var maxCounter: UInt64 = 0
  /// Bit n: bank n allocated from the next TPM Reset on.
  var banks: UInt8 = 0b0110
  /// The banks in use now.
  var activeBanks: UInt8 = 0b0110
  var auditHash = HashAlgorithm.sha256
  var auditCounter: UInt64 = 0
  /// Audited command codes beyond SetCommandCodeAuditStatus, ascending.
  var auditCommands: [UInt32] = []
  /// Commands that need physical presence when authorized by platform.
  var ppCommands: [UInt32] = []
  var algorithmSet: UInt32 = 0
  var pcrPolicy = Digest()
  var pcrPolicyHash: HashAlgorithm?
  var indices: [NVIndex] = []
  var objects: [(handle: UInt32, object: TPMObject)] = []
  /// Counts every change, so that an old blob can be told from a new one.
  var generation: UInt64 = 0
  /// What Shutdown(STATE) saved, if the TPM went down so.
  var saved: [UInt8] = []

  init() {}

  func write(_ out: inout Writer) {
    owner.write(&out)
    endorsement.write(&out)
    platform.write(&out)
    out.sized(lockoutAuth)
    out.sized(lockoutPolicy)
    out.hash(lockoutPolicyHash)
    out.yesNo(disableClear)
    out.u32(failedTries)
    out.u32(maxTries)
    out.u32(recoveryTime)
    out.u32(lockoutRecovery)
    out.yesNo(isLockoutAuthEnabled)
    out.yesNo(wasDAUsed)
    out.u32(resetCount)
    out.u64(totalResetCount)
    out.u64(clock)
    out.yesNo(isClockSafe)
    out.u16(orderly)
    out.u64(maxCounter)
    out.u8(banks)
    out.u8(activeBanks)
    out.hash(auditHash)
    out.u64(auditCounter)
    out.u16(UInt16(truncatingIfNeeded: auditCommands.count))
    for code in auditCommands { out.u32(code) }
    out.u16(UInt16(truncatingIfNeeded: ppCommands.count))
    for code in ppCommands { out.u32(code) }
    out.u32(algorithmSet)
    out.sized(pcrPolicy)
    out.hash(pcrPolicyHash)
    out.u16(UInt16(truncatingIfNeeded: indices.count))
    for index in indices { index.write(&out) }
    out.u16(UInt16(truncatingIfNeeded: objects.count))
    for (handle, object) in objects {
      out.u32(handle)
      object.write(&out)
    }
    out.u64(generation)
    out.sized(saved)
  }

  init(_ reader: inout Reader) throws(Stop) {
    owner = try Hierarchy(&reader)
    endorsement = try Hierarchy(&reader)
    platform = try Hierarchy(&reader)
    lockoutAuth = try reader.sized()
    lockoutPolicy = try reader.sized()
    lockoutPolicyHash = try reader.hashOrNull()
    disableClear = try reader.yesNo()
    failedTries = try reader.u32()
    maxTries = try reader.u32()
    recoveryTime = try reader.u32()
    lockoutRecovery = try reader.u32()
    isLockoutAuthEnabled = try reader.yesNo()
    wasDAUsed = try reader.yesNo()
    resetCount = try reader.u32()
    totalResetCount = try reader.u64()
    clock = try reader.u64()
    isClockSafe = try reader.yesNo()
    orderly = try reader.u16()
    maxCounter = try reader.u64()
    banks = try reader.u8()
    activeBanks = try reader.u8()
    guard banks < 16, activeBanks < 16 else { throw reader.error(.integrity) }
    auditHash = try reader.hash()
    auditCounter = try reader.u64()
    auditCommands = try Self.codes(&reader)
    ppCommands = try Self.codes(&reader)
    algorithmSet = try reader.u32()
    pcrPolicy = try reader.sized()
    pcrPolicyHash = try reader.hashOrNull()
    let indexCount = Int(try reader.u16())
    guard indexCount <= Limits.nvIndices else { throw reader.error(.integrity) }
    for _ in 0..<indexCount { indices.append(try NVIndex(&reader)) }
    let objectCount = Int(try reader.u16())
    guard objectCount <= Limits.persistentObjects else { throw reader.error(.integrity) }
    for _ in 0..<objectCount {
      let handle = try reader.u32()
      guard Handle.type(handle) == 0x81 else { throw reader.error(.integrity) }
      objects.append((handle, try TPMObject(&reader)))
    }
    generation = try reader.u64()
    saved = try reader.sizedArray(limit: 0xFFFF)
  }

  private static func codes(_ reader: inout Reader) throws(Stop) -> [UInt32] {
    let count = Int(try reader.u16())
    guard count <= 256 else { throw reader.error(.integrity) }
    var codes: [UInt32] = []
    for _ in 0..<count { codes.append(try reader.u32()) }
    return codes
  }

  func index(_ handle: UInt32) -> Int? { indices.firstIndex { $0.handle == handle } }
  func object(_ handle: UInt32) -> Int? { objects.firstIndex { $0.handle == handle } }
  var nvBytes: Int { indices.reduce(0) { $0 &+ $1.data.count &+ 256 } }
}
