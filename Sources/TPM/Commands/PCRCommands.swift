// PCRCommands: extending, reading and allocating PCRs (Part 3 §22).
import Crypto

/// TPML_PCR_SELECTION: at most one selection per implemented hash (Part 2 §10.9.7).
struct PCRSelection {
  struct Entry {
    var hash: HashAlgorithm
    /// Bit n selects PCR n.
    var bits: UInt32
    /// Bytes of the select field as given.
    var size: Int
  }
  var entries: [Entry] = []

  func write(_ out: inout Writer) {
    out.count32(entries.count)
    for entry in entries {
      out.hash(entry.hash)
      out.u8(UInt8(truncatingIfNeeded: entry.size))
      for byte in 0..<entry.size { out.u8(UInt8(truncatingIfNeeded: entry.bits &>> UInt32(8 &* byte))) }
    }
  }
}

extension Reader {
  mutating func pcrSelection() throws(Stop) -> PCRSelection {
    let count = try u32()
    guard count <= 16 else { throw error(.size) }
    var selection = PCRSelection()
    for _ in 0..<count {
      let hash = try hash()
      let size = Int(try u8())
      guard size >= 3, size <= 4 else { throw error(.value) }
      var bits: UInt32 = 0
      for byte in 0..<size { bits |= UInt32(try u8()) &<< UInt32(8 &* byte) }
      guard bits &>> 24 == 0 else { throw error(.value) }
      selection.entries.append(PCRSelection.Entry(hash: hash, bits: bits, size: size))
    }
    return selection
  }

  /// TPML_DIGEST_VALUES.
  mutating func digestValues() throws(Stop) -> [(hash: HashAlgorithm, digest: Digest)] {
    let count = try u32()
    guard count <= 5 else { throw error(.size) }
    var values: [(hash: HashAlgorithm, digest: Digest)] = []
    for _ in 0..<count {
      let hash = try hash()
      values.append((hash, try raw(hash.digestSize)))
    }
    return values
  }
}

extension TPMEngine {
  func isActive(_ hash: HashAlgorithm) -> Bool { persistent.activeBanks &>> UInt8(hash.bank) & 1 == 1 }

  /// The selection without PCRs of banks that are not allocated, and the digest of what is left.
  func digest(_ selection: PCRSelection, _ hash: HashAlgorithm) -> (PCRSelection, Digest) {
    var filtered = selection
    var hasher = Hasher(hash)
    for index in 0..<filtered.entries.count {
      if !isActive(filtered.entries[index].hash) { filtered.entries[index].bits = 0 }
      let entry = filtered.entries[index]
      for pcr in 0..<Limits.pcrCount where entry.bits &>> UInt32(pcr) & 1 == 1 {
        hasher.update(volatile.pcrs.value(entry.hash.bank, pcr).span)
      }
    }
    return (filtered, hasher.finalize())
  }

  private mutating func noteChange(_ pcr: Int) {
    if !PCRBanks.isUncounted(pcr) { volatile.pcrs.counter &+= 1 }
    if PCRBanks.isSaved(pcr) { cancelOrderly() }
  }

  private func checkExtend(_ pcr: Int) throws(Stop) {
    guard isLocality(job.locality, in: PCRBanks.extendLocalities(pcr)) else { throw .code(.locality) }
  }

  @inline(never)
  mutating func pcrExtend(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let values = try r.digestValues()
    try r.finish()
    guard c.handles[0] != Handle.null else { return }
    let pcr = Int(c.handles[0])
    try checkExtend(pcr)
    for (hash, digest) in values where isActive(hash) { volatile.pcrs.extend(hash.bank, pcr, digest) }
    noteChange(pcr)
  }

  @inline(never)
  mutating func pcrEvent(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let data = try r.sizedArray(limit: 1024)
    try r.finish()
    if c.handles[0] != Handle.null { try checkExtend(Int(c.handles[0])) }
    var digests = InlineArray<4, Digest>(repeating: Digest())
    for bank in 0..<4 { digests[bank] = Hasher.hash(HashAlgorithm.banks[bank], data) }
    writeAndExtend(c.handles[0], digests)
  }

