// SymmetricCommands: hashes, MACs, sequences and ciphers (Part 3 §15, §17).
import Crypto

extension TPMEngine {
  private func hierarchyParameter(_ r: inout Reader) throws(Stop) -> UInt32 {
    r.next()
    let hierarchy = try r.u32()
    guard Self.isHierarchy(hierarchy) else { throw r.error(.value) }
    return hierarchy
  }

  private mutating func writeHashCheck(
    _ hierarchy: UInt32, _ hash: HashAlgorithm, _ digest: Digest, isSafe: Bool
  ) {
    if isSafe && hierarchy != Handle.null {
      writeTicket(tag: 0x8024, hierarchy: hierarchy, hashTicket(hierarchy, hash, digest))
    } else {
      writeNullTicket(tag: 0x8024)
    }
  }

  @inline(never)
  mutating func hash(_ r: inout Reader) throws(Stop) {
    r.next()
    let data = try r.sizedArray(limit: Limits.inputBuffer)
    r.next()
    let hash = try r.hash()
    let hierarchy = try hierarchyParameter(&r)
    try r.finish()
    let digest = Hasher.hash(hash, data)
    out.sized(digest)
    // Data shorter than the magic can't pass for a structure of this TPM: here all of it is known.
    writeHashCheck(hierarchy, hash, digest, isSafe: data.count < 4 || Sequence.isSafe(data))
  }

  /// The HMAC key and hash of TPM2_HMAC and HMAC_Start.
  private func macKey(_ handle: UInt32, _ given: HashAlgorithm?) throws(Stop) -> (TPMObject, HashAlgorithm) {
    let key = try object(handle, 1)
    guard key.area.type == Algorithm.keyedHash, key.hasSecret else { throw .handle(.type, 1) }
    guard !key.area.has(ObjectAttribute.restricted) else { throw .handle(.attributes, 1) }
    guard key.area.has(ObjectAttribute.sign) else { throw .handle(.key, 1) }
    guard let hash = key.area.scheme.hash ?? given else { throw .parameter(.value, 2) }
    if let given, given != hash { throw .parameter(.value, 2) }
    return (key, hash)
  }

  @inline(never)
  mutating func hmac(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let data = try r.sizedArray(limit: Limits.inputBuffer)
    r.next()
    let given = try r.hashOrNull()
    try r.finish()
    let (key, hash) = try macKey(c.handles[0], given)
    out.sized(HMAC.code(hash, key: key.secret.span, data.span))
  }

  @inline(never)
  mutating func hmacStart(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    var auth: Digest = try r.sized()
    r.next()
    let given = try r.hashOrNull()
    try r.finish()
    auth.dropTrailingZeros()
    let (key, hash) = try macKey(c.handles[0], given)
    c.responseHandle = try place(
      .sequence(RunningSequence(Sequence(kind: .mac(HMAC(hash, key: key.secret.span)), auth: auth))))
  }

  @inline(never)
  mutating func hashSequenceStart(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    var auth: Digest = try r.sized()
    r.next()
    let hash = try r.hashOrNull()
    try r.finish()
    auth.dropTrailingZeros()
    if let hash {
      c.responseHandle = try place(
        .sequence(RunningSequence(Sequence(kind: .hash(Hasher(hash)), auth: auth))))
      return
    }
    var hashes = InlineArray<4, Hasher>(repeating: Hasher(.sha1))
    for bank in 0..<4 { hashes[bank] = Hasher(HashAlgorithm.banks[bank]) }
    c.responseHandle = try place(.sequence(RunningSequence(Sequence(kind: .event(hashes), auth: auth))))
  }

  @inline(never)
  mutating func sequenceUpdate(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let data = try r.sizedArray(limit: Limits.inputBuffer)
    try r.finish()
    var sequence = try sequence(c.handles[0], 1)
    sequence.update(data)
    if let slot = slotIndex(c.handles[0]) { volatile.slots[slot] = .sequence(RunningSequence(sequence)) }
  }

