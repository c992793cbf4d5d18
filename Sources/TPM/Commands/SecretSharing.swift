// SecretSharing: secrets to and from asymmetric keys: salts, duplication seeds, credentials (Part 1 §B, §C).
import Crypto

extension TPMEngine {
  /// The CRT values of an RSA key, made once and kept in its slot.
  mutating func rsaKey(_ handle: UInt32, _ object: TPMObject) throws(Stop) -> RSAPrivateKey {
    if let key = object.rsaKey { return key }
    guard let publicKey = object.area.rsa, let key = try rsaLoad(publicKey, prime: object.secret) else {
      throw .code(.failure)
    }
    if let slot = slotIndex(handle), case .object(var stored) = volatile.slots[slot] {
      stored.rsaKey = key
      volatile.slots[slot] = .object(stored)
    } else if let index = persistent.object(handle) {
      persistent.objects[index].object.rsaKey = key
    }
    // A cache is no state: the next run finds it there and must not count this result.
    job.results.removeLast()
    job.cursor &-= 1
    return key
  }

  private static func label(_ text: String) -> [UInt8] { Array(text.utf8) + [0] }

  /// Recovers a secret that was encrypted to a key (Part 1 §B.10.3, §C.6.1); ends the slice.
  mutating func decryptSecret(
    _ handle: UInt32, _ key: TPMObject, _ encrypted: [UInt8], label: String, parameter: Int
  ) throws(Stop) -> Digest {
    if let opened = recall()?.bytes { return Digest(opened.span) }
    guard let hash = key.area.nameAlgorithm else { throw .parameter(.key, parameter) }
    if key.area.type == Algorithm.rsa {
      guard encrypted.count == key.area.unique.count else { throw .parameter(.size, parameter) }
      let values = try rsaKey(handle, key)
      guard let encoded = try rsaPrivate(values, RSANumber(encrypted.span)),
        let secret = RSAEncryptionPadding.openOAEP(hash, label: Self.label(label).span, encoded),
        secret.count <= hash.digestSize
      else { throw .parameter(.value, parameter) }
      throw remember(bytes: Array(secret), forgets: true)
    }
    guard let curve = key.area.curve else { throw .parameter(.key, parameter) }
    var reader = Reader(encrypted, from: 0, to: encrypted.count)
    let point: ECPoint
    do throws(Stop) {
      point = try reader.bareECCPoint(curve)
      try reader.expectEnd()
    } catch {
      if case .code(let code) = error { throw .parameter(code, parameter) }
      throw error
    }
    guard let z = try multiply(curve, FixedBytes<48>(key.secret.span), point) else {
      throw .parameter(.eccPoint, parameter)
    }
    let secret = KDF.e(
      hash, z: z.x.span, label: label, point.x.span, key.area.unique.span, bits: hash.digestSize &* 8)
    throw remember(bytes: Array(secret), forgets: true)
  }

  /// Makes a secret of the key's digest size and encrypts it to the key; ends the slice.
  @inline(never)
  mutating func encryptSecret(
    _ key: TPMObject, label: String, handle number: Int, secret: inout Digest
  ) throws(Stop) -> [UInt8] {
    guard let hash = key.area.nameAlgorithm else { throw .handle(.key, number) }
    if let shared = recall()?.bytes {
      secret = Digest(shared.span.extracting(first: hash.digestSize))
      return Array(shared[hash.digestSize...])
    }
    if key.area.type == Algorithm.rsa {
      secret = drbg.bytes(hash.digestSize)
      let seed = drbg.bytes(hash.digestSize)
      guard let publicKey = key.area.rsa,
        let encoded = RSAEncryptionPadding.oaep(
          hash, label: Self.label(label).span, secret.span, seed: seed.span, size: publicKey.size),
        let sealed = try rsaPublic(publicKey, encoded)
      else { throw .handle(.key, number) }
      throw remember(bytes: Array(secret) + Array(sealed), forgets: true)
    }
    guard let curve = key.area.curve else { throw .handle(.key, number) }
    let scalar = curve.scalar(random: drbg.bytes(curve.size &+ 8).span)
    guard let ephemeral = try multiply(curve, scalar),
      let x = FixedBytes<48>(key.area.unique.span).padded(to: curve.size),
      let y = key.area.uniqueY.padded(to: curve.size),
      let z = try multiply(curve, scalar, ECPoint(x: x, y: y))
    else { throw .handle(.key, number) }
    secret = KDF.e(hash, z: z.x.span, label: label, ephemeral.x.span, x.span, bits: hash.digestSize &* 8)
    var point = Writer()
    point.sized(ephemeral.x)
    point.sized(ephemeral.y)
    throw remember(bytes: Array(secret) + point.bytes, forgets: true)
  }

