// ObjectWrapping: the private part of an object under its parent, wrapped and opened again (Part 1 §22).
import Crypto

extension TPMEngine {
  @inline(never)
  func parent(_ handle: UInt32, _ number: Int) throws(Stop) -> TPMObject {
    let parent = try object(handle, number)
    guard parent.area.isStorageKey, parent.hasSecret else { throw .handle(.type, number) }
    return parent
  }

  /// The seed below which a parent's children are wrapped.
  private func protectionSeed(_ parent: TPMObject) -> Digest {
    guard parent.hierarchy == Handle.endorsement, parent.isPrimary else { return parent.seed }
    var mac = HMAC(parent.area.nameAlgorithm ?? .sha256, key: parent.seed.span)
    mac.update(persistent.owner.proof.span)
    mac.update(persistent.endorsement.proof.span)
    return mac.finalize()
  }

  static func protectionKey(
    _ seed: Digest, _ hash: HashAlgorithm, _ symmetric: SymmetricDefinition, _ name: Name
  ) -> Digest {
    let none = InlineArray<1, UInt8>(repeating: 0)
    return KDF.a(
      hash, key: seed.span, label: "STORAGE", name.span, none.span.extracting(first: 0),
      bits: Int(symmetric.bits))
  }

  static func integrityKey(_ seed: Digest, _ hash: HashAlgorithm) -> Digest {
    let none = InlineArray<1, UInt8>(repeating: 0)
    let empty = none.span.extracting(first: 0)
    return KDF.a(hash, key: seed.span, label: "INTEGRITY", empty, empty, bits: hash.digestSize &* 8)
  }

  static func cfb(_ key: Digest, _ iv: InlineArray<16, UInt8>, encrypting: Bool, _ data: inout [UInt8]) {
    guard var cipher = AES(key: key.span) else { return }
    var iv = iv
    var span = data.mutableSpan
    _ = cipher.apply(.cfb, encrypting: encrypting, iv: &iv, &span)
    cipher.wipe()
  }

  /// TPM2B_PRIVATE's content for a child: integrity ‖ iv ‖ encrypted sensitive; the IV is random.
  mutating func wrap(_ object: TPMObject, under parent: TPMObject) throws(Stop) -> [UInt8] {
    let drawn = recall()
    guard let iv = drawn?.bytes else { throw remember(bytes: Array(drbg.bytes(16))) }
    return try wrap(object, under: parent, iv: iv)
  }

  mutating func wrap(_ object: TPMObject, under parent: TPMObject, iv: [UInt8]) throws(Stop) -> [UInt8] {
    guard let hash = parent.area.nameAlgorithm else { return [] }
    var seed = protectionSeed(parent)
    defer { seed.wipe() }
    let encrypted = recall()
    guard let body = encrypted?.bytes else { throw remember(bytes: encrypt(object, parent, hash, seed, iv)) }
    var macKey = Self.integrityKey(seed, hash)
    var mac = HMAC(hash, key: macKey.span)
    mac.update(body.span)
    mac.update(object.name.span)
    var blob = Writer()
    blob.sized(mac.finalize())
    blob.raw(body)
    macKey.wipe()
    return blob.bytes
  }

  @inline(never)
  private func encrypt(
    _ object: TPMObject, _ parent: TPMObject, _ hash: HashAlgorithm, _ seed: Digest, _ random: [UInt8]
  ) -> [UInt8] {
    var sensitive = Writer()
    let mark = sensitive.open()
    object.writeSensitive(&sensitive)
    sensitive.close(mark)
    var data = sensitive.bytes
    var iv = InlineArray<16, UInt8>(repeating: 0)
    for index in 0..<min(16, random.count) { iv[index] = random[index] }
    var key = Self.protectionKey(seed, hash, parent.area.symmetric, object.name)
    Self.cfb(key, iv, encrypting: true, &data)
    var body = Writer()
    body.sized(random)
    body.raw(data)
    sensitive.wipe()
    key.wipe()
    return body.bytes
  }

  /// Undoes `wrap`: integrity first, then decryption; fills the object's sensitive part.
  mutating func unwrap(_ blob: [UInt8], into object: inout TPMObject, under parent: TPMObject, parameter: Int)
    throws(Stop)
  {
    guard let hash = parent.area.nameAlgorithm else { throw .parameter(.integrity, parameter) }
    var reader = Reader(blob, from: 0, to: blob.count)
    do throws(Stop) {
      let integrity: Digest = try reader.sized()
      let start = reader.offset
      let ivBytes: FixedBytes<16> = try reader.sized()
      guard ivBytes.count == 16 else { throw .code(.integrity) }
      var seed = protectionSeed(parent)
      var macKey = Self.integrityKey(seed, hash)
      var mac = HMAC(hash, key: macKey.span)
      mac.update(blob.span.extracting(start..<blob.count))
      mac.update(object.name.span)
      guard mac.finalize().matches(integrity.span) else { throw .code(.integrity) }
      var iv = InlineArray<16, UInt8>(repeating: 0)
      for index in 0..<16 { iv[index] = ivBytes[index] }
      var data = Array(blob[reader.offset...])
      var key = Self.protectionKey(seed, hash, parent.area.symmetric, object.name)
      Self.cfb(key, iv, encrypting: false, &data)
      seed.wipe()
      key.wipe()
      macKey.wipe()
      var inner = Reader(data, from: 0, to: data.count)
      do throws(Stop) {
        let range = try inner.sizedRange()
        try inner.expectEnd()
        var body = Reader(data, from: range.lowerBound, to: range.upperBound)
        try body.sensitive(into: &object)
        try body.expectEnd()
      } catch {
        throw .code(.sensitive)
      }
      data.wipe()
    } catch {
      if case .code(let code) = error {
        // Whatever was wrong with the blob's form is an integrity failure too.
        throw .parameter(code == .sensitive ? .sensitive : .integrity, parameter)
      }
      throw error
    }
  }
}
