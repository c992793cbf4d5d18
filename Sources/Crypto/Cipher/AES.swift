// AES: the block cipher of FIPS 197, bitsliced: no table look-up, no data-dependent branch.

/// AES-128 or AES-256, four blocks at a time in eight 64-bit bit planes, or by the CPU's instructions
/// (`CPUInstructions`).
///
/// The planes hold bit i of every byte of four blocks. The S-box is the inversion in GF(2^8)
/// computed on planes through the tower field GF((2^4)^2), then the affine map; nothing is looked up.
public struct AES: Sendable {
  typealias Planes = InlineArray<8, UInt64>

  /// Bytes of a block.
  public static var blockSize: Int { 16 }

  /// Round keys as planes, the same key in all four blocks: plane b of round r at 8·r + b; for the CPU's instructions
  /// as bytes: round r at 2·r and 2·r + 1.
  var keys: InlineArray<120, UInt64>
  let rounds: Int
  #if APUS_CRYPTO_INSTRUCTIONS
    /// Whether the keys are as the CPU's instructions take them.
    let isInstructed: Bool
  #endif

  /// A cipher with a key of 16 or 32 bytes; nil for another length.
  public init?(key: borrowing Span<UInt8>) {
    guard key.count == 16 || key.count == 32 else { return nil }
    let words = key.count / 4
    rounds = words &+ 6
    keys = InlineArray(repeating: 0)
    #if APUS_CRYPTO_INSTRUCTIONS
      isInstructed = CPUInstructions.haveAES
    #endif
    if isInstructed {
      expand(key)
      return
    }
    var schedule = InlineArray<240, UInt8>(repeating: 0)
    for index in key.indices { schedule[index] = key[index] }
    var constant: UInt8 = 1
    var word = words
    while word < 4 &* (rounds &+ 1) {
      var last: InlineArray<4, UInt8> = [0, 0, 0, 0]
      for byte in 0..<4 { last[byte] = schedule[4 &* (word &- 1) &+ byte] }
      if word % words == 0 {
        last = Self.substituteWord([last[1], last[2], last[3], last[0]])
        last[0] ^= constant
        constant = constant &<< 1 ^ (0x1B & (0 &- constant &>> 7))
      } else if words == 8 && word % 8 == 4 {
        last = Self.substituteWord(last)
      }
      for byte in 0..<4 {
        schedule[4 &* word &+ byte] = schedule[4 &* (word &- words) &+ byte] ^ last[byte]
      }
      word &+= 1
    }
    var key = InlineArray<16, UInt8>(repeating: 0)
    for round in 0...rounds {
      for index in 0..<16 { key[index] = schedule[16 &* round &+ index] }
      let planes = Self.pack(key)
      // The same in all four blocks.
      for bit in 0..<8 { keys[8 &* round &+ bit] = planes[bit] &<< 4 &- planes[bit] }
    }
    Wipe.bytes(&key)
    Wipe.bytes(&schedule)
  }

  private static func substituteWord(_ word: InlineArray<4, UInt8>) -> InlineArray<4, UInt8> {
    // A byte every sixteen bits: bit b of all four is plane b.
    let bytes =
      UInt64(word[0]) | UInt64(word[1]) &<< 16 | UInt64(word[2]) &<< 32 | UInt64(word[3]) &<< 48
    var planes = Planes(repeating: 0)
    for bit in 0..<8 {
      planes[bit] = bytes &>> UInt64(truncatingIfNeeded: bit) & 0x0001_0001_0001_0001
    }
    substitute(&planes)
    var out: UInt64 = 0
    for bit in 0..<8 {
      out |= (planes[bit] & 0x0001_0001_0001_0001) &<< UInt64(truncatingIfNeeded: bit)
    }
    return [
      UInt8(truncatingIfNeeded: out), UInt8(truncatingIfNeeded: out &>> 16),
      UInt8(truncatingIfNeeded: out &>> 32), UInt8(truncatingIfNeeded: out &>> 48),
    ]
  }

  /// Encrypts four blocks in place.
  public func encrypt(_ blocks: inout InlineArray<64, UInt8>) {
    if isInstructed {
      instructed(&blocks, encrypting: true)
      return
    }
    var planes = Self.pack(blocks)
    encrypt(&planes)
    blocks = Self.unpack(planes)
  }

  /// Decrypts four blocks in place.
  public func decrypt(_ blocks: inout InlineArray<64, UInt8>) {
    if isInstructed {
      instructed(&blocks, encrypting: false)
      return
    }
    var planes = Self.pack(blocks)
    decrypt(&planes)
    blocks = Self.unpack(planes)
  }

  /// Encrypts one block in place.
  public func encryptBlock(_ block: inout InlineArray<16, UInt8>) {
    if isInstructed {
      instructed(&block)
      return
    }
    var planes = Self.pack(block)
    encrypt(&planes)
    block = Self.unpack(planes)
  }

  @inline(never)
  private func encrypt(_ planes: inout Planes) {
    // Through its span: an element of the array itself is read from a copy of all of it.
    let keys = keys.span
    for bit in 0..<8 { planes[bit] ^= keys[bit] }
    for round in 1..<rounds {
      Self.substitute(&planes)
      Self.shiftRows(&planes)
      Self.mixColumns(&planes)
      for bit in 0..<8 { planes[bit] ^= keys[8 &* round &+ bit] }
    }
    Self.substitute(&planes)
    Self.shiftRows(&planes)
    for bit in 0..<8 { planes[bit] ^= keys[8 &* rounds &+ bit] }
  }

  @inline(never)
  private func decrypt(_ planes: inout Planes) {
    let keys = keys.span
    for bit in 0..<8 { planes[bit] ^= keys[8 &* rounds &+ bit] }
    var round = rounds &- 1
    while round >= 1 {
      Self.unshiftRows(&planes)
      Self.unsubstitute(&planes)
      for bit in 0..<8 { planes[bit] ^= keys[8 &* round &+ bit] }
      Self.unmixColumns(&planes)
      round &-= 1
    }
    Self.unshiftRows(&planes)
    Self.unsubstitute(&planes)
    for bit in 0..<8 { planes[bit] ^= keys[bit] }
  }

  /// Overwrites the round keys.
  public mutating func wipe() { Wipe.words(&keys) }
}
