// SigningCommands: signatures, and RSA and ECC primitives on loaded keys (Part 3 §14, §20).
import Crypto

/// TPMT_SIGNATURE (Part 2 §11.3.4).
struct Signature {
  var algorithm = Algorithm.null
  var hash: HashAlgorithm?
  var rsa = RSANumber()
  var r = FixedBytes<48>()
  var s = FixedBytes<48>()
  var mac = Digest()

  func write(_ out: inout Writer) {
    out.u16(algorithm)
    switch algorithm {
    case Algorithm.rsassa, Algorithm.rsapss:
      out.hash(hash)
      out.sized(rsa)
    case Algorithm.ecdsa, Algorithm.ecdaa:
      out.hash(hash)
      out.sized(r)
      out.sized(s)
    case Algorithm.hmac:
      out.hash(hash)
      out.raw(mac)
    default: break
    }
  }
}

extension Reader {
  mutating func signature() throws(Stop) -> Signature {
    var out = Signature()
    out.algorithm = try u16()
    switch out.algorithm {
    case Algorithm.rsassa, Algorithm.rsapss:
      out.hash = try hash()
      out.rsa = try sized()
    case Algorithm.ecdsa, Algorithm.ecdaa:
      out.hash = try hash()
      out.r = try sized()
      out.s = try sized()
    case Algorithm.hmac:
      let hash = try hash()
      out.hash = hash
      out.mac = try raw(hash.digestSize)
    default: throw error(.scheme)
    }
    return out
  }
}

extension TPMEngine {
  /// The scheme that a signature is made with: the key's, or the caller's where the key leaves it open.
  ///
  /// A scheme that does not fit the key's type is refused here, before any key is touched (VRT0009).
  func select(_ given: Scheme, for area: PublicArea, parameter: Int) throws(Stop) -> Scheme {
    var scheme = area.scheme
    if scheme.isNull {
      scheme = given
      guard !scheme.isNull else { throw .parameter(.scheme, parameter) }
    } else if !given.isNull {
      guard given.algorithm == scheme.algorithm, given.hash == scheme.hash else {
        throw .parameter(.scheme, parameter)
      }
      // Which commitment an ECDAA signature uses up is the caller's to say.
      scheme.kdf = given.kdf
    }
    let fits: Bool
    switch scheme.algorithm {
    case Algorithm.rsassa, Algorithm.rsapss: fits = area.type == Algorithm.rsa
    case Algorithm.ecdsa, Algorithm.ecdaa: fits = area.type == Algorithm.ecc
    case Algorithm.hmac: fits = area.type == Algorithm.keyedHash
    default: fits = false
    }
    guard fits, scheme.hash != nil else { throw .parameter(.scheme, parameter) }
    return scheme
  }

  /// Signs a digest; all that can be wrong with key and scheme was checked.
  mutating func sign(_ handle: UInt32, _ key: TPMObject, _ scheme: Scheme, _ digest: Digest) throws(Stop)
    -> Signature
  {
    var out = Signature()
    out.algorithm = scheme.algorithm
    out.hash = scheme.hash
    guard let hash = scheme.hash else { throw .code(.scheme) }
    switch scheme.algorithm {
    case Algorithm.rsassa, Algorithm.rsapss:
      let values = try rsaKey(handle, key)
      let size = values.publicKey.size
      let encoded: RSANumber?
      if scheme.algorithm == Algorithm.rsassa {
        encoded = RSASignaturePadding.pkcs1(hash, digest: digest.span, size: size)
      } else {
        let salt = drbg.bytes(min(hash.digestSize, size &- hash.digestSize &- 2))
        encoded = RSASignaturePadding.pss(hash, digest: digest.span, salt: salt.span, size: size)
      }
      guard let encoded else { throw .code(.scheme) }
      guard let signature = try rsaPrivate(values, encoded) else {
        // The re-check failed: hardware can't be trusted any more.
        volatile.isFailed = true
        throw .code(.failure)
      }
      out.rsa = signature
    case Algorithm.ecdsa:
      guard let curve = key.area.curve else { throw .code(.curve) }
      let extra = drbg.bytes(32)
      guard let signature = try ecdsaSign(curve, hash, FixedBytes<48>(key.secret.span), digest, extra: extra)
      else {
        throw .code(.failure)
      }
      out.r = signature.r
      out.s = signature.s
    case Algorithm.ecdaa: return try ecdaaSign(key, scheme, digest)
    default:
      out.mac = HMAC.code(hash, key: key.secret.span, digest.span)
    }
    return out
  }

  func verifyMAC(_ key: TPMObject, _ hash: HashAlgorithm, _ digest: Digest, _ mac: Digest) -> Bool {
    HMAC.code(hash, key: key.secret.span, digest.span).matches(mac.span)
  }

