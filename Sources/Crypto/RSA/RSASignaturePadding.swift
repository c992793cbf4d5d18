// RSASignaturePadding: the encodings of RSASSA-PKCS1-v1_5 and RSASSA-PSS.

/// Message encodings for RSA signatures (RFC 8017 §9).
public enum RSASignaturePadding {
  // DigestInfo prefixes (RFC 8017 §9.2 note 1).
  private static func prefix(_ hash: HashAlgorithm) -> FixedBytes<19> {
    var out = FixedBytes<19>()
    switch hash {
    case .sha1:
      let bytes: InlineArray<15, UInt8> = [
        0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0x00, 0x04, 0x14,
      ]
      out.append(bytes.span)
    case .sha256, .sha384, .sha512:
      let size = UInt8(hash.digestSize)
      let arc: UInt8 = hash == .sha256 ? 1 : hash == .sha384 ? 2 : 3
      let bytes: InlineArray<19, UInt8> = [
        0x30, 0x11 + size, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, arc, 0x05,
        0x00,
        0x04, size,
      ]
      out.append(bytes.span)
    }
    return out
  }

  /// EMSA-PKCS1-v1_5 (§9.2) of a digest; nil if its length is not the hash's.
  public static func pkcs1(
    _ hash: HashAlgorithm, digest: borrowing Span<UInt8>, size: Int
  ) -> RSANumber? {
    let prefix = prefix(hash)
    let tail = prefix.count &+ digest.count
    guard digest.count == hash.digestSize, size >= tail &+ 11, size <= 384 else { return nil }
    var out = RSANumber()
    out.append(0)
    out.append(1)
    for _ in 0..<(size &- tail &- 3) { out.append(0xFF) }
    out.append(0)
    out.append(prefix.span)
    out.append(digest)
    return out
  }

  /// EMSA-PSS (§9.1.1) of a digest with a salt; nil if they do not fit.
  ///
  /// The modulus has 8·size bits.
  public static func pss(
    _ hash: HashAlgorithm, digest: borrowing Span<UInt8>, salt: borrowing Span<UInt8>, size: Int
  ) -> RSANumber? {
    let length = hash.digestSize
    guard digest.count == length, size <= 384, size >= length &+ salt.count &+ 2 else { return nil }
    let tag = code(hash, digest, salt)
    var out = RSANumber(zeros: size)
    let split = size &- length &- 1
    out[split &- salt.count &- 1] = 1
    for index in salt.indices { out[split &- salt.count &+ index] = salt[index] }
    for index in 0..<length { out[split &+ index] = tag[index] }
    out[size &- 1] = 0xBC
    RSAMask.apply(hash, seed: tag.span, to: &out, 0..<split)
    out[0] &= 0x7F
    return out
  }

  /// EMSA-PSS-VERIFY (§9.1.2) with the salt's length recovered from the encoding, all of it public.
  public static func isPSS(
    _ hash: HashAlgorithm, digest: borrowing Span<UInt8>, encoded: RSANumber, saltCount: Int? = nil
  ) -> Bool {
    let length = hash.digestSize
    let size = encoded.count
    guard digest.count == length, size >= length &+ 2, encoded[size &- 1] == 0xBC, encoded[0] & 0x80 == 0
    else {
      return false
    }
    let split = size &- length &- 1
    var block = encoded
    let tag = Digest(encoded.span.extracting(split..<(split &+ length)))
    RSAMask.apply(hash, seed: tag.span, to: &block, 0..<split)
    block[0] &= 0x7F
    var place = 0
    while place < split && block[place] == 0 { place &+= 1 }
    guard place < split, block[place] == 1 else { return false }
    let salt = split &- place &- 1
    if let saltCount, saltCount != salt { return false }
    return code(hash, digest, block.span.extracting((place &+ 1)..<split)).matches(tag.span)
  }

  private static func code(
    _ hash: HashAlgorithm, _ digest: borrowing Span<UInt8>, _ salt: borrowing Span<UInt8>
  ) -> Digest {
    var hasher = Hasher(hash)
    hasher.update(big: UInt64(0))
    hasher.update(digest)
    hasher.update(salt)
    return hasher.finalize()
  }
}

/// The mask generation function MGF1 (RFC 8017 §B.2.1).
enum RSAMask {
  /// XORs MGF1 of `seed` onto a range of bytes.
  static func apply<let size: Int>(
    _ hash: HashAlgorithm, seed: borrowing Span<UInt8>, to bytes: inout FixedBytes<size>, _ range: Range<Int>
  ) {
    var counter: UInt32 = 0
    var place = range.lowerBound
    while place < range.upperBound {
      var hasher = Hasher(hash)
      hasher.update(seed)
      hasher.update(big: counter)
      let block = hasher.finalize()
      for index in 0..<min(block.count, range.upperBound &- place) { bytes[place &+ index] ^= block[index] }
      place &+= block.count
      counter &+= 1
    }
  }
}
