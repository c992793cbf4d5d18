// ObjectSupport: hierarchies' secrets, attribute checks, creation and binding of objects.
import Crypto

extension TPMEngine {
  func proof(_ hierarchy: UInt32) -> Digest {
    switch hierarchy {
    case Handle.owner: persistent.owner.proof
    case Handle.endorsement: persistent.endorsement.proof
    case Handle.platform: persistent.platform.proof
    default: volatile.null.proof
    }
  }

  func seed(_ hierarchy: UInt32) -> Digest {
    switch hierarchy {
    case Handle.owner: persistent.owner.seed
    case Handle.endorsement: persistent.endorsement.seed
    case Handle.platform: persistent.platform.seed
    default: volatile.null.seed
    }
  }

  /// The hierarchy that an entity belongs to, for tickets.
  func hierarchy(_ handle: UInt32) -> UInt32 {
    switch Handle.type(handle) {
    case 0x80:
      if let slot = slotIndex(handle), case .object(let object) = volatile.slots[slot] {
        return object.hierarchy
      }
      return Handle.null
    case 0x81: return persistent.object(handle).map { persistent.objects[$0].object.hierarchy } ?? Handle.null
    case 0x01:
      let isPlatform = persistent.index(handle).map { persistent.indices[$0].has(NVAttribute.platformCreate) }
      return isPlatform == true ? Handle.platform : Handle.owner
    case 0x40: return handle == Handle.lockout ? Handle.owner : handle
    default: return Handle.null
    }
  }

  var freeSlot: Int? { volatile.slots.firstIndex { $0.isEmpty } }

  mutating func place(_ slot: Slot) throws(Stop) -> UInt32 {
    guard let index = freeSlot else { throw .code(.objectMemory) }
    volatile.slots[index] = slot
    return Handle.transient | UInt32(index)
  }

  func requireSlot() throws(Stop) {
    guard freeSlot != nil else { throw .code(.objectMemory) }
  }

  // MARK: - Attributes and schemes (Part 3 §12.1.1; the reference's §1.8)

  /// Checks a public area of a new or loaded object.
  ///
  /// `parent` is nil under a primary seed.
  @inline(never)
  func check(_ area: PublicArea, parent: TPMObject?, isNew: Bool, parameter: Int) throws(Stop) {
    func stop(_ code: ResponseCode) -> Stop { .parameter(code, parameter) }
    let fixedTPM = area.has(ObjectAttribute.fixedTPM)
    let fixedParent = area.has(ObjectAttribute.fixedParent)
    let restricted = area.has(ObjectAttribute.restricted)
    let sign = area.has(ObjectAttribute.sign)
    let decrypt = area.has(ObjectAttribute.decrypt)
    guard let nameHash = area.nameAlgorithm else { throw stop(.hash) }
    if !area.policy.isEmpty && area.policy.count != nameHash.digestSize { throw stop(.size) }
    if let parent, !parent.area.has(ObjectAttribute.fixedTPM) {
      if fixedTPM { throw stop(.attributes) }
      if isNew
        && area.has(ObjectAttribute.encryptedDuplication)
          != parent.area.has(ObjectAttribute.encryptedDuplication)
      {
        throw stop(.attributes)
      }
    } else if fixedTPM != fixedParent {
      throw stop(.attributes)
    }
    if fixedTPM && area.has(ObjectAttribute.encryptedDuplication) { throw stop(.attributes) }
    if sign == decrypt {
      if restricted { throw stop(.attributes) }
      if area.type != Algorithm.keyedHash && !sign { throw stop(.attributes) }
    }
    try checkScheme(area, stop)
    if let parent, isNew, area.isStorageKey, fixedParent {
      guard area.nameAlgorithm == parent.area.nameAlgorithm else { throw stop(.hash) }
      if !(area.symmetric == parent.area.symmetric) { throw stop(.symmetric) }
    }
  }