  // MARK: - Credentials (Part 1 §24)

  @inline(never)
  mutating func makeCredential(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let credential: Digest = try r.sized()
    r.next()
    let name: Name = try r.sized()
    try r.finish()
    let key = try object(c.handles[0], 1)
    guard key.area.isAsymmetric, key.area.isStorageKey, let hash = key.area.nameAlgorithm else {
      throw .handle(.type, 1)
    }
    guard credential.count <= hash.digestSize else { throw .parameter(.size, 1) }
    var seed = Digest()
    let sealed = try encryptSecret(key, label: "IDENTITY", handle: 1, secret: &seed)
    var inner = Writer()
    inner.sized(credential)
    let blob = Self.protect(inner.bytes, seed, hash, key.area.symmetric, name)
    out.sized(blob)
    out.sized(sealed)
  }

  @inline(never)
  mutating func activateCredential(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let blob = try r.sizedArray(limit: 132)
    r.next()
    let sealed = try r.sizedArray(limit: 512)
    try r.finish()
    let object = try object(c.handles[0], 1)
    let key = try self.object(c.handles[1], 2)
    guard key.area.isAsymmetric, let hash = key.area.nameAlgorithm else { throw .handle(.type, 2) }
    guard key.area.isStorageKey, key.hasSecret else { throw .handle(.attributes, 2) }
    let seed = try decryptSecret(c.handles[1], key, sealed, label: "IDENTITY", parameter: 2)
    let data = try Self.unprotect(blob, seed, hash, key.area.symmetric, object.name, parameter: 1)
    var reader = Reader(data, from: 0, to: data.count)
    let credential: Digest
    do throws(Stop) {
      credential = try reader.sized()
      try reader.expectEnd()
    } catch {
      throw .parameter(.size, 1)
    }
    out.sized(credential)
  }

  /// outer HMAC ‖ CFB with a zero IV, as credentials and duplicates are protected.
  static func protect(
    _ data: [UInt8], _ seed: Digest, _ hash: HashAlgorithm, _ symmetric: SymmetricDefinition, _ name: Name
  ) -> [UInt8] {
    var data = data
    let key = protectionKey(seed, hash, symmetric, name)
    cfb(key, InlineArray(repeating: 0), encrypting: true, &data)
    let macKey = integrityKey(seed, hash)
    var mac = HMAC(hash, key: macKey.span)
    mac.update(data.span)
    mac.update(name.span)
    var out = Writer()
    out.sized(mac.finalize())
    out.raw(data)
    return out.bytes
  }

  static func unprotect(
    _ blob: [UInt8], _ seed: Digest, _ hash: HashAlgorithm, _ symmetric: SymmetricDefinition, _ name: Name,
    parameter: Int
  ) throws(Stop) -> [UInt8] {
    var reader = Reader(blob, from: 0, to: blob.count)
    let integrity: Digest
    do throws(Stop) { integrity = try reader.sized() } catch { throw .parameter(.integrity, parameter) }
    var data = Array(blob[reader.offset...])
    let macKey = integrityKey(seed, hash)
    var mac = HMAC(hash, key: macKey.span)
    mac.update(data.span)
    mac.update(name.span)
    guard mac.finalize().matches(integrity.span) else { throw .parameter(.integrity, parameter) }
    cfb(protectionKey(seed, hash, symmetric, name), InlineArray(repeating: 0), encrypting: false, &data)
    return data
  }