  /// Checks a signature with a public key or a loaded HMAC key.
  mutating func verify(_ key: TPMObject, _ digest: Digest, _ signature: Signature, parameter: Int)
    throws(Stop)
  {
    guard let hash = signature.hash else { throw .parameter(.scheme, parameter) }
    if !key.area.scheme.isNull && key.area.has(ObjectAttribute.sign) {
      guard key.area.scheme.algorithm == signature.algorithm, key.area.scheme.hash == hash else {
        throw .parameter(.signature, parameter)
      }
    }
    var isValid = false
    switch signature.algorithm {
    case Algorithm.rsassa, Algorithm.rsapss:
      guard key.area.type == Algorithm.rsa, let publicKey = key.area.rsa else {
        throw .parameter(.scheme, parameter)
      }
      guard signature.rsa.count == publicKey.size else { throw .parameter(.signature, parameter) }
      if let encoded = try rsaPublic(publicKey, signature.rsa) {
        if signature.algorithm == Algorithm.rsassa {
          isValid =
            RSASignaturePadding.pkcs1(hash, digest: digest.span, size: publicKey.size)?.matches(encoded.span)
            ?? false
        } else {
          isValid = RSASignaturePadding.isPSS(hash, digest: digest.span, encoded: encoded)
        }
      }
    case Algorithm.ecdsa:
      guard key.area.type == Algorithm.ecc, let curve = key.area.curve else {
        throw .parameter(.scheme, parameter)
      }
      guard let x = FixedBytes<48>(key.area.unique.span).padded(to: curve.size),
        let y = key.area.uniqueY.padded(to: curve.size), let r = signature.r.padded(to: curve.size),
        let s = signature.s.padded(to: curve.size)
      else { throw .parameter(.signature, parameter) }
      isValid = try ecdsaVerify(curve, ECPoint(x: x, y: y), digest, ECDSASignature(r: r, s: s))
    case Algorithm.hmac:
      guard key.area.type == Algorithm.keyedHash else { throw .parameter(.scheme, parameter) }
      guard key.hasSecret else { throw .handle(.handle, 1) }
      isValid = verifyMAC(key, hash, digest, signature.mac)
    default: throw .parameter(.scheme, parameter)
    }
    guard isValid else { throw .parameter(.signature, parameter) }
  }

  @inline(never)
  mutating func verifySignature(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let digest: Digest = try r.sized()
    r.next()
    let signature = try r.signature()
    try r.finish()
    let key = try object(c.handles[0], 1)
    guard key.area.has(ObjectAttribute.sign) else { throw .handle(.attributes, 1) }
    try verify(key, digest, signature, parameter: 2)
    guard key.hierarchy != Handle.null, !key.name.isEmpty else {
      writeNullTicket(tag: 0x8022)
      return
    }
    writeTicket(tag: 0x8022, hierarchy: key.hierarchy, verifiedTicket(key.hierarchy, digest, key.name))
  }

  @inline(never)
  mutating func sign(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let digest: Digest = try r.sized()
    r.next()
    let given = try r.signatureScheme()
    r.next()
    let ticket = try r.ticket()
    guard ticket.tag == 0x8024 else { throw r.error(.tag) }
    try r.finish()
    let key = try object(c.handles[0], 1)
    guard key.area.has(ObjectAttribute.sign), key.hasSecret else { throw .handle(.key, 1) }
    guard key.area.type != Algorithm.symCipher else { throw .handle(.key, 1) }
    let scheme = try select(given, for: key.area, parameter: 2)
    guard digest.count == scheme.hash?.digestSize, let hash = scheme.hash else { throw .parameter(.size, 1) }
    if key.area.has(ObjectAttribute.restricted) || !ticket.digest.isEmpty {
      guard !ticket.digest.isEmpty, hashTicket(ticket.hierarchy, hash, digest).matches(ticket.digest.span)
      else {
        throw .parameter(.ticket, 3)
      }
    }
    let signature = try sign(c.handles[0], key, scheme, digest)
    signature.write(&out)
  }

  // MARK: - RSA and ECC primitives

  private func decryptionScheme(_ given: Scheme, _ area: PublicArea) throws(Stop) -> Scheme {
    if area.scheme.isNull
      || area.scheme.algorithm != Algorithm.oaep && area.scheme.algorithm != Algorithm.rsaes
    {
      return given
    }
    if given.isNull { return area.scheme }
    guard given.algorithm == area.scheme.algorithm, given.hash == area.scheme.hash else {
      throw .parameter(.scheme, 2)
    }
    return given
  }

