// HierarchyCommands: hierarchies, clearing, dictionary attack, clock (Part 3 §24, §25, §29).
import Crypto

extension TPMEngine {
  @inline(never)
  mutating func hierarchyControl(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let enable = try r.u32()
    switch enable {
    case Handle.owner, Handle.endorsement, Handle.platform, Handle.platformNV: break
    default: throw r.error(.value)
    }
    r.next()
    let state = try r.yesNo()
    try r.finish()
    let auth = c.handles[0]
    switch enable {
    case Handle.platform, Handle.platformNV:
      guard auth == Handle.platform else { throw .code(.authType) }
    default:
      guard auth == Handle.platform || auth == enable else { throw .code(.authType) }
      if state && auth != Handle.platform { throw .code(.authType) }
    }
    switch enable {
    case Handle.owner: persistent.owner.isEnabled = state
    case Handle.endorsement: persistent.endorsement.isEnabled = state
    case Handle.platform: persistent.platform.isEnabled = state
    default: volatile.isPlatformNVEnabled = state
    }
    if !state && enable != Handle.platformNV { flush(hierarchy: enable) }
    cancelOrderly()
    touch()
  }

  /// Drops the transient objects of a hierarchy.
  mutating func flush(hierarchy: UInt32) {
    for index in 0..<volatile.slots.count {
      if case .object(let object) = volatile.slots[index], object.hierarchy == hierarchy {
        clear(slot: index)
      }
    }
  }

  @inline(never)
  mutating func hierarchyChangeAuth(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    var auth: Digest = try r.sized()
    try r.finish()
    auth.dropTrailingZeros()
    switch c.handles[0] {
    case Handle.owner: persistent.owner.auth = auth
    case Handle.endorsement: persistent.endorsement.auth = auth
    case Handle.platform: persistent.platform.auth = auth
    default: persistent.lockoutAuth = auth
    }
    cancelOrderly()
    touch()
  }

  @inline(never)
  mutating func setPrimaryPolicy(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let policy: Digest = try r.sized()
    r.next()
    let hash = try r.hashOrNull()
    try r.finish()
    guard policy.count == (hash?.digestSize ?? 0) else { throw .parameter(.size, 1) }
    switch c.handles[0] {
    case Handle.owner:
      persistent.owner.policy = policy
      persistent.owner.policyHash = hash
    case Handle.endorsement:
      persistent.endorsement.policy = policy
      persistent.endorsement.policyHash = hash
    case Handle.platform:
      persistent.platform.policy = policy
      persistent.platform.policyHash = hash
    default:
      persistent.lockoutPolicy = policy
      persistent.lockoutPolicyHash = hash
    }
    cancelOrderly()
    touch()
  }

  @inline(never)
  mutating func clear(_ r: inout Reader) throws(Stop) {
    try r.finish()
    guard !persistent.disableClear else { throw .code(.disabled) }
    flush(hierarchy: Handle.owner)
    flush(hierarchy: Handle.endorsement)
    persistent.owner.wipe()
    persistent.owner = Hierarchy()
    persistent.owner.seed = drbg.bytes(48)
    persistent.owner.proof = drbg.bytes(32)
    let seed = persistent.endorsement.seed
    persistent.endorsement = Hierarchy()
    persistent.endorsement.seed = seed
    persistent.endorsement.proof = drbg.bytes(32)
    persistent.lockoutAuth.wipe()
    persistent.lockoutPolicy = Digest()
    persistent.lockoutPolicyHash = nil
    persistent.objects.removeAll { $0.object.hierarchy != Handle.platform }
    persistent.indices.removeAll { !$0.has(NVAttribute.platformCreate) }
    persistent.failedTries = 0
    persistent.maxTries = 3
    persistent.recoveryTime = 1000
    persistent.lockoutRecovery = 1000
    persistent.isLockoutAuthEnabled = true
    persistent.clock = 0
    clockBase = 0 &- time
    persistent.isClockSafe = true
    persistent.resetCount = 0
    volatile.restartCount = 0
    volatile.clearCount = 0
    persistent.auditCounter = 0
    volatile.pcrAuth = Digest()
    volatile.pcrs.counter &+= 1
    cancelOrderly()
    touch()
  }

  @inline(never)
  mutating func clearControl(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let disable = try r.yesNo()
    try r.finish()
    if !disable && c.handles[0] == Handle.lockout { throw .code(.authFail.handle(1)) }
    persistent.disableClear = disable
    touch()
  }