  // MARK: - Duplication (Part 1 §23.3)

  @inline(never)
  mutating func duplicate(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let innerKey: Digest = try r.sized()
    r.next()
    let symmetric = try r.symmetricObject(mayBeNull: true)
    try r.finish()
    let object = try object(c.handles[0], 1)
    guard !object.area.has(ObjectAttribute.fixedParent) else { throw .handle(.attributes, 1) }
    guard object.area.nameAlgorithm != nil else { throw .handle(.type, 1) }
    guard object.hasSecret else { throw .handle(.attributes, 1) }
    let newParent = c.handles[1]
    if object.area.has(ObjectAttribute.encryptedDuplication) {
      guard !symmetric.isNull else { throw .parameter(.symmetric, 2) }
      guard newParent != Handle.null else { throw .handle(.hierarchy, 2) }
    }
    if symmetric.isNull {
      guard innerKey.isEmpty else { throw .parameter(.size, 1) }
    } else if !innerKey.isEmpty && innerKey.count != Int(symmetric.bits) / 8 {
      throw .parameter(.size, 1)
    }
    var parentObject: TPMObject?
    if newParent != Handle.null {
      let parent = try self.object(newParent, 2)
      guard parent.area.isStorageKey, parent.area.isAsymmetric else { throw .handle(.type, 2) }
      parentObject = parent
    }
    var keyOut = Digest()
    var data = sensitiveBlob(object)
    if !symmetric.isNull {
      let key = innerKey.isEmpty ? drbg.bytes(Int(symmetric.bits) / 8) : innerKey
      if innerKey.isEmpty { keyOut = key }
      data = innerWrap(data, object, key)
    }
    var seedOut: [UInt8] = []
    if let parent = parentObject, let hash = parent.area.nameAlgorithm {
      var seed = Digest()
      let sealed = try encryptSecret(parent, label: "DUPLICATE", handle: 2, secret: &seed)
      seedOut = sealed
      data = Self.protect(data, seed, hash, parent.area.symmetric, object.name)
    }
    out.sized(keyOut)
    out.sized(data)
    out.sized(seedOut)
  }

  private func sensitiveBlob(_ object: TPMObject) -> [UInt8] {
    var data = Writer()
    let mark = data.open()
    object.writeSensitive(&data)
    data.close(mark)
    return data.bytes
  }

  private func innerWrap(_ data: [UInt8], _ object: TPMObject, _ key: Digest) -> [UInt8] {
    let hash = object.area.nameAlgorithm ?? .sha256
    var hasher = Hasher(hash)
    hasher.update(data.span)
    hasher.update(object.name.span)
    var inner = Writer()
    inner.sized(hasher.finalize())
    inner.raw(data)
    var bytes = inner.bytes
    Self.cfb(key, InlineArray(repeating: 0), encrypting: true, &bytes)
    return bytes
  }