  private func checkScheme(_ area: PublicArea, _ stop: (ResponseCode) -> Stop) throws(Stop) {
    let restricted = area.has(ObjectAttribute.restricted)
    let sign = area.has(ObjectAttribute.sign)
    let decrypt = area.has(ObjectAttribute.decrypt)
    if area.isAsymmetric {
      if restricted && decrypt {
        if area.symmetric.isNull { throw stop(.symmetric) }
        if area.symmetric.mode != Algorithm.cfb { throw stop(.symmetric) }
      } else if !area.symmetric.isNull {
        throw stop(.symmetric)
      }
    }
    switch area.type {
    case Algorithm.rsa, Algorithm.ecc:
      if area.type == Algorithm.rsa && area.exponent != 0 && area.exponent != 65537 { throw stop(.range) }
      if !area.kdf.isNull { throw stop(.kdf) }
      if sign == decrypt {
        if !area.scheme.isNull { throw stop(.scheme) }
      } else if sign {
        switch area.scheme.algorithm {
        case Algorithm.null: if restricted { throw stop(.scheme) }
        case Algorithm.rsassa, Algorithm.rsapss, Algorithm.ecdsa, Algorithm.ecdaa: break
        default: throw stop(.scheme)
        }
      } else {
        switch area.scheme.algorithm {
        case Algorithm.null: break
        case Algorithm.rsaes, Algorithm.oaep, Algorithm.ecdh: if restricted { throw stop(.scheme) }
        default: throw stop(.scheme)
        }
      }
    case Algorithm.keyedHash:
      if sign == decrypt {
        if !area.scheme.isNull { throw stop(.scheme) }
      } else if sign {
        if area.scheme.algorithm != Algorithm.hmac && !(area.scheme.isNull && !restricted) {
          throw stop(.scheme)
        }
      } else {
        if area.scheme.algorithm != Algorithm.xor && !(area.scheme.isNull && !restricted) {
          throw stop(.scheme)
        }
      }
    default:
      if restricted && decrypt && area.symmetric.mode != Algorithm.cfb { throw stop(.symmetric) }
    }
  }

  // MARK: - Creation

  /// TPM2B_SENSITIVE_CREATE: authorization and data.
  @inline(never)
  func sensitiveCreate(_ r: inout Reader, _ request: CreationRequest) throws(Stop) {
    r.next()
    let range = try r.sizedRange()
    guard !range.isEmpty else { throw r.error(.size) }
    var inner = r.nested(range)
    request.auth = try inner.sized()
    request.data = try inner.sized(limit: Limits.symmetricData)
    try inner.expectEnd()
    request.auth.dropTrailingZeros()
  }

  func checkCreation(_ area: PublicArea, _ auth: Digest, _ data: FixedBytes<192>) throws(Stop) {
    let isOrigin = area.has(ObjectAttribute.sensitiveDataOrigin)
    guard let hash = area.nameAlgorithm, auth.count <= hash.digestSize else { throw .parameter(.size, 1) }
    if area.isAsymmetric {
      guard isOrigin, data.isEmpty else { throw .parameter(.attributes, 2) }
    } else if isOrigin == !data.isEmpty {
      throw .parameter(.attributes, 2)
    }
    let isUsed = area.has(ObjectAttribute.sign) || area.has(ObjectAttribute.decrypt)
    if area.type == Algorithm.keyedHash && isOrigin && !isUsed { throw .parameter(.attributes, 2) }
    if area.type == Algorithm.symCipher && !isOrigin && data.count != Int(area.symmetric.bits) / 8 {
      throw .parameter(.keySize, 1)
    }
  }

