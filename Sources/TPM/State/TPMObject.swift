// TPMObject: a loaded object, and hash and MAC sequences, as they sit in a slot.
import Crypto

/// What an object is made of, on the heap: three kilobytes that no kernel stack should carry.
final class ObjectStorage {
  var area: PublicArea
  var hierarchy: UInt32
  var name: Name
  var qualifiedName: Name
  var auth = Digest()
  var seed = Digest()
  var secret = FixedBytes<192>()
  var hasSecret = false
  var isPrimary = false
  var isExternal = false
  var rsaKey: RSAPrivateKey?

  init(_ area: PublicArea, _ hierarchy: UInt32, _ name: Name, _ qualifiedName: Name) {
    self.area = area
    self.hierarchy = hierarchy
    self.name = name
    self.qualifiedName = qualifiedName
  }

  init(copying other: ObjectStorage) {
    area = other.area
    hierarchy = other.hierarchy
    name = other.name
    qualifiedName = other.qualifiedName
    auth = other.auth
    seed = other.seed
    secret = other.secret
    hasSecret = other.hasSecret
    isPrimary = other.isPrimary
    isExternal = other.isExternal
    rsaKey = other.rsaKey
  }

  // Whoever holds the last reference leaves no secret behind.
  deinit { wipe() }

  func wipe() {
    auth.wipe()
    seed.wipe()
    secret.wipe()
    rsaKey = nil
    hasSecret = false
  }
}

/// A key or data object.
///
/// A value whose copies share storage until one changes. Sequences are another type, so that no command
/// can take one for an object (VRT0010).
struct TPMObject {
  private var storage: ObjectStorage

  var area: PublicArea {
    get { storage.area }
    _modify {
      own()
      yield &storage.area
    }
  }
  var hierarchy: UInt32 {
    get { storage.hierarchy }
    _modify {
      own()
      yield &storage.hierarchy
    }
  }
  var name: Name {
    _read { yield storage.name }
    _modify {
      own()
      yield &storage.name
    }
  }
  var qualifiedName: Name {
    _read { yield storage.qualifiedName }
    _modify {
      own()
      yield &storage.qualifiedName
    }
  }
  var auth: Digest {
    _read { yield storage.auth }
    _modify {
      own()
      yield &storage.auth
    }
  }
  /// The seed of a storage key's children, or the obfuscation value of symmetric objects.
  var seed: Digest {
    _read { yield storage.seed }
    _modify {
      own()
      yield &storage.seed
    }
  }
  /// One RSA prime, an ECC scalar, a symmetric key or sealed data.
  var secret: FixedBytes<192> {
    _read { yield storage.secret }
    _modify {
      own()
      yield &storage.secret
    }
  }
  var hasSecret: Bool {
    get { storage.hasSecret }
    _modify {
      own()
      yield &storage.hasSecret
    }
  }
  var isPrimary: Bool {
    get { storage.isPrimary }
    _modify {
      own()
      yield &storage.isPrimary
    }
  }
  var isExternal: Bool {
    get { storage.isExternal }
    _modify {
      own()
      yield &storage.isExternal
    }
  }
  /// The CRT values of an RSA key once they were needed; no part of the object's state.
  var rsaKey: RSAPrivateKey? {
    _read { yield storage.rsaKey }
    _modify {
      own()
      yield &storage.rsaKey
    }
  }

  private mutating func own() {
    if !isKnownUniquelyReferenced(&storage) { storage = ObjectStorage(copying: storage) }
  }

  /// An object that is being made: it gets its names when it has its key.
  init(new area: PublicArea, hierarchy: UInt32) {
    storage = ObjectStorage(area, hierarchy, Name(), Name())
  }

  init(area: PublicArea, hierarchy: UInt32, parentName: Name) {
    storage = ObjectStorage(area, hierarchy, area.name, Name())
    qualify(parentName)
  }

  /// nameAlg ‖ H(parent's qualified name ‖ name) (Part 1 §16).
  mutating func qualify(_ parent: Name) {
    guard let hash = area.nameAlgorithm else {
      qualifiedName = Name()
      return
    }
    var hasher = Hasher(hash)
    hasher.update(parent.span)
    hasher.update(name.span)
    qualifiedName = Name()
    qualifiedName.append(big: hash.id)
    qualifiedName.append(hasher.finalize().span)
  }

  /// Overwrites the secrets now if nobody shares them; else the last owner does.
  mutating func wipe() {
    if isKnownUniquelyReferenced(&storage) { storage.wipe() }
  }

  /// TPMT_SENSITIVE, the authorization padded to the name algorithm's size (Part 1 §27.5.2).
  func writeSensitive(_ out: inout Writer) {
    out.u16(area.type)
    var padded = Digest(zeros: max(auth.count, area.nameAlgorithm?.digestSize ?? 0))
    for index in 0..<auth.count { padded[index] = auth[index] }
    out.sized(padded)
    out.sized(seed)
    out.sized(secret)
  }