  private func checkLabel(_ label: [UInt8]) throws(Stop) {
    if let last = label.last, last != 0 { throw .parameter(.value, 3) }
  }

  @inline(never)
  mutating func rsaEncrypt(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let message: RSANumber = try r.sized()
    r.next()
    let given = try r.decryptionScheme()
    r.next()
    let label = try r.sizedArray(limit: 64)
    try r.finish()
    let key = try object(c.handles[0], 1)
    guard key.area.type == Algorithm.rsa, let publicKey = key.area.rsa else { throw .handle(.key, 1) }
    guard key.area.has(ObjectAttribute.decrypt) else { throw .handle(.attributes, 1) }
    try checkLabel(label)
    let scheme = try decryptionScheme(given, key.area)
    var encoded: RSANumber?
    switch scheme.algorithm {
    case Algorithm.null: encoded = message.padded(to: publicKey.size)
    case Algorithm.rsaes:
      encoded = RSAEncryptionPadding.pkcs1(message.span, random: &drbg.generator, size: publicKey.size)
    default:
      let hash = scheme.hash ?? .sha256
      let seed = drbg.bytes(hash.digestSize)
      encoded = RSAEncryptionPadding.oaep(
        hash, label: label.span, message.span, seed: seed.span, size: publicKey.size)
    }
    guard let encoded else { throw .parameter(.value, 1) }
    guard let sealed = try rsaPublic(publicKey, encoded) else { throw .parameter(.value, 1) }
    out.sized(sealed)
  }

  @inline(never)
  mutating func rsaDecrypt(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let sealed: RSANumber = try r.sized()
    r.next()
    let given = try r.decryptionScheme()
    r.next()
    let label = try r.sizedArray(limit: 64)
    try r.finish()
    let key = try object(c.handles[0], 1)
    guard key.area.type == Algorithm.rsa, key.hasSecret else { throw .handle(.key, 1) }
    guard !key.area.has(ObjectAttribute.restricted), key.area.has(ObjectAttribute.decrypt) else {
      throw .handle(.attributes, 1)
    }
    try checkLabel(label)
    let scheme = try decryptionScheme(given, key.area)
    guard sealed.count == key.area.unique.count else { throw .parameter(.size, 1) }
    let values = try rsaKey(c.handles[0], key)
    guard let encoded = try rsaPrivate(values, sealed) else { throw .parameter(.size, 1) }
    var message: RSANumber?
    switch scheme.algorithm {
    case Algorithm.null: message = encoded
    case Algorithm.rsaes: message = RSAEncryptionPadding.openPKCS1(encoded)
    default: message = RSAEncryptionPadding.openOAEP(scheme.hash ?? .sha256, label: label.span, encoded)
    }
    guard let message else { throw .parameter(.value, 1) }
    out.sized(message)
  }

  func eccKey(_ handle: UInt32) throws(Stop) -> (TPMObject, EllipticCurve) {
    let key = try object(handle, 1)
    guard key.area.type == Algorithm.ecc, let curve = key.area.curve else { throw .handle(.key, 1) }
    return (key, curve)
  }

  mutating func writePoint(_ point: ECPoint) {
    let mark = out.open()
    out.sized(point.x)
    out.sized(point.y)
    out.close(mark)
  }

  @inline(never)
  mutating func ecdhKeyGen(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    // Only the public part is used: any ECC key will do (Part 3 §14.4).
    let (key, curve) = try eccKey(c.handles[0])
    let scalar = curve.scalar(random: drbg.bytes(curve.size &+ 8).span)
    guard let publicPoint = try multiply(curve, scalar),
      let x = FixedBytes<48>(key.area.unique.span).padded(to: curve.size),
      let y = key.area.uniqueY.padded(to: curve.size),
      let z = try multiply(curve, scalar, ECPoint(x: x, y: y))
    else { throw .handle(.key, 1) }
    writePoint(z)
    writePoint(publicPoint)
  }

  @inline(never)
  mutating func ecdhZGen(_ r: inout Reader, _ c: Context) throws(Stop) {
    let (key, curve) = try eccKey(c.handles[0])
    r.next()
    let point = try r.eccPoint(curve)
    try r.finish()
    guard !key.area.has(ObjectAttribute.restricted), key.area.has(ObjectAttribute.decrypt) else {
      throw .handle(.attributes, 1)
    }
    guard key.area.scheme.isNull || key.area.scheme.algorithm == Algorithm.ecdh else {
      throw .handle(.scheme, 1)
    }
    guard key.hasSecret, let z = try multiply(curve, FixedBytes<48>(key.secret.span), point) else {
      throw .handle(.key, 1)
    }
    writePoint(z)
  }
}