  @inline(never)
  mutating func sequenceComplete(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let data = try r.sizedArray(limit: Limits.inputBuffer)
    let hierarchy = try hierarchyParameter(&r)
    try r.finish()
    var sequence = try sequence(c.handles[0], 1)
    sequence.update(data)
    switch sequence.kind {
    case .hash(var hash):
      let digest = hash.finalize()
      out.sized(digest)
      writeHashCheck(hierarchy, hash.algorithm, digest, isSafe: sequence.isSafe && sequence.hasData)
    case .mac(var mac):
      out.sized(mac.finalize())
      writeNullTicket(tag: 0x8024)
    case .event: throw .handle(.mode, 1)
    }
    c.flushes = c.handles[0]
  }

  @inline(never)
  mutating func eventSequenceComplete(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let data = try r.sizedArray(limit: Limits.inputBuffer)
    try r.finish()
    var sequence = try sequence(c.handles[1], 2)
    guard case .event = sequence.kind else { throw .handle(.mode, 2) }
    if c.handles[0] != Handle.null {
      guard isLocality(job.locality, in: PCRBanks.extendLocalities(Int(c.handles[0]))) else {
        throw .code(.locality)
      }
    }
    sequence.update(data)
    guard case .event(var hashes) = sequence.kind else { throw .handle(.mode, 2) }
    var digests = InlineArray<4, Digest>(repeating: Digest())
    for bank in 0..<4 { digests[bank] = hashes[bank].finalize() }
    writeAndExtend(c.handles[0], digests)
    c.flushes = c.handles[1]
  }

  @inline(never)
  mutating func encryptDecrypt(_ r: inout Reader, _ c: Context, second: Bool) throws(Stop) {
    var data: [UInt8] = []
    if second {
      r.next()
      data = try r.sizedArray(limit: Limits.inputBuffer)
    }
    r.next()
    let decrypts = try r.yesNo()
    r.next()
    let modeNumber = second ? 3 : 2
    var mode = try r.u16()
    guard mode == Algorithm.null || Algorithm.mode(mode) != nil else { throw r.error(.mode) }
    r.next()
    let ivIn: FixedBytes<16> = try r.sized()
    let ivNumber = second ? 4 : 3
    if !second {
      r.next()
      data = try r.sizedArray(limit: Limits.inputBuffer)
    }
    let dataNumber = second ? 1 : 4
    try r.finish()
    let key = try object(c.handles[0], 1)
    guard key.area.type == Algorithm.symCipher, key.hasSecret else { throw .handle(.key, 1) }
    guard !key.area.has(ObjectAttribute.restricted) else { throw .handle(.attributes, 1) }
    guard key.area.has(decrypts ? ObjectAttribute.decrypt : ObjectAttribute.sign) else {
      throw .handle(.attributes, 1)
    }
    if key.area.symmetric.mode != Algorithm.null {
      guard mode == Algorithm.null || mode == key.area.symmetric.mode else {
        throw .parameter(.mode, modeNumber)
      }
      mode = key.area.symmetric.mode
    }
    guard let cipherMode = Algorithm.mode(mode) else { throw .parameter(.mode, modeNumber) }
    guard ivIn.count == (cipherMode == .ecb ? 0 : 16) else { throw .parameter(.size, ivNumber) }
    var iv = InlineArray<16, UInt8>(repeating: 0)
    for index in 0..<ivIn.count { iv[index] = ivIn[index] }
    let isWhole = data.count & 15 == 0
    guard isWhole || (cipherMode != .ecb && cipherMode != .cbc) else { throw .parameter(.size, dataNumber) }
    guard let done = try crypt(key.secret, cipherMode, encrypts: !decrypts, iv: iv, data), done.count >= 16
    else { throw .handle(.key, 1) }
    out.sized(Array(done[16...]))
    // The IV that continues the stream, not the one that came in (CVE-2021-3446).
    out.sized(cipherMode == .ecb ? FixedBytes<16>() : FixedBytes<16>(done.span.extracting(first: 16)))
  }
}