  /// Everything, for contexts, persistence and the state blob.
  func write(_ out: inout Writer) {
    area.write(&out)
    out.u32(hierarchy)
    out.sized(qualifiedName)
    out.sized(auth)
    out.sized(seed)
    out.sized(secret)
    out.u8((hasSecret ? 1 : 0) | (isPrimary ? 2 : 0) | (isExternal ? 4 : 0))
  }

  /// Nil for anything that `write` can't have produced.
  init(_ reader: inout Reader) throws(Stop) {
    let area = try reader.barePublicArea(nameMayBeNull: true)
    let hierarchy = try reader.u32()
    storage = ObjectStorage(area, hierarchy, area.name, try reader.sized())
    auth = try reader.sized()
    seed = try reader.sized()
    secret = try reader.sized()
    let flags = try reader.u8()
    guard flags < 8 else { throw reader.error(.integrity) }
    hasSecret = flags & 1 != 0
    isPrimary = flags & 2 != 0
    isExternal = flags & 4 != 0
  }
}

/// A hash, HMAC or event sequence (Part 1 §32).
struct Sequence {
  enum Kind {
    case hash(Hasher)
    case mac(HMAC)
    case event(InlineArray<4, Hasher>)
  }
  var kind: Kind
  var auth: Digest
  /// Whether the data may get a hash-check ticket: false once it began with TPM_GENERATED_VALUE or with
  /// fewer than four bytes.
  var isSafe = true
  var hasData = false

  mutating func update(_ bytes: [UInt8]) {
    if !hasData && !bytes.isEmpty {
      hasData = true
      isSafe = Sequence.isSafe(bytes)
    }
    switch kind {
    case .hash(var hash):
      hash.update(bytes.span)
      kind = .hash(hash)
    case .mac(var mac):
      mac.update(bytes.span)
      kind = .mac(mac)
    case .event(var hashes):
      for bank in 0..<4 { hashes[bank].update(bytes.span) }
      kind = .event(hashes)
    }
  }

  /// Whether data cannot pass for a structure of this TPM (Part 3 §17.4).
  static func isSafe(_ bytes: [UInt8]) -> Bool {
    guard bytes.count >= 4 else { return false }
    return !(bytes[0] == 0xFF && bytes[1] == 0x54 && bytes[2] == 0x43 && bytes[3] == 0x47)
  }

  mutating func wipe() {
    auth.wipe()
    switch kind {
    case .hash(var hash):
      hash.wipe()
      kind = .hash(hash)
    case .mac(var mac):
      mac.wipe()
      kind = .mac(mac)
    case .event(var hashes):
      for bank in 0..<4 { hashes[bank].wipe() }
      kind = .event(hashes)
    }
  }

  func write(_ out: inout Writer) {
    out.u8((isSafe ? 1 : 0) | (hasData ? 2 : 0))
    out.sized(auth)
    switch kind {
    case .hash(let hash):
      out.u8(0)
      out.hash(hash.algorithm)
      let saved = hash.save()
      out.raw(saved.span)
    case .mac(let mac):
      out.u8(1)
      out.hash(mac.algorithm)
      let saved = mac.save()
      out.raw(saved.span)
    case .event(let hashes):
      out.u8(2)
      for bank in 0..<4 {
        let saved = hashes[bank].save()
        out.raw(saved.span)
      }
    }
  }

  init(kind: Kind, auth: Digest) {
    self.kind = kind
    self.auth = auth
  }

  init(_ reader: inout Reader) throws(Stop) {
    let flags = try reader.u8()
    isSafe = flags & 1 != 0
    hasData = flags & 2 != 0
    auth = try reader.sized()
    switch try reader.u8() {
    case 0:
      let hash = try reader.hash()
      kind = .hash(Hasher(hash, saved: try reader.array()))
    case 1:
      let hash = try reader.hash()
      kind = .mac(HMAC(hash, saved: try reader.array()))
    case 2:
      var hashes = InlineArray<4, Hasher>(repeating: Hasher(.sha1))
      for bank in 0..<4 { hashes[bank] = Hasher(HashAlgorithm.banks[bank], saved: try reader.array()) }
      kind = .event(hashes)
    default: throw reader.error(.integrity)
    }
  }
}

extension Reader {
  /// Exactly `count` bytes.
  mutating func array<let count: Int>() throws(Stop) -> InlineArray<count, UInt8> {
    let fixed: FixedBytes<count> = try raw(count)
    var out = InlineArray<count, UInt8>(repeating: 0)
    for index in 0..<count { out[index] = fixed[index] }
    return out
  }
}

/// A sequence on the heap; whoever drops it leaves no keyed state behind.
final class RunningSequence {
  var sequence: Sequence

  init(_ sequence: Sequence) { self.sequence = sequence }

  deinit { sequence.wipe() }
}

/// What a transient handle stands for.
enum Slot {
  case empty
  case object(TPMObject)
  case sequence(RunningSequence)

  var isEmpty: Bool { if case .empty = self { true } else { false } }
}
