// AESGCM: authenticated encryption of SP 800-38D over AES, with a constant-time GHASH.

/// Why a message was not opened.
public enum AuthenticationError: Error, Equatable, Sendable {
  /// The tag does not fit the ciphertext, the additional data, the nonce or the key.
  case badTag
}

/// AES-GCM with 96-bit nonces and 128-bit tags.
///
/// A nonce must never be used twice with one key.
public struct AESGCM: Sendable {
  /// Bytes of a nonce.
  public static var nonceSize: Int { 12 }
  /// Bytes of a tag.
  public static var tagSize: Int { 16 }

  var cipher: AES
  var hashKey: GHASH.Element

  /// A context for a key of 16 or 32 bytes; nil for another length.
  public init?(key: borrowing Span<UInt8>) {
    guard let cipher = AES(key: key) else { return nil }
    self.cipher = cipher
    var block = InlineArray<16, UInt8>(repeating: 0)
    cipher.encryptBlock(&block)
    hashKey = GHASH.element(block)
    Wipe.bytes(&block)
  }

  /// Encrypts `data` in place and gives the tag (SP 800-38D §7.1).
  public func seal(
    nonce: InlineArray<12, UInt8>, additional: borrowing Span<UInt8>, _ data: inout MutableSpan<UInt8>
  ) -> InlineArray<16, UInt8> {
    stream(nonce, &data)
    return tag(nonce, additional, data.span)
  }

  /// Checks the tag, then decrypts `data` in place; leaves it as it was if the tag is wrong (§7.2).
  public func open(
    nonce: InlineArray<12, UInt8>, additional: borrowing Span<UInt8>, _ data: inout MutableSpan<UInt8>,
    tag expected: InlineArray<16, UInt8>
  ) throws(AuthenticationError) {
    let actual = tag(nonce, additional, data.span)
    guard ConstantTime.equal(actual.span, expected.span) else { throw .badTag }
    stream(nonce, &data)
  }

  /// Overwrites the keys.
  public mutating func wipe() {
    cipher.wipe()
    hashKey = GHASH.Element(high: 0, low: 0)
  }

  private func counterBlock(_ nonce: InlineArray<12, UInt8>, _ number: UInt8) -> InlineArray<16, UInt8> {
    var block = InlineArray<16, UInt8>(repeating: 0)
    for index in 0..<12 { block[index] = nonce[index] }
    block[15] = number
    return block
  }

  // The counter is the last 32 bits and wraps within them (§6.2).
  private func stream(_ nonce: InlineArray<12, UInt8>, _ data: inout MutableSpan<UInt8>) {
    var counter = counterBlock(nonce, 2)
    var blocks = InlineArray<64, UInt8>(repeating: 0)
    var offset = 0
    while offset < data.count {
      for block in 0..<4 {
        for index in 0..<16 { blocks[16 &* block &+ index] = counter[index] }
        AES.increment(&counter, from: 12)
      }
      cipher.encrypt(&blocks)
      let part = min(64, data.count &- offset)
      for index in 0..<part { data[offset &+ index] ^= blocks[index] }
      offset &+= part
    }
    Wipe.bytes(&blocks)
  }

  private func tag(
    _ nonce: InlineArray<12, UInt8>, _ additional: borrowing Span<UInt8>, _ data: borrowing Span<UInt8>
  ) -> InlineArray<16, UInt8> {
    var hash = GHASH(hashKey)
    hash.update(padded: additional)
    hash.update(padded: data)
    hash.update(
      GHASH.Element(
        high: UInt64(truncatingIfNeeded: additional.count) &<< 3,
        low: UInt64(truncatingIfNeeded: data.count) &<< 3))
    var mask = counterBlock(nonce, 1)
    cipher.encryptBlock(&mask)
    var out = hash.bytes
    for index in 0..<16 { out[index] ^= mask[index] }
    return out
  }
}

/// The universal hash of SP 800-38D §6.4, multiplying without tables.
struct GHASH: Sendable {
  /// A block as two big-endian halves; bit 63 of `high` is the coefficient of x^0.
  struct Element: Sendable {
    var high: UInt64
    var low: UInt64
  }

  let key: Element
  var state = Element(high: 0, low: 0)

  init(_ key: Element) { self.key = key }