  /// Makes the key material of an object from a generator and fills in `unique`, then the name.
  ///
  /// Returns `more` further random bytes, at most 16, for which the generator is not asked once more.
  @inline(never)
  mutating func fill(
    _ object: inout TPMObject, _ data: FixedBytes<192>, _ source: inout RandomPool, more: Int = 0
  ) throws(Stop) -> [UInt8] {
    guard let nameHash = object.area.nameAlgorithm else { throw .parameter(.hash, 2) }
    object.hasSecret = true
    switch object.area.type {
    case Algorithm.rsa:
      guard let key = try rsaGenerate(bits: Int(object.area.keyBits), source.generator) else {
        throw .parameter(.keySize, 2)
      }
      object.area.unique = FixedBytes(key.publicKey.modulus.span)
      object.secret = key.prime
      object.rsaKey = key
      // The seed must not follow from the same bytes as the primes.
      let label: InlineArray<4, UInt8> = [0x73, 0x65, 0x65, 0x64]
      source.mixIn(label.span, label.span)
    case Algorithm.ecc:
      guard let curve = object.area.curve else { throw .parameter(.curve, 2) }
      let random = source.bytes(curve.size &+ 8)
      let scalar = curve.scalar(random: random.span)
      guard let point = try multiply(curve, scalar) else { throw .parameter(.curve, 2) }
      object.secret = FixedBytes(scalar.span)
      object.area.unique = FixedBytes(point.x.span)
      object.area.uniqueY = point.y
    case Algorithm.symCipher:
      object.secret =
        data.isEmpty ? FixedBytes(source.bytes(Int(object.area.symmetric.bits) / 8).span) : data
    default:
      let size = object.area.scheme.hash?.digestSize ?? nameHash.digestSize
      object.secret =
        object.area.has(ObjectAttribute.sensitiveDataOrigin) ? FixedBytes(source.bytes(size).span) : data
    }
    let hasSeed = object.area.isStorageKey || !object.area.isAsymmetric
    let size = hasSeed ? nameHash.digestSize : 0
    var drawn = FixedBytes<80>(zeros: size &+ more)
    defer { drawn.wipe() }
    if !drawn.isEmpty {
      var span = drawn.mutableSpan
      source.fill(&span)
      object.seed = Digest(drawn.span.extracting(first: size))
    }
    if !object.area.isAsymmetric {
      object.area.unique = FixedBytes(Self.symmetricUnique(object, nameHash).span)
    }
    object.name = object.area.name
    return [UInt8](copying: drawn.span.extracting(size..<drawn.count))
  }

  /// H(seed ‖ sensitive data) of a keyed hash or cipher (Part 1 §27.5.3).
  static func symmetricUnique(_ object: TPMObject, _ hash: HashAlgorithm) -> Digest {
    var hasher = Hasher(hash)
    hasher.update(object.seed.span)
    hasher.update(object.secret.span)
    return hasher.finalize()
  }

  /// A generator that is a function of the primary seed, the template and the sensitive data.
  ///
  /// Objects of the endorsement hierarchy mix in both proofs where children hang below, so that Clear
  /// makes those unloadable; the key itself stays the same.
  @inline(never)
  func primarySource(_ hierarchy: UInt32, _ area: PublicArea, _ data: FixedBytes<192>) -> RandomPool {
    var template = area
    template.attributes &= ~ObjectAttribute.stClear
    let label: InlineArray<7, UInt8> = [0x70, 0x72, 0x69, 0x6D, 0x61, 0x72, 0x79]
    var personal = Writer()
    personal.raw(label.span)
    personal.raw(template.name)
    personal.raw(data)
    let none = InlineArray<1, UInt8>(repeating: 0)
    let source = HMACDRBG(
      .sha256, entropy: seed(hierarchy).span, nonce: none.span.extracting(first: 0),
      personalization: personal.bytes.span)
    return RandomPool(source, isPooled: false)
  }

  /// TPMS_CREATION_DATA, its hash and ticket, and the object's name as the creating commands answer.
  @inline(never)
  mutating func writeCreation(
    _ object: TPMObject, parent: TPMObject?, hierarchy: UInt32, _ request: CreationRequest
  ) {
    guard let hash = object.area.nameAlgorithm else { return }
    let (filtered, pcrDigest) = digest(request.selection, hash)
    var data = Writer()
    filtered.write(&data)
    data.sized(pcrDigest)
    data.u8(job.locality < 5 ? 1 &<< job.locality : job.locality)
    if let parent {
      data.hash(parent.area.nameAlgorithm)
      data.sized(parent.name)
      data.sized(parent.qualifiedName)
    } else {
      var name = Name()
      name.append(big: hierarchy)
      data.u16(Algorithm.null)
      data.sized(name)
      data.sized(name)
    }
    data.sized(request.outside)
    let creationHash = Hasher.hash(hash, data.bytes)
    out.sized(data.bytes)
    out.sized(creationHash)
    writeTicket(tag: 0x8021, hierarchy: hierarchy, creationTicket(hierarchy, object.name, creationHash))
  }