  @inline(never)
  mutating func changeEPS(_ r: inout Reader) throws(Stop) {
    try r.finish()
    flush(hierarchy: Handle.endorsement)
    persistent.objects.removeAll { $0.object.hierarchy == Handle.endorsement }
    persistent.endorsement = Hierarchy()
    persistent.endorsement.seed = drbg.bytes(48)
    persistent.endorsement.proof = drbg.bytes(32)
    volatile.pcrs.counter &+= 1
    cancelOrderly()
    touch()
  }

  @inline(never)
  mutating func changePPS(_ r: inout Reader) throws(Stop) {
    try r.finish()
    flush(hierarchy: Handle.platform)
    persistent.objects.removeAll { $0.object.hierarchy == Handle.platform }
    persistent.platform.seed = drbg.bytes(48)
    persistent.platform.proof = drbg.bytes(32)
    persistent.platform.policy = Digest()
    persistent.platform.policyHash = nil
    persistent.pcrPolicy = Digest()
    persistent.pcrPolicyHash = nil
    volatile.pcrs.counter &+= 1
    cancelOrderly()
    touch()
  }

  @inline(never)
  mutating func dictionaryAttackLockReset(_ r: inout Reader) throws(Stop) {
    try r.finish()
    persistent.failedTries = 0
    touch()
  }

  @inline(never)
  mutating func dictionaryAttackParameters(_ r: inout Reader) throws(Stop) {
    r.next()
    let tries = try r.u32()
    r.next()
    let recovery = try r.u32()
    r.next()
    let lockout = try r.u32()
    try r.finish()
    persistent.maxTries = tries
    persistent.recoveryTime = recovery
    persistent.lockoutRecovery = lockout
    if recovery == 0 { persistent.failedTries = 0 }
    volatile.lastHeal = time
    touch()
  }

  func writeClockInfo(_ out: inout Writer) {
    out.u64(clock)
    out.u32(persistent.resetCount)
    out.u32(volatile.restartCount)
    out.yesNo(persistent.isClockSafe)
  }

  func writeTimeInfo(_ out: inout Writer) {
    out.u64(time)
    writeClockInfo(&out)
  }

  @inline(never)
  mutating func readClock(_ r: inout Reader) throws(Stop) {
    try r.finish()
    var info = Writer()
    writeTimeInfo(&info)
    out.raw(info.bytes)
  }

  @inline(never)
  mutating func clockSet(_ r: inout Reader) throws(Stop) {
    r.next()
    let new = try r.u64()
    try r.finish()
    guard new >= clock, new < 0xFFFF_0000_0000_0000 else { throw .parameter(.value, 1) }
    clockBase = new &- time
    persistent.clock = new &+ 4096
    touch()
  }

  @inline(never)
  mutating func clockRateAdjust(_ r: inout Reader) throws(Stop) {
    r.next()
    let adjust = try r.u8()
    guard adjust <= 3 || adjust >= 0xFD else { throw r.error(.value) }
    try r.finish()
  }

  @inline(never)
  mutating func ppCommands(_ r: inout Reader) throws(Stop) {
    r.next()
    _ = try codes(&r)
    r.next()
    _ = try codes(&r)
    try r.finish()
    // Nothing ever asserts physical presence to this TPM.
    throw .session(.pp, 1)
  }

  @inline(never)
  mutating func setAlgorithmSet(_ r: inout Reader) throws(Stop) {
    r.next()
    let set = try r.u32()
    try r.finish()
    // There is one set of algorithms; the number is kept for whoever asks (Part 3 §24.6).
    persistent.algorithmSet = set
    touch()
  }

  func codes(_ r: inout Reader) throws(Stop) -> [UInt32] {
    let count = try r.u32()
    guard count <= 256 else { throw r.error(.size) }
    var list: [UInt32] = []
    for _ in 0..<count { list.append(try r.u32()) }
    return list
  }

  @inline(never)
  mutating func setCommandCodeAuditStatus(_ r: inout Reader) throws(Stop) {
    r.next()
    let hash = try r.hashOrNull()
    r.next()
    let add = try codes(&r)
    r.next()
    let remove = try codes(&r)
    try r.finish()
    if let hash, hash != persistent.auditHash {
      guard add.isEmpty, remove.isEmpty else { throw .parameter(.value, 1) }
      persistent.auditHash = hash
      volatile.auditDigest = Digest()
    }
    for code in add where CommandTable.info(code) != nil && code != 0x145 && code != 0x140 {
      if !persistent.auditCommands.contains(code) { persistent.auditCommands.append(code) }
    }
    persistent.auditCommands.removeAll { code in remove.contains(code) }
    persistent.auditCommands.sort()
    touch()
  }
}