  static func element(_ block: InlineArray<16, UInt8>) -> Element {
    var out = Element(high: 0, low: 0)
    for index in 0..<8 {
      out.high = out.high &<< 8 | UInt64(block[index])
      out.low = out.low &<< 8 | UInt64(block[8 &+ index])
    }
    return out
  }

  mutating func update(_ element: Element) {
    state.high ^= element.high
    state.low ^= element.low
    multiply()
  }

  mutating func update(padded bytes: borrowing Span<UInt8>) {
    var offset = 0
    while offset < bytes.count {
      var block = InlineArray<16, UInt8>(repeating: 0)
      for index in 0..<min(16, bytes.count &- offset) { block[index] = bytes[offset &+ index] }
      update(Self.element(block))
      offset &+= 16
    }
  }

  // Carry-less product of 32-bit halves by integer multiplication: operands are spread so that a
  // set bit sits in every fourth place; sums of at most eight never carry into the next used bit.
  @inline(__always)
  private static func carryless(_ x: UInt64, _ y: UInt64) -> UInt64 {
    let m0: UInt64 = 0x1111_1111_1111_1111
    let (x0, x1, x2, x3) = (x & m0, x & m0 &<< 1, x & m0 &<< 2, x & m0 &<< 3)
    let (y0, y1, y2, y3) = (y & m0, y & m0 &<< 1, y & m0 &<< 2, y & m0 &<< 3)
    let z0 = (x0 &* y0) ^ (x1 &* y3) ^ (x2 &* y2) ^ (x3 &* y1)
    let z1 = (x0 &* y1) ^ (x1 &* y0) ^ (x2 &* y3) ^ (x3 &* y2)
    let z2 = (x0 &* y2) ^ (x1 &* y1) ^ (x2 &* y0) ^ (x3 &* y3)
    let z3 = (x0 &* y3) ^ (x1 &* y2) ^ (x2 &* y1) ^ (x3 &* y0)
    return (z0 & m0) | (z1 & m0 &<< 1) | (z2 & m0 &<< 2) | (z3 & m0 &<< 3)
  }

  // 64 × 64 → 128 bits from three 32-bit products (Karatsuba).
  @inline(__always)
  private static func product(_ x: UInt64, _ y: UInt64) -> (high: UInt64, low: UInt64) {
    let (xl, xh, yl, yh) = (x & 0xFFFF_FFFF, x &>> 32, y & 0xFFFF_FFFF, y &>> 32)
    let low = carryless(xl, yl)
    let high = carryless(xh, yh)
    let middle = carryless(xl ^ xh, yl ^ yh) ^ low ^ high
    return (high ^ middle &>> 32, low ^ middle &<< 32)
  }

  // In the reflected order of GCM a product is one bit short: shift left once, then reduce by
  // x^128 + x^7 + x^2 + x + 1 (SP 800-38D §6.3).
  @inline(never)
  private mutating func multiply() {
    let a = Self.product(state.high, key.high)
    let b = Self.product(state.low, key.low)
    let c = Self.product(state.high ^ state.low, key.high ^ key.low)
    let middleHigh = c.high ^ a.high ^ b.high
    let middleLow = c.low ^ a.low ^ b.low
    var (w3, w2, w1, w0) = (a.high, a.low ^ middleHigh, b.high ^ middleLow, b.low)
    w3 = w3 &<< 1 | w2 &>> 63
    w2 = w2 &<< 1 | w1 &>> 63
    w1 = w1 &<< 1 | w0 &>> 63
    w0 = w0 &<< 1
    // Multiplying by x is a shift to the right here.
    w2 ^= w0 ^ w0 &>> 1 ^ w0 &>> 2 ^ w0 &>> 7
    w1 ^= w0 &<< 63 ^ w0 &<< 62 ^ w0 &<< 57
    w3 ^= w1 ^ w1 &>> 1 ^ w1 &>> 2 ^ w1 &>> 7
    w2 ^= w1 &<< 63 ^ w1 &<< 62 ^ w1 &<< 57
    state = Element(high: w3, low: w2)
  }

  var bytes: InlineArray<16, UInt8> {
    var out = InlineArray<16, UInt8>(repeating: 0)
    for index in 0..<8 {
      let shift = UInt64(truncatingIfNeeded: 56 &- 8 &* index)
      out[index] = UInt8(truncatingIfNeeded: state.high &>> shift)
      out[8 &+ index] = UInt8(truncatingIfNeeded: state.low &>> shift)
    }
    return out
  }
}
