// NVCommands: defining, writing, reading and locking NV indices (Part 3 §31).
import Crypto

extension TPMEngine {
  func nvIndex(_ handle: UInt32, _ number: Int) throws(Stop) -> Int {
    guard let index = persistent.index(handle) else { throw .handle(.handle, number) }
    return index
  }

  private func checkAccess(_ auth: UInt32, _ nv: NVIndex, owner: UInt32, platform: UInt32) throws(Stop) {
    switch auth {
    case Handle.owner: guard nv.has(owner) else { throw .code(.nvAuthorization) }
    case Handle.platform: guard nv.has(platform) else { throw .code(.nvAuthorization) }
    default: guard auth == nv.handle else { throw .code(.nvAuthorization) }
    }
  }

  func checkNVRead(_ auth: UInt32, _ handle: UInt32) throws(Stop) {
    guard let index = persistent.index(handle) else { throw .code(.nvAuthorization) }
    let nv = persistent.indices[index]
    if nv.has(NVAttribute.readLocked) { throw .code(.nvLocked) }
    try checkAccess(auth, nv, owner: NVAttribute.ownerRead, platform: NVAttribute.ppRead)
    guard nv.has(NVAttribute.written) else { throw .code(.nvUninitialized) }
  }

  private func checkNVWrite(_ auth: UInt32, _ nv: NVIndex) throws(Stop) {
    if nv.has(NVAttribute.writeLocked) { throw .code(.nvLocked) }
    try checkAccess(auth, nv, owner: NVAttribute.ownerWrite, platform: NVAttribute.ppWrite)
  }

  @inline(never)
  mutating func nvDefineSpace(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    var auth: Digest = try r.sized()
    r.next()
    let range = try r.sizedRange()
    guard !range.isEmpty else { throw r.error(.size) }
    var inner = r.nested(range)
    let handle = try inner.u32()
    guard Handle.isNV(handle) else { throw inner.error(.value) }
    let hash = try inner.hash()
    let attributes = try inner.u32()
    guard attributes & NVAttribute.reserved == 0 else { throw inner.error(.reservedBits) }
    let policy: Digest = try inner.sized()
    let size = Int(try inner.u16())
    guard size <= Limits.nvIndexSize else { throw inner.error(.size) }
    try inner.expectEnd()
    try r.finish()
    auth.dropTrailingZeros()
    let nv = NVIndex(
      handle: handle, nameAlgorithm: hash, attributes: attributes, policy: policy, auth: auth, size: size)
    if !policy.isEmpty && policy.count != hash.digestSize { throw .parameter(.size, 2) }
    guard auth.count <= hash.digestSize else { throw .parameter(.size, 1) }
    switch nv.type {
    case NVAttribute.ordinary: break
    case NVAttribute.counter, NVAttribute.bits, NVAttribute.pinFail, NVAttribute.pinPass:
      guard size == 8 else { throw .parameter(.size, 2) }
    case NVAttribute.extend: guard size == hash.digestSize else { throw .parameter(.size, 2) }
    default: throw .parameter(.attributes, 2)
    }
    let state = NVAttribute.written | NVAttribute.writeLocked | NVAttribute.readLocked
    let readers = NVAttribute.ppRead | NVAttribute.ownerRead | NVAttribute.authRead | NVAttribute.policyRead
    let writers =
      NVAttribute.ppWrite | NVAttribute.ownerWrite | NVAttribute.authWrite | NVAttribute.policyWrite
    var isBad = attributes & state != 0 || attributes & readers == 0 || attributes & writers == 0
    isBad = isBad || nv.type == NVAttribute.counter && nv.has(NVAttribute.clearSTClear)
    isBad = isBad || nv.type == NVAttribute.pinFail && !nv.has(NVAttribute.noDA)
    isBad =
      isBad
      || nv.isPIN
        && attributes & (NVAttribute.authWrite | NVAttribute.globalLock | NVAttribute.writeDefine) != 0
    isBad = isBad || nv.has(NVAttribute.clearSTClear) && nv.has(NVAttribute.writeDefine)
    if isBad { throw .parameter(.attributes, 2) }
    let isPlatform = c.handles[0] == Handle.platform
    guard nv.has(NVAttribute.platformCreate) == isPlatform else { throw .handle(.attributes, 1) }
    if nv.has(NVAttribute.policyDelete) && !isPlatform { throw .parameter(.attributes, 2) }
    if nv.has(NVAttribute.writeAll) && size > Limits.nvBuffer { throw .parameter(.size, 2) }
    guard persistent.index(handle) == nil else { throw .code(.nvDefined) }
    guard persistent.indices.count < Limits.nvIndices, persistent.nvBytes &+ size &+ 256 <= Limits.nvTotal
    else {
      throw .code(.nvSpace)
    }
    persistent.indices.append(nv)
    touch()
  }

