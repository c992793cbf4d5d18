// PublicArea: TPMT_PUBLIC and the structures inside it.
import Crypto

/// A name: the identifier of a hash and a digest, or a four-byte handle (Part 1 §16).
typealias Name = FixedBytes<66>

/// TPMT_SYM_DEF and TPMT_SYM_DEF_OBJECT (Part 2 §11.1.6, §11.1.7).
struct SymmetricDefinition {
  var algorithm = Algorithm.null
  /// Key bits for AES, the hash for XOR.
  var bits: UInt16 = 0
  var mode = Algorithm.null

  var isNull: Bool { algorithm == Algorithm.null }

  static func == (left: Self, right: Self) -> Bool {
    left.algorithm == right.algorithm && left.bits == right.bits && left.mode == right.mode
  }

  @inline(never)
  func write(_ out: inout Writer) {
    out.u16(algorithm)
    switch algorithm {
    case Algorithm.aes:
      out.u16(bits)
      out.u16(mode)
    case Algorithm.xor: out.u16(bits)
    default: break
    }
  }
}

/// A signing, encryption, key-exchange or derivation scheme with its hash (Part 2 §11.2).
struct Scheme {
  var algorithm = Algorithm.null
  var hash: HashAlgorithm?
  /// The derivation of an XOR scheme, or the count of an ECDAA one.
  var kdf: UInt16 = Algorithm.null

  var isNull: Bool { algorithm == Algorithm.null }

  @inline(never)
  func write(_ out: inout Writer) {
    out.u16(algorithm)
    switch algorithm {
    case Algorithm.null, Algorithm.rsaes: break
    case Algorithm.xor, Algorithm.ecdaa:
      out.hash(hash)
      out.u16(kdf)
    default: out.hash(hash)
    }
  }
}

/// What a public area is made of, on the heap: it is as long as a modulus, and a kernel's stack is small.
final class PublicAreaStorage {
  var type: UInt16 = Algorithm.null
  var nameAlgorithm: HashAlgorithm?
  var attributes: UInt32 = 0
  var policy = Digest()
  var symmetric = SymmetricDefinition()
  var scheme = Scheme()
  var keyBits: UInt16 = 0
  var exponent: UInt32 = 0
  var curveID: UInt16 = 0
  var kdf = Scheme()
  var unique = FixedBytes<384>()
  var uniqueY = FixedBytes<48>()

  init() {}

  init(copying other: PublicAreaStorage) {
    type = other.type
    nameAlgorithm = other.nameAlgorithm
    attributes = other.attributes
    policy = other.policy
    symmetric = other.symmetric
    scheme = other.scheme
    keyBits = other.keyBits
    exponent = other.exponent
    curveID = other.curveID
    kdf = other.kdf
    unique = other.unique
    uniqueY = other.uniqueY
  }
}

/// TPMT_PUBLIC (Part 2 §12.2.4): a value whose copies share storage until one changes.
struct PublicArea {
  private var storage = PublicAreaStorage()

  var type: UInt16 {
    _read { yield storage.type }
    _modify {
      own()
      yield &storage.type
    }
  }
  var nameAlgorithm: HashAlgorithm? {
    _read { yield storage.nameAlgorithm }
    _modify {
      own()
      yield &storage.nameAlgorithm
    }
  }
  var attributes: UInt32 {
    _read { yield storage.attributes }
    _modify {
      own()
      yield &storage.attributes
    }
  }
  var policy: Digest {
    _read { yield storage.policy }
    _modify {
      own()
      yield &storage.policy
    }
  }
  var symmetric: SymmetricDefinition {
    _read { yield storage.symmetric }
    _modify {
      own()
      yield &storage.symmetric
    }
  }
  var scheme: Scheme {
    _read { yield storage.scheme }
    _modify {
      own()
      yield &storage.scheme
    }
  }
  var keyBits: UInt16 {
    _read { yield storage.keyBits }
    _modify {
      own()
      yield &storage.keyBits
    }
  }
  var exponent: UInt32 {
    _read { yield storage.exponent }
    _modify {
      own()
      yield &storage.exponent
    }
  }
  var curveID: UInt16 {
    _read { yield storage.curveID }
    _modify {
      own()
      yield &storage.curveID
    }
  }
  var kdf: Scheme {
    _read { yield storage.kdf }
    _modify {
      own()
      yield &storage.kdf
    }
  }
  /// RSA modulus, ECC x, or the digest of a keyed hash or cipher.
  var unique: FixedBytes<384> {
    _read { yield storage.unique }
    _modify {
      own()
      yield &storage.unique
    }
  }
  /// ECC y.
  var uniqueY: FixedBytes<48> {
    _read { yield storage.uniqueY }
    _modify {
      own()
      yield &storage.uniqueY
    }
  }

  private mutating func own() {
    if !isKnownUniquelyReferenced(&storage) { storage = PublicAreaStorage(copying: storage) }
  }

  func has(_ attribute: UInt32) -> Bool { attributes & attribute != 0 }
  var isAsymmetric: Bool { type == Algorithm.rsa || type == Algorithm.ecc }
  var curve: EllipticCurve? { Algorithm.curve(curveID) }
  var point: ECPoint { ECPoint(x: FixedBytes<48>(unique.span), y: uniqueY) }
  var rsa: RSAPublicKey? { RSAPublicKey(modulus: unique.span, exponent: exponent == 0 ? 65537 : exponent) }

  /// A key that protects children: restricted and decrypting, and no keyed hash.
  var isStorageKey: Bool {
    has(ObjectAttribute.restricted) && has(ObjectAttribute.decrypt) && !has(ObjectAttribute.sign)
      && type != Algorithm.keyedHash
  }

  /// A keyed hash that other keys are derived from (Part 1 §28).
  var isDerivationParent: Bool {
    type == Algorithm.keyedHash && has(ObjectAttribute.restricted) && has(ObjectAttribute.decrypt)
  }

  @inline(never)
  func write(_ out: inout Writer) {
    out.u16(type)
    out.hash(nameAlgorithm)
    out.u32(attributes)
    out.sized(policy)
    writeParameters(&out)
    out.sized(unique)
    if type == Algorithm.ecc { out.sized(uniqueY) }
  }

  func writeParameters(_ out: inout Writer) {
    switch type {
    case Algorithm.rsa:
      symmetric.write(&out)
      scheme.write(&out)
      out.u16(keyBits)
      out.u32(exponent)
    case Algorithm.ecc:
      symmetric.write(&out)
      scheme.write(&out)
      out.u16(curveID)
      kdf.write(&out)
    case Algorithm.keyedHash: scheme.write(&out)
    default: symmetric.write(&out)
    }
  }

  func writeSized(_ out: inout Writer) {
    let mark = out.open()
    write(&out)
    out.close(mark)
  }

  /// nameAlg ‖ H(TPMT_PUBLIC); empty without a name algorithm (Part 1 §16).
  @inline(never)
  var name: Name {
    guard let hash = nameAlgorithm else { return Name() }
    var out = Writer()
    write(&out)
    var name = Name()
    name.append(big: hash.id)
    name.append(Hasher.hash(hash, out.bytes).span)
    return name
  }
}

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