  mutating func writeAndExtend(_ handle: UInt32, _ digests: InlineArray<4, Digest>) {
    out.u32(4)
    for bank in 0..<4 {
      out.hash(HashAlgorithm.banks[bank])
      out.raw(digests[bank])
      if handle != Handle.null && isActive(HashAlgorithm.banks[bank]) {
        volatile.pcrs.extend(bank, Int(handle), digests[bank])
      }
    }
    if handle != Handle.null { noteChange(Int(handle)) }
  }

  @inline(never)
  mutating func pcrRead(_ r: inout Reader) throws(Stop) {
    r.next()
    var selection = try r.pcrSelection()
    try r.finish()
    var values: [Digest] = []
    for index in 0..<selection.entries.count {
      let entry = selection.entries[index]
      var kept: UInt32 = 0
      if isActive(entry.hash) {
        for pcr in 0..<Limits.pcrCount where entry.bits &>> UInt32(pcr) & 1 == 1 && values.count < 8 {
          kept |= 1 &<< UInt32(pcr)
          values.append(volatile.pcrs.value(entry.hash.bank, pcr))
        }
      }
      selection.entries[index].bits = kept
    }
    out.u32(volatile.pcrs.counter)
    selection.write(&out)
    out.count32(values.count)
    for value in values { out.sized(value) }
  }

  @inline(never)
  mutating func pcrReset(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    let pcr = Int(c.handles[0])
    guard isLocality(job.locality, in: PCRBanks.resetLocalities(pcr)) else { throw .code(.locality) }
    for bank in 0..<4 where persistent.activeBanks &>> UInt8(bank) & 1 == 1 {
      volatile.pcrs.set(bank, pcr, Digest(zeros: HashAlgorithm.banks[bank].digestSize))
    }
    noteChange(pcr)
  }

  @inline(never)
  mutating func pcrAllocate(_ r: inout Reader) throws(Stop) {
    r.next()
    let selection = try r.pcrSelection()
    try r.finish()
    var banks = persistent.banks
    for entry in selection.entries {
      let bit = UInt8(1) &<< UInt8(entry.hash.bank)
      if entry.bits == 0 { banks &= ~bit } else { banks |= bit }
    }
    // At least one bank must hold the D-RTM and H-CRTM PCRs.
    let isSuccess = banks != 0
    if isSuccess && banks != persistent.banks {
      persistent.banks = banks
      touch()
    }
    var needed = 0
    for bank in 0..<4 where banks &>> UInt8(bank) & 1 == 1 {
      needed &+= HashAlgorithm.banks[bank].digestSize &* Limits.pcrCount
    }
    out.yesNo(isSuccess)
    out.u32(UInt32(Limits.pcrCount))
    out.count32(needed)
    out.u32(24 * (20 + 32 + 48 + 64))
  }

  @inline(never)
  mutating func pcrSetAuthPolicy(_ r: inout Reader) throws(Stop) {
    r.next()
    let policy: Digest = try r.sized()
    r.next()
    let hash = try r.hashOrNull()
    r.next()
    let pcr = try r.u32()
    guard Handle.isPCR(pcr), PCRBanks.isProtected(Int(pcr)) else { throw r.error(.value) }
    try r.finish()
    guard policy.count == (hash?.digestSize ?? 0) else { throw .parameter(.size, 1) }
    persistent.pcrPolicy = policy
    persistent.pcrPolicyHash = hash
    touch()
  }

  @inline(never)
  mutating func pcrSetAuthValue(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    var auth: Digest = try r.sized()
    try r.finish()
    guard PCRBanks.isProtected(Int(c.handles[0])) else { throw .code(.value) }
    auth.dropTrailingZeros()
    volatile.pcrAuth = auth
    cancelOrderly()
  }
}
