// Reader+PublicArea: reads TPMT_PUBLIC, schemes, symmetric definitions and points.
import Crypto

extension Reader {
  /// TPM2B_PUBLIC.
  @inline(never)
  mutating func publicArea(nameMayBeNull: Bool = false) throws(Stop) -> PublicArea {
    let range = try sizedRange()
    guard !range.isEmpty else { throw error(.size) }
    var inner = nested(range)
    let area = try inner.barePublicArea(nameMayBeNull: nameMayBeNull)
    try inner.expectEnd()
    return area
  }

  @inline(never)
  mutating func barePublicArea(nameMayBeNull: Bool) throws(Stop) -> PublicArea {
    var area = try publicHead(nameMayBeNull: nameMayBeNull)
    switch area.type {
    case Algorithm.rsa: area.unique = try sized()
    case Algorithm.ecc:
      area.unique = try sized(limit: 48)
      area.uniqueY = try sized()
    default: area.unique = try sized(limit: 64)
    }
    return area
  }

  /// All of a public area but its `unique`.
  @inline(never)
  mutating func publicHead(nameMayBeNull: Bool) throws(Stop) -> PublicArea {
    var area = PublicArea()
    area.type = try u16()
    switch area.type {
    case Algorithm.rsa, Algorithm.ecc, Algorithm.keyedHash, Algorithm.symCipher: break
    default: throw error(.type)
    }
    area.nameAlgorithm = try hashOrNull()
    if area.nameAlgorithm == nil && !nameMayBeNull { throw error(.hash) }
    area.attributes = try u32()
    guard area.attributes & ~ObjectAttribute.known == 0 else { throw error(.reservedBits) }
    area.policy = try sized()
    try parameters(into: &area)
    return area
  }

  /// TPMU_PUBLIC_PARMS for `area.type`.
  mutating func parameters(into area: inout PublicArea) throws(Stop) {
    switch area.type {
    case Algorithm.rsa:
      area.symmetric = try symmetricObject(mayBeNull: true)
      area.scheme = try scheme(rsa: true)
      area.keyBits = try u16()
      guard area.keyBits == 2048 || area.keyBits == 3072 else { throw error(.value) }
      area.exponent = try u32()
    case Algorithm.ecc:
      area.symmetric = try symmetricObject(mayBeNull: true)
      area.scheme = try scheme(rsa: false)
      area.curveID = try u16()
      guard area.curve != nil else { throw error(.curve) }
      area.kdf = try kdfScheme()
    case Algorithm.keyedHash:
      area.scheme.algorithm = try u16()
      switch area.scheme.algorithm {
      case Algorithm.null: break
      case Algorithm.hmac: area.scheme.hash = try hash()
      case Algorithm.xor:
        area.scheme.hash = try hash()
        area.scheme.kdf = try u16()
        guard area.scheme.kdf == Algorithm.kdf1SP800108 else { throw error(.kdf) }
      default: throw error(.value)
      }
    case Algorithm.symCipher:
      area.symmetric = try symmetricObject(mayBeNull: false)
    default: throw error(.type)
    }
  }

  /// TPMT_SYM_DEF_OBJECT.
  mutating func symmetricObject(mayBeNull: Bool) throws(Stop) -> SymmetricDefinition {
    var out = SymmetricDefinition()
    out.algorithm = try u16()
    if out.isNull && mayBeNull { return out }
    guard out.algorithm == Algorithm.aes else { throw error(.symmetric) }
    try aes(&out)
    return out
  }

  /// TPMT_SYM_DEF of a session.
  mutating func symmetricSession() throws(Stop) -> SymmetricDefinition {
    var out = SymmetricDefinition()
    out.algorithm = try u16()
    switch out.algorithm {
    case Algorithm.null: break
    case Algorithm.xor: out.bits = try hash().id
    case Algorithm.aes: try aes(&out)
    default: throw error(.symmetric)
    }
    return out
  }

  private mutating func aes(_ out: inout SymmetricDefinition) throws(Stop) {
    out.bits = try u16()
    guard out.bits == 128 || out.bits == 256 else { throw error(.value) }
    out.mode = try u16()
    guard out.mode == Algorithm.null || Algorithm.mode(out.mode) != nil else { throw error(.mode) }
  }

  /// TPMT_RSA_SCHEME or TPMT_ECC_SCHEME, NULL included.
  mutating func scheme(rsa: Bool) throws(Stop) -> Scheme {
    var out = Scheme()
    out.algorithm = try u16()
    switch out.algorithm {
    case Algorithm.null: break
    case Algorithm.rsassa where rsa, Algorithm.rsapss where rsa, Algorithm.oaep where rsa:
      out.hash = try hash()
    case Algorithm.rsaes where rsa: break
    case Algorithm.ecdsa where !rsa, Algorithm.ecdh where !rsa: out.hash = try hash()
    case Algorithm.ecdaa where !rsa:
      out.hash = try hash()
      out.kdf = try u16()
    default: throw error(.value)
    }
    return out
  }

  /// TPMT_KDF_SCHEME, NULL included.
  mutating func kdfScheme() throws(Stop) -> Scheme {
    var out = Scheme()
    out.algorithm = try u16()
    switch out.algorithm {
    case Algorithm.null: break
    case Algorithm.mgf1, Algorithm.kdf1SP80056A, Algorithm.kdf2, Algorithm.kdf1SP800108: out.hash = try hash()
    default: throw error(.kdf)
    }
    return out
  }

  /// TPMT_SIG_SCHEME, NULL included.
  mutating func signatureScheme() throws(Stop) -> Scheme {
    var out = Scheme()
    out.algorithm = try u16()
    switch out.algorithm {
    case Algorithm.null: break
    case Algorithm.rsassa, Algorithm.rsapss, Algorithm.ecdsa, Algorithm.hmac: out.hash = try hash()
    case Algorithm.ecdaa:
      out.hash = try hash()
      out.kdf = try u16()
    default: throw error(.scheme)
    }
    return out
  }

  /// TPMT_RSA_DECRYPT, NULL included.
  mutating func decryptionScheme() throws(Stop) -> Scheme {
    var out = Scheme()
    out.algorithm = try u16()
    switch out.algorithm {
    case Algorithm.null, Algorithm.rsaes: break
    case Algorithm.oaep: out.hash = try hash()
    default: throw error(.value)
    }
    return out
  }

  /// TPM2B_ECC_POINT with coordinates padded to the curve's size; nil off the curve.
  mutating func eccPoint(_ curve: EllipticCurve) throws(Stop) -> ECPoint {
    var inner = nested(try sizedRange())
    let point = try inner.bareECCPoint(curve)
    try inner.expectEnd()
    return point
  }

  mutating func bareECCPoint(_ curve: EllipticCurve) throws(Stop) -> ECPoint {
    let x: FixedBytes<48> = try sized()
    let y: FixedBytes<48> = try sized()
    guard let paddedX = x.padded(to: curve.size), let paddedY = y.padded(to: curve.size) else {
      throw error(.eccPoint)
    }
    let point = ECPoint(x: paddedX, y: paddedY)
    guard curve.contains(point) else { throw error(.eccPoint) }
    return point
  }
}

extension FixedBytes {
  /// The number left-padded with zeros to `size` bytes; nil if it is longer and does not fit.
  func padded(to size: Int) -> FixedBytes? {
    var skip = 0
    while count &- skip > size {
      guard self[skip] == 0 else { return nil }
      skip &+= 1
    }
    var out = FixedBytes()
    for _ in 0..<(size &- (count &- skip)) { out.append(0) }
    for index in skip..<count { out.append(self[index]) }
    return out
  }
}