  @inline(never)
  func creationTicket(_ hierarchy: UInt32, _ name: Name, _ creationHash: Digest) -> Digest {
    var mac = HMAC(.sha256, key: proof(hierarchy).span)
    mac.update(big: UInt16(0x8021))
    mac.update(name.span)
    mac.update(creationHash.span)
    return mac.finalize()
  }

  @inline(never)
  func verifiedTicket(_ hierarchy: UInt32, _ digest: Digest, _ name: Name) -> Digest {
    var mac = HMAC(.sha256, key: proof(hierarchy).span)
    mac.update(big: UInt16(0x8022))
    mac.update(digest.span)
    mac.update(name.span)
    return mac.finalize()
  }

  @inline(never)
  func hashTicket(_ hierarchy: UInt32, _ hash: HashAlgorithm, _ digest: Digest) -> Digest {
    var mac = HMAC(.sha256, key: proof(hierarchy).span)
    mac.update(big: UInt16(0x8024))
    mac.update(big: hash.id)
    mac.update(digest.span)
    return mac.finalize()
  }

  mutating func writeTicket(tag: UInt16, hierarchy: UInt32, _ digest: Digest) {
    out.u16(tag)
    out.u32(hierarchy)
    out.sized(digest)
  }

  mutating func writeNullTicket(tag: UInt16) {
    writeTicket(tag: tag, hierarchy: Handle.null, Digest())
  }

  // MARK: - Binding

  /// Checks that a private part belongs to a public one (Part 3 §12.2.1 BINDING).
  mutating func bind(_ object: inout TPMObject, parameter: Int) throws(Stop) {
    let nameHash = object.area.nameAlgorithm ?? .sha256
    if object.auth.count > nameHash.digestSize && object.area.nameAlgorithm != nil {
      throw .parameter(.size, parameter)
    }
    switch object.area.type {
    case Algorithm.rsa:
      guard let publicKey = object.area.rsa else { throw .parameter(.binding, parameter) }
      guard let key = try rsaLoad(publicKey, prime: object.secret) else {
        throw .parameter(.binding, parameter)
      }
      object.rsaKey = key
    case Algorithm.ecc:
      guard let curve = object.area.curve,
        let scalar = FixedBytes<48>(object.secret.span).padded(to: curve.size),
        object.secret.count <= curve.size, let point = try multiply(curve, scalar),
        let x = FixedBytes<48>(object.area.unique.span).padded(to: curve.size),
        let y = object.area.uniqueY.padded(to: curve.size), point.x.matches(x.span), point.y.matches(y.span)
      else { throw .parameter(.binding, parameter) }
      object.secret = FixedBytes(scalar.span)
    case Algorithm.symCipher:
      guard object.secret.count == Int(object.area.symmetric.bits) / 8 else {
        throw .parameter(.keySize, parameter)
      }
      fallthrough
    default:
      guard object.area.nameAlgorithm != nil else { break }
      guard Self.symmetricUnique(object, nameHash).matches(object.area.unique.span) else {
        throw .parameter(.binding, parameter)
      }
    }
  }
}

extension Reader {
  /// TPMT_SENSITIVE into an object of the same type.
  mutating func sensitive(into object: inout TPMObject) throws(Stop) {
    guard try u16() == object.area.type else { throw error(.type) }
    object.auth = try sized()
    object.auth.dropTrailingZeros()
    object.seed = try sized()
    object.secret = try sized()
    object.hasSecret = true
  }

  /// TPMT_TK of any kind.
  @inline(never)
  mutating func ticket() throws(Stop) -> Ticket {
    let tag = try u16()
    let hierarchy = try u32()
    guard TPMEngine.isHierarchy(hierarchy) else { throw error(.value) }
    return Ticket(tag: tag, hierarchy: hierarchy, digest: try sized())
  }
}

/// TPMT_TK_CREATION, _VERIFIED, _AUTH or _HASHCHECK (Part 2 §10.7).
struct Ticket {
  let tag: UInt16
  let hierarchy: UInt32
  let digest: Digest
}
