// CommitCommands: ephemeral points that two-phase key exchange and ECDAA use up later (Part 3 §19, Part 1 §C.2).
import Crypto

/// The commitments that are open: a counter, and one bit for each of the last 128.
struct Commitments {
  static let open = 128
  /// The secret that every ephemeral key is derived from; new at each TPM Reset.
  var secret = Digest()
  var counter: UInt64 = 0
  var bits = InlineArray<2, UInt64>(repeating: 0)

  private static func place(_ number: UInt64) -> (Int, UInt64) {
    (Int(number &>> 6 & 1), 1 &<< (number & 63))
  }

  /// The next number; the one 128 before it is closed.
  mutating func next() -> UInt64 {
    let (word, bit) = Self.place(counter)
    bits[word] |= bit
    defer { counter &+= 1 }
    return counter
  }

  /// The open commitment whose low 16 bits a client was told; nil if there is none.
  func find(_ low: UInt16) -> UInt64? {
    let distance = UInt64(UInt16(truncatingIfNeeded: counter) &- low)
    guard distance >= 1, distance <= Self.open, distance <= counter else { return nil }
    let number = counter &- distance
    let (word, bit) = Self.place(number)
    return bits[word] & bit != 0 ? number : nil
  }

  mutating func close(_ number: UInt64) {
    let (word, bit) = Self.place(number)
    bits[word] &= ~bit
  }
}

extension TPMEngine {
  /// The ephemeral key of a commitment (Part 1 §C.2.2): derived, so that none is stored.
  private func ephemeral(_ curve: EllipticCurve, _ name: Name, _ number: UInt64) -> FixedBytes<48> {
    var counter = FixedBytes<8>()
    counter.append(big: number)
    var random = KDF.a(
      .sha512, key: volatile.commitments.secret.span, label: "ECDAA Commit", name.span, counter.span,
      bits: (curve.size &+ 8) &* 8)
    defer { random.wipe() }
    return curve.scalar(random: random.span)
  }

  /// Makes the random value that this power cycle's commitments are derived from.
  mutating func startCommitments() {
    volatile.commitments = Commitments()
    volatile.commitments.secret = drbg.bytes(48)
  }

  @inline(never)
  mutating func ecEphemeral(_ r: inout Reader) throws(Stop) {
    r.next()
    guard let curve = Algorithm.curve(try r.u16()) else { throw r.error(.curve) }
    try r.finish()
    let number = volatile.commitments.counter
    guard let point = try multiply(curve, ephemeral(curve, Name(), number)) else { throw .code(.noResult) }
    writePoint(point)
    out.u16(UInt16(truncatingIfNeeded: volatile.commitments.next()))
  }

  @inline(never)
  mutating func zGen2Phase(_ r: inout Reader, _ c: Context) throws(Stop) {
    let (key, curve) = try eccKey(c.handles[0])
    r.next()
    let fixed = try r.eccPoint(curve)
    r.next()
    let passing = try r.eccPoint(curve)
    r.next()
    let scheme = try r.u16()
    guard scheme == Algorithm.ecdh else { throw r.error(.scheme) }
    r.next()
    let low = try r.u16()
    try r.finish()
    guard !key.area.has(ObjectAttribute.restricted), key.area.has(ObjectAttribute.decrypt), key.hasSecret
    else {
      throw .handle(.attributes, 1)
    }
    guard key.area.scheme.isNull || key.area.scheme.algorithm == scheme else {
      throw .parameter(.scheme, 3)
    }
    guard let number = volatile.commitments.find(low) else { throw .parameter(.value, 4) }
    guard let first = try multiply(curve, FixedBytes<48>(key.secret.span), fixed),
      let second = try multiply(curve, ephemeral(curve, Name(), number), passing)
    else { throw .code(.noResult) }
    volatile.commitments.close(number)
    writePoint(first)
    writePoint(second)
  }

  /// A point that may be left out, as two empty coordinates or no bytes at all.
  private func optionalPoint(_ r: inout Reader, _ curve: EllipticCurve) throws(Stop) -> ECPoint? {
    var probe = r
    let range = try probe.sizedRange()
    if range.count == 4 {
      var inner = probe.nested(range)
      if try inner.u32() == 0 {
        r = probe
        return nil
      }
    }
    return try r.eccPoint(curve)
  }

  @inline(never)
  mutating func commit(_ r: inout Reader, _ c: Context) throws(Stop) {
    let (key, curve) = try eccKey(c.handles[0])
    r.next()
    let given = try optionalPoint(&r, curve)
    r.next()
    let s2 = try r.sizedArray(limit: 128)
    r.next()
    let y2: FixedBytes<48> = try r.sized()
    try r.finish()
    guard key.area.scheme.algorithm == Algorithm.ecdaa, key.area.has(ObjectAttribute.sign), key.hasSecret,
      let hash = key.area.nameAlgorithm
    else { throw .handle(.key, 1) }
    guard s2.isEmpty == y2.isEmpty else { throw .parameter(.size, 3) }
    let number = volatile.commitments.counter
    let random = ephemeral(curve, key.name, number)
    var k: ECPoint?
    var l: ECPoint?
    var e: ECPoint?
    if !s2.isEmpty {
      // P2 = (H(s2) mod p, y2): a digest longer than a coordinate is no digest of this curve's keys.
      let digest = Hasher.hash(hash, s2)
      guard let x = FixedBytes<48>(digest.span).padded(to: curve.size), let y = y2.padded(to: curve.size)
      else {
        throw .parameter(.eccPoint, 2)
      }
      let second = ECPoint(x: x, y: y)
      guard curve.contains(second) else { throw .parameter(.eccPoint, 2) }
      k = try multiply(curve, FixedBytes<48>(key.secret.span), second)
      l = try multiply(curve, random, second)
      if k == nil || l == nil { throw .code(.noResult) }
    }
    if let given {
      e = try multiply(curve, random, given)
      if e == nil { throw .code(.noResult) }
    } else if s2.isEmpty {
      e = try multiply(curve, random)
      if e == nil { throw .code(.noResult) }
    }
    for point in [k, l, e] {
      if let point { writePoint(point) } else { writePoint(ECPoint(x: FixedBytes(), y: FixedBytes())) }
    }
    out.u16(UInt16(truncatingIfNeeded: volatile.commitments.next()))
  }

  /// An ECDAA signature (Part 1 §C.4.2): r is a nonce, s = e + T·d with T = H(nonce ‖ digest) and e the commitment's key.
  mutating func ecdaaSign(_ key: TPMObject, _ scheme: Scheme, _ digest: Digest) throws(Stop) -> Signature {
    guard let curve = key.area.curve, let hash = scheme.hash else { throw .code(.curve) }
    guard let number = volatile.commitments.find(scheme.kdf) else { throw .parameter(.value, 2) }
    var out = Signature()
    out.algorithm = scheme.algorithm
    out.hash = hash
    var nonce = curve.scalar(random: drbg.bytes(curve.size &+ 8).span)
    var hasher = Hasher(hash)
    hasher.update(nonce.span)
    hasher.update(digest.span)
    let challenge = hasher.finalize()
    var random = ephemeral(curve, key.name, number)
    guard
      let s = curve.sum(
        random.span, challenge.span.extracting(first: min(challenge.count, curve.size)),
        times: key.secret.span)
    else {
      throw .code(.noResult)
    }
    random.wipe()
    volatile.commitments.close(number)
    out.r = nonce
    out.s = s
    nonce.wipe()
    return out
  }
}
