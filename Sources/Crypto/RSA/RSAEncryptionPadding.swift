// RSAEncryptionPadding: the encodings of RSAES-OAEP and RSAES-PKCS1-v1_5, decoded in constant time.

/// Message encodings for RSA encryption (RFC 8017 §7).
public enum RSAEncryptionPadding {
  /// The longest message that OAEP takes for a modulus of `size` bytes.
  public static func oaepCapacity(_ hash: HashAlgorithm, size: Int) -> Int {
    size &- 2 &* hash.digestSize &- 2
  }

  /// EME-OAEP (§7.1.1 step 2) with MGF1 over the same hash; nil if anything has the wrong length.
  ///
  /// The message may have `oaepCapacity` bytes; the seed must be a digest long. The label is hashed as given (a TPM label ends in a zero byte).
  public static func oaep(
    _ hash: HashAlgorithm, label: borrowing Span<UInt8>, _ message: borrowing Span<UInt8>,
    seed: borrowing Span<UInt8>, size: Int
  ) -> RSANumber? {
    let length = hash.digestSize
    guard seed.count == length, size <= 384, message.count <= oaepCapacity(hash, size: size) else {
      return nil
    }
    var out = RSANumber(zeros: size)
    let labelHash = Hasher.hash(hash, label)
    for index in 0..<length {
      out[1 &+ index] = seed[index]
      out[1 &+ length &+ index] = labelHash[index]
    }
    out[size &- message.count &- 1] = 1
    for index in message.indices { out[size &- message.count &+ index] = message[index] }
    RSAMask.apply(hash, seed: seed, to: &out, (1 &+ length)..<size)
    let masked = FixedBytes<384>(out.span.extracting((1 &+ length)..<size))
    RSAMask.apply(hash, seed: masked.span, to: &out, 1..<(1 &+ length))
    return out
  }

  /// Undoes `oaep`; nil for every kind of bad padding alike.
  ///
  /// The first byte, the label's hash and the separator are judged by masks over the whole block, so
  /// that neither time nor answer tells which was wrong (RFC 8017 §7.1.2 note; VRT0011).
  public static func openOAEP(
    _ hash: HashAlgorithm, label: borrowing Span<UInt8>, _ encoded: RSANumber
  ) -> RSANumber? {
    let length = hash.digestSize
    let size = encoded.count
    guard size >= 2 &* length &+ 2 else { return nil }
    var block = encoded
    let masked = FixedBytes<384>(encoded.span.extracting((1 &+ length)..<size))
    RSAMask.apply(hash, seed: masked.span, to: &block, 1..<(1 &+ length))
    let seed = Digest(block.span.extracting(1..<(1 &+ length)))
    RSAMask.apply(hash, seed: seed.span, to: &block, (1 &+ length)..<size)
    let labelHash = Hasher.hash(hash, label)
    var wrong = UInt64(block[0])
    for index in 0..<length { wrong |= UInt64(block[1 &+ length &+ index] ^ labelHash[index]) }
    let found = separator(block, from: 1 &+ 2 &* length, value: 1, skipsOnlyZeros: true)
    let isGood = ConstantTime.isZero(wrong) & found.isFound
    defer { block.wipe() }
    guard isGood != 0 else { return nil }
    return RSANumber(block.span.extracting((found.place &+ 1)..<size))
  }

  /// EME-PKCS1-v1_5 (§7.2.1) with the filling taken from `random`, whose zero bytes are skipped; nil if
  /// the message is too long or the filling runs short.
  public static func pkcs1(
    _ message: borrowing Span<UInt8>, random: inout HMACDRBG, size: Int
  ) -> RSANumber? {
    guard size <= 384, message.count &+ 11 <= size else { return nil }
    var out = RSANumber()
    out.append(0)
    out.append(2)
    var budget = 64
    while out.count < size &- message.count &- 1 && budget > 0 {
      let filling = random.bytes(64)
      for index in 0..<64 where filling[index] != 0 && out.count < size &- message.count &- 1 {
        out.append(filling[index])
      }
      budget &-= 1
    }
    guard budget > 0 else { return nil }
    out.append(0)
    out.append(message)
    return out
  }

  /// Undoes `pkcs1`; nil for every kind of bad padding alike, judged by masks.
  public static func openPKCS1(_ encoded: RSANumber) -> RSANumber? {
    guard encoded.count >= 11 else { return nil }
    let wrong = UInt64(encoded[0]) | UInt64(encoded[1] ^ 2)
    let found = separator(encoded, from: 2, value: 0, skipsOnlyZeros: false)
    let isLong = ~ConstantTime.less(UInt64(truncatingIfNeeded: found.place), 10)
    guard ConstantTime.isZero(wrong) & found.isFound & isLong != 0 else { return nil }
    return RSANumber(encoded.span.extracting((found.place &+ 1)..<encoded.count))
  }

  // The first byte equal to `value`; with `skipsOnlyZeros` every byte before it must be zero. Every byte
  // is looked at whatever comes out.
  @inline(never)
  private static func separator(
    _ block: RSANumber, from first: Int, value: UInt8, skipsOnlyZeros: Bool
  ) -> (place: Int, isFound: UInt64) {
    var looking = UInt64.max
    var bad: UInt64 = 0
    var place: UInt64 = 0
    for index in first..<block.count {
      let byte = UInt64(block[index])
      let isHere = ConstantTime.equal(byte, UInt64(value)) & looking
      place |= UInt64(truncatingIfNeeded: index) & isHere
      looking &= ~isHere
      if skipsOnlyZeros { bad |= looking & byte }
    }
    return (Int(truncatingIfNeeded: place), ~looking & ConstantTime.isZero(bad))
  }
}