  private mutating func remove(_ index: Int) {
    if persistent.indices[index].type == NVAttribute.counter {
      persistent.maxCounter = max(persistent.maxCounter, persistent.indices[index].word)
    }
    persistent.indices[index].auth.wipe()
    persistent.indices[index].data.wipe()
    persistent.indices.remove(at: index)
    touch()
  }

  @inline(never)
  mutating func nvUndefineSpace(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    let index = try nvIndex(c.handles[1], 2)
    let nv = persistent.indices[index]
    if nv.has(NVAttribute.policyDelete) { throw .handle(.attributes, 2) }
    if nv.has(NVAttribute.platformCreate) && c.handles[0] != Handle.platform { throw .code(.nvAuthorization) }
    remove(index)
  }

  @inline(never)
  mutating func nvUndefineSpaceSpecial(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    let index = try nvIndex(c.handles[0], 1)
    guard persistent.indices[index].has(NVAttribute.policyDelete) else { throw .handle(.attributes, 1) }
    remove(index)
    c.isFirstHandleGone = true
  }

  @inline(never)
  mutating func nvReadPublic(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    let nv = persistent.indices[try nvIndex(c.handles[0], 1)]
    let mark = out.open()
    nv.writePublic(&out)
    out.close(mark)
    out.sized(nv.name)
  }

  private mutating func setWritten(_ index: Int) {
    persistent.indices[index].attributes |= NVAttribute.written
    cancelOrderly()
    touch()
  }

  @inline(never)
  mutating func nvWrite(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let data = try r.sizedArray(limit: Limits.nvBuffer)
    r.next()
    let offset = Int(try r.u16())
    try r.finish()
    let index = try nvIndex(c.handles[1], 2)
    let nv = persistent.indices[index]
    try checkNVWrite(c.handles[0], nv)
    switch nv.type {
    case NVAttribute.ordinary, NVAttribute.pinFail, NVAttribute.pinPass: break
    default: throw .code(.attributes)
    }
    guard offset <= nv.data.count else { throw .parameter(.value, 2) }
    guard offset &+ data.count <= nv.data.count else { throw .code(.nvRange) }
    if nv.has(NVAttribute.writeAll) && data.count != nv.data.count { throw .code(.nvRange) }
    for place in 0..<data.count { persistent.indices[index].data[offset &+ place] = data[place] }
    setWritten(index)
  }

  @inline(never)
  mutating func nvIncrement(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    let index = try nvIndex(c.handles[1], 2)
    let nv = persistent.indices[index]
    try checkNVWrite(c.handles[0], nv)
    guard nv.type == NVAttribute.counter else { throw .handle(.attributes, 2) }
    // A counter begins above every value that any counter ever had.
    let highest = persistent.indices.reduce(persistent.maxCounter) {
      $1.type == NVAttribute.counter && $1.has(NVAttribute.written) ? max($0, $1.word) : $0
    }
    let value = nv.has(NVAttribute.written) ? nv.word : highest
    persistent.indices[index].word = value &+ 1
    setWritten(index)
  }

  @inline(never)
  mutating func nvSetBits(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let bits = try r.u64()
    try r.finish()
    let index = try nvIndex(c.handles[1], 2)
    let nv = persistent.indices[index]
    try checkNVWrite(c.handles[0], nv)
    guard nv.type == NVAttribute.bits else { throw .handle(.attributes, 2) }
    persistent.indices[index].word = (nv.has(NVAttribute.written) ? nv.word : 0) | bits
    setWritten(index)
  }

