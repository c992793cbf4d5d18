// StartupCommands: Startup, Shutdown, self test and random numbers (Part 3 §9, §10, §16).
import Crypto

extension TPMEngine {
  @inline(never)
  mutating func startup(_ r: inout Reader) throws(Stop) {
    r.next()
    let type = try r.u16()
    guard type < 2 else { throw r.error(.value) }
    try r.finish()
    let wasState = persistent.orderly == 1 && !persistent.saved.isEmpty
    // Resuming without saved state would forge fresh PCRs (CVE-2018-6622).
    if type == 1 && !wasState { throw r.error(.value) }
    let restored = Volatile()
    if wasState {
      var reader = Reader(persistent.saved, from: 0, to: persistent.saved.count)
      do throws(Stop) {
        try restored.readSaved(&reader)
      } catch {
        volatile.isFailed = true
        throw .code(.failure)
      }
    }
    let epoch = volatile.timeEpoch
    let hcrtm = volatile.hcrtm
    if persistent.orderly > 1 && persistent.wasDAUsed {
      // The count of a failure under way may have been lost (CVE-2020-26933).
      persistent.failedTries &+= persistent.failedTries < UInt32.max ? 1 : 0
    }
    if persistent.orderly > 1 { unorderlyNV() }
    persistent.wasDAUsed = false
    if persistent.lockoutRecovery == 0 { persistent.isLockoutAuthEnabled = true }
    if !wasState {
      // TPM Reset.
      restored.null.seed = drbg.bytes(48)
      restored.null.proof = drbg.bytes(32)
      persistent.resetCount &+= 1
      persistent.totalResetCount &+= 1
      persistent.activeBanks = persistent.banks
      restored.auditDigest = Digest()
    } else if type == 0 {
      // TPM Restart: PCRs and platform values start anew, saved contexts live on.
      restored.pcrs = PCRBanks()
      restored.restartCount &+= 1
      restored.clearCount &+= 1
    } else {
      restored.restartCount &+= 1
      let fresh = PCRBanks()
      for bank in 0..<4 {
        for pcr in 0..<Limits.pcrCount where !PCRBanks.isSaved(pcr) {
          restored.pcrs.set(bank, pcr, fresh.value(bank, pcr))
        }
      }
    }
    if type == 0 {
      restored.isPlatformNVEnabled = true
      persistent.owner.isEnabled = true
      persistent.endorsement.isEnabled = true
      persistent.platform.auth.wipe()
      persistent.platform.policy = Digest()
      persistent.platform.policyHash = nil
      restored.pcrAuth = Digest()
      startupNV()
      if let hcrtm {
        startHCRTM(hcrtm, restored)
      } else if job.locality == 3 {
        for bank in 0..<4 {
          var value = PCRBanks.start(HashAlgorithm.banks[bank], 0)
          value[value.count &- 1] = 3
          restored.pcrs.set(bank, 0, value)
        }
      }
    }
    persistent.platform.isEnabled = true
    restored.timeEpoch = epoch
    restored.isStarted = true
    volatile = restored
    if !wasState { startCommitments() }
    if persistent.orderly > 1 {
      // The clock may be behind what was once reported.
      persistent.isClockSafe = false
      clockBase = persistent.clock &- min(persistent.clock, time)
    }
    persistent.orderly = 0xFFFF
    persistent.saved = []
    touch()
  }

  @inline(never)
  private func startHCRTM(_ hasher: Hasher, _ state: Volatile) {
    var hasher = hasher
    let digest = hasher.finalize()
    for bank in 0..<4 {
      var value = PCRBanks.start(HashAlgorithm.banks[bank], 0)
      value[value.count &- 1] = 4
      state.pcrs.set(bank, 0, value)
      if HashAlgorithm.banks[bank] == hasher.algorithm { state.pcrs.extend(bank, 0, digest) }
    }
  }

  @inline(never)
  mutating func shutdown(_ r: inout Reader) throws(Stop) {
    r.next()
    let type = try r.u16()
    guard type < 2 else { throw r.error(.value) }
    try r.finish()
    persistent.saved = []
    if type == 1 {
      // Loaded sessions do not survive; saved ones do.
      for index in 0..<volatile.sessions.count {
        if case .loaded = volatile.sessions[index] { volatile.sessions[index] = .free }
      }
      var saved = Writer()
      volatile.writeSaved(&saved)
      persistent.saved = saved.bytes
    }
    persistent.orderly = type
    persistent.wasDAUsed = false
    persistent.clock = clock
    orderlyNV()
    touch()
  }

  /// A change of what Shutdown saved makes the next stop unorderly (Part 1 §12.2.4).
  mutating func cancelOrderly() {
    guard persistent.orderly <= 1 else { return }
    persistent.orderly = 0xFFFF
    persistent.saved = []
    touch()
  }

  @inline(never)
  mutating func selfTest(_ r: inout Reader) throws(Stop) {
    r.next()
    _ = try r.yesNo()
    try r.finish()
  }

  @inline(never)
  mutating func incrementalSelfTest(_ r: inout Reader) throws(Stop) {
    r.next()
    let count = try r.u32()
    guard count <= 64 else { throw r.error(.size) }
    for _ in 0..<count {
      let id = try r.u16()
      guard Capabilities.attributes(ofAlgorithm: id) != nil else { throw r.error(.value) }
    }
    try r.finish()
    out.u32(0)
  }

  @inline(never)
  mutating func getTestResult(_ r: inout Reader) throws(Stop) {
    try r.finish()
    out.u16(0)
    out.u32(volatile.isFailed ? ResponseCode.failure.rawValue : 0)
  }

  @inline(never)
  mutating func getRandom(_ r: inout Reader) throws(Stop) {
    r.next()
    let wanted = Int(try r.u16())
    try r.finish()
    out.sized(drbg.bytes(min(wanted, 64)))
  }

  @inline(never)
  mutating func stirRandom(_ r: inout Reader) throws(Stop) {
    r.next()
    let data: FixedBytes<128> = try r.sized()
    try r.finish()
    let none = InlineArray<1, UInt8>(repeating: 0)
    // Additional input, not entropy: it cannot make the generator worse.
    drbg.mixIn(data.span, none.span.extracting(first: 0))
  }

  @inline(never)
  mutating func testParms(_ r: inout Reader) throws(Stop) {
    r.next()
    var area = PublicArea()
    area.type = try r.u16()
    switch area.type {
    case Algorithm.rsa, Algorithm.ecc, Algorithm.keyedHash, Algorithm.symCipher: break
    default: throw r.error(.value)
    }
    try r.parameters(into: &area)
    try r.finish()
  }

  @inline(never)
  mutating func eccParameters(_ r: inout Reader) throws(Stop) {
    r.next()
    let id = try r.u16()
    guard let curve = Algorithm.curve(id) else { throw r.error(.curve) }
    try r.finish()
    out.u16(id)
    out.u16(UInt16(curve.size * 8))
    // kdf and default signing scheme: none fixed.
    out.u16(Algorithm.null)
    out.u16(Algorithm.null)
    let domain = curve.domain
    out.sized(domain.prime)
    out.sized(domain.a)
    out.sized(domain.b)
    out.sized(domain.x)
    out.sized(domain.y)
    out.sized(domain.order)
    out.u16(1)
    out.u8(1)
  }
}