  @inline(never)
  mutating func importObject(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let innerKey: Digest = try r.sized()
    r.next()
    let area = try r.publicArea()
    r.next()
    var data = try r.sizedArray(limit: 1024)
    r.next()
    let sealedSeed = try r.sizedArray(limit: 512)
    r.next()
    let symmetric = try r.symmetricObject(mayBeNull: true)
    try r.finish()
    let parent = try parent(c.handles[0], 1)
    let fixed = ObjectAttribute.fixedTPM | ObjectAttribute.fixedParent
    guard area.attributes & fixed == 0 else { throw .parameter(.attributes, 2) }
    if area.has(ObjectAttribute.encryptedDuplication) && (symmetric.isNull || sealedSeed.isEmpty) {
      throw .parameter(.attributes, 1)
    }
    if symmetric.isNull {
      guard innerKey.isEmpty else { throw .parameter(.size, 1) }
    } else if innerKey.count != Int(symmetric.bits) / 8 {
      throw .parameter(.size, 1)
    }
    try checkPublicKey(area, parameter: 2)
    var object = TPMObject(area: area, hierarchy: parent.hierarchy, parentName: parent.qualifiedName)
    if !sealedSeed.isEmpty {
      guard parent.area.isAsymmetric, let hash = parent.area.nameAlgorithm else { throw .handle(.type, 1) }
      let seed = try decryptSecret(c.handles[0], parent, sealedSeed, label: "DUPLICATE", parameter: 4)
      data = try Self.unprotect(data, seed, hash, parent.area.symmetric, object.name, parameter: 3)
    }
    if !symmetric.isNull { data = try innerUnwrap(data, object, innerKey) }
    var reader = Reader(data, from: 0, to: data.count)
    do throws(Stop) {
      let range = try reader.sizedRange()
      try reader.expectEnd()
      var inner = Reader(data, from: range.lowerBound, to: range.upperBound)
      try inner.sensitive(into: &object)
      try inner.expectEnd()
    } catch {
      if case .code(let code) = error { throw .parameter(code, 3) }
      throw error
    }
    try check(area, parent: parent, isNew: true, parameter: 2)
    try bind(&object, parameter: 3)
    out.sized(try wrap(object, under: parent))
    object.wipe()
  }

  private func innerUnwrap(_ data: [UInt8], _ object: TPMObject, _ key: Digest) throws(Stop) -> [UInt8] {
    var bytes = data
    Self.cfb(key, InlineArray(repeating: 0), encrypting: false, &bytes)
    var reader = Reader(bytes, from: 0, to: bytes.count)
    let integrity: Digest
    do throws(Stop) { integrity = try reader.sized() } catch { throw .parameter(.integrity, 3) }
    let rest = Array(bytes[reader.offset...])
    var hasher = Hasher(object.area.nameAlgorithm ?? .sha256)
    hasher.update(rest.span)
    hasher.update(object.name.span)
    guard hasher.finalize().matches(integrity.span) else { throw .parameter(.integrity, 3) }
    return rest
  }

  @inline(never)
  mutating func rewrap(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    var data = try r.sizedArray(limit: 1024)
    r.next()
    let name: Name = try r.sized()
    r.next()
    let sealedSeed = try r.sizedArray(limit: 512)
    try r.finish()
    let (oldHandle, newHandle) = (c.handles[0], c.handles[1])
    guard sealedSeed.isEmpty == (oldHandle == Handle.null) else { throw .handle(.handle, 1) }
    var oldParent: TPMObject?
    if oldHandle != Handle.null { oldParent = try parent(oldHandle, 1) }
    var newParent: TPMObject?
    if newHandle != Handle.null {
      let candidate = try object(newHandle, 2)
      guard candidate.area.isStorageKey, candidate.area.isAsymmetric else { throw .handle(.type, 2) }
      newParent = candidate
    }
    if let old = oldParent, let hash = old.area.nameAlgorithm {
      let seed = try decryptSecret(oldHandle, old, sealedSeed, label: "DUPLICATE", parameter: 3)
      data = try Self.unprotect(data, seed, hash, old.area.symmetric, name, parameter: 1)
    }
    var seedOut: [UInt8] = []
    if let new = newParent, let hash = new.area.nameAlgorithm {
      var seed = Digest()
      let sealed = try encryptSecret(new, label: "DUPLICATE", handle: 2, secret: &seed)
      seedOut = sealed
      data = Self.protect(data, seed, hash, new.area.symmetric, name)
    }
    out.sized(data)
    out.sized(seedOut)
  }
}