  @inline(never)
  mutating func nvExtend(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let data = try r.sizedArray(limit: Limits.nvBuffer)
    try r.finish()
    let index = try nvIndex(c.handles[1], 2)
    let nv = persistent.indices[index]
    try checkNVWrite(c.handles[0], nv)
    guard nv.type == NVAttribute.extend else { throw .handle(.attributes, 2) }
    var hasher = Hasher(nv.nameAlgorithm)
    if nv.has(NVAttribute.written) {
      hasher.update(nv.data.span)
    } else {
      hasher.update(Digest(zeros: nv.nameAlgorithm.digestSize).span)
    }
    hasher.update(data.span)
    persistent.indices[index].data = Array(hasher.finalize())
    setWritten(index)
  }

  @inline(never)
  mutating func nvRead(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let size = Int(try r.u16())
    r.next()
    let offset = Int(try r.u16())
    try r.finish()
    let index = try nvIndex(c.handles[1], 2)
    try checkNVRead(c.handles[0], c.handles[1])
    let nv = persistent.indices[index]
    guard size <= Limits.nvBuffer else { throw .parameter(.value, 1) }
    guard offset <= nv.data.count else { throw .parameter(.value, 2) }
    guard offset &+ size <= nv.data.count else { throw .code(.nvRange) }
    out.sized(Array(nv.data[offset..<(offset &+ size)]))
  }

  @inline(never)
  mutating func nvWriteLock(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    let index = try nvIndex(c.handles[1], 2)
    let nv = persistent.indices[index]
    try checkAccess(c.handles[0], nv, owner: NVAttribute.ownerWrite, platform: NVAttribute.ppWrite)
    if nv.has(NVAttribute.writeLocked) { return }
    guard nv.has(NVAttribute.writeDefine) || nv.has(NVAttribute.writeSTClear) else {
      throw .handle(.attributes, 2)
    }
    persistent.indices[index].attributes |= NVAttribute.writeLocked
    cancelOrderly()
    touch()
  }

  @inline(never)
  mutating func nvReadLock(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    let index = try nvIndex(c.handles[1], 2)
    let nv = persistent.indices[index]
    try checkAccess(c.handles[0], nv, owner: NVAttribute.ownerRead, platform: NVAttribute.ppRead)
    guard nv.has(NVAttribute.readSTClear) else { throw .handle(.attributes, 2) }
    persistent.indices[index].attributes |= NVAttribute.readLocked
    cancelOrderly()
    touch()
  }

  @inline(never)
  mutating func nvGlobalWriteLock(_ r: inout Reader) throws(Stop) {
    try r.finish()
    for index in 0..<persistent.indices.count where persistent.indices[index].has(NVAttribute.globalLock) {
      persistent.indices[index].attributes |= NVAttribute.writeLocked
    }
    cancelOrderly()
    touch()
  }

  @inline(never)
  mutating func nvChangeAuth(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    var auth: Digest = try r.sized()
    try r.finish()
    auth.dropTrailingZeros()
    let index = try nvIndex(c.handles[0], 1)
    guard auth.count <= persistent.indices[index].nameAlgorithm.digestSize else { throw .parameter(.size, 1) }
    persistent.indices[index].auth = auth
    touch()
  }

  // MARK: - Power

  /// Startup(CLEAR): locks that last until then are gone (Part 1 §37.7).
  mutating func startupNV() {
    for index in 0..<persistent.indices.count {
      let nv = persistent.indices[index]
      var attributes = nv.attributes & ~NVAttribute.readLocked
      // A WRITEDEFINE lock stays once the index is written.
      if !nv.has(NVAttribute.writeDefine) || !nv.has(NVAttribute.written) {
        attributes &= ~NVAttribute.writeLocked
      }
      if nv.has(NVAttribute.clearSTClear) { attributes &= ~NVAttribute.written }
      persistent.indices[index].attributes = attributes
    }
  }

  /// Orderly indices are stored with every change here, so that an unclean stop loses nothing.
  func unorderlyNV() {}
  func orderlyNV() {}
}
