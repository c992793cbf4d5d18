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
///
/// Small members are copied out: hosted, a yielded one costs a place in the set of accesses under way.
struct PublicArea {
  private var storage = PublicAreaStorage()

  var type: UInt16 {
    get { storage.type }
    _modify {
      own()
      yield &storage.type
    }
  }
  var nameAlgorithm: HashAlgorithm? {
    get { storage.nameAlgorithm }
    _modify {
      own()
      yield &storage.nameAlgorithm
    }
  }
  var attributes: UInt32 {
    get { storage.attributes }
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
    get { storage.symmetric }
    _modify {
      own()
      yield &storage.symmetric
    }
  }
  var scheme: Scheme {
    get { storage.scheme }
    _modify {
      own()
      yield &storage.scheme
    }
  }
  var keyBits: UInt16 {
    get { storage.keyBits }
    _modify {
      own()
      yield &storage.keyBits
    }
  }
  var exponent: UInt32 {
    get { storage.exponent }
    _modify {
      own()
      yield &storage.exponent
    }
  }
  var curveID: UInt16 {
    get { storage.curveID }
    _modify {
      own()
      yield &storage.curveID
    }
  }
  var kdf: Scheme {
    get { storage.kdf }
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
