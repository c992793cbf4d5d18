// SHA512: the 64-bit Secure Hashes of FIPS 180-4 (SHA-512 and SHA-384), streaming, fixed storage.

/// SHA-512 (FIPS 180-4 §6.4) as a value; also the engine of `SHA384`.
public struct SHA512: Sendable {
  /// Bytes of a digest.
  public static var digestSize: Int { 64 }
  /// Bytes of a block.
  public static var blockSize: Int { 128 }

  var state: InlineArray<8, UInt64>
  var buffer: InlineArray<128, UInt8>
  /// Bytes taken in so far, modulo 2^64 (a TPM or an image never comes near the standard's 2^125).
  public internal(set) var byteCount: UInt64

  /// A hash of nothing yet, with the initial value of FIPS 180-4 §5.3.5.
  public init() {
    self.init(initial: [
      0x6A09_E667_F3BC_C908, 0xBB67_AE85_84CA_A73B, 0x3C6E_F372_FE94_F82B, 0xA54F_F53A_5F1D_36F1,
      0x510E_527F_ADE6_82D1, 0x9B05_688C_2B3E_6C1F, 0x1F83_D9AB_FB41_BD6B, 0x5BE0_CD19_137E_2179,
    ])
  }

  init(initial: InlineArray<8, UInt64>) {
    state = initial
    buffer = InlineArray(repeating: 0)
    byteCount = 0
  }

  /// Takes in all bytes of a span.
  public mutating func update(_ bytes: borrowing Span<UInt8>) { absorb(bytes) }

  /// The digest of all bytes so far; wipes and restarts the hash.
  public mutating func finalize() -> InlineArray<64, UInt8> {
    pad()
    var digest = InlineArray<64, UInt8>(repeating: 0)
    for index in 0..<64 {
      let shift = UInt64(truncatingIfNeeded: 56 &- 8 &* (index & 7))
      digest[index] = UInt8(truncatingIfNeeded: state[index &>> 3] &>> shift)
    }
    wipe()
    return digest
  }

  /// The digest of one span.
  public static func hash(_ bytes: borrowing Span<UInt8>) -> InlineArray<64, UInt8> {
    var hash = SHA512()
    hash.update(bytes)
    return hash.finalize()
  }

  /// Overwrites the state and starts anew (as SHA-512).
  public mutating func wipe() {
    Wipe.bytes(&buffer)
    Wipe.words(&state)
    self = SHA512()
  }

  @inline(__always)
  static func load(_ block: borrowing Span<UInt8>, _ offset: Int) -> UInt64 {
    let high =
      UInt64(block[offset]) &<< 56 | UInt64(block[offset &+ 1]) &<< 48
      | UInt64(block[offset &+ 2]) &<< 40 | UInt64(block[offset &+ 3]) &<< 32
    return high | UInt64(block[offset &+ 4]) &<< 24 | UInt64(block[offset &+ 5]) &<< 16
      | UInt64(block[offset &+ 6]) &<< 8 | UInt64(block[offset &+ 7])
  }

  @inline(__always)
  static func rotate(_ x: UInt64, _ by: UInt64) -> UInt64 { x &>> by | x &<< (64 &- by) }

  @inline(__always)
  static func small0(_ x: UInt64) -> UInt64 { rotate(x, 1) ^ rotate(x, 8) ^ x &>> 7 }

  @inline(__always)
  static func small1(_ x: UInt64) -> UInt64 { rotate(x, 19) ^ rotate(x, 61) ^ x &>> 6 }

  // One round (FIPS 180-4 §6.4.2 step 3), written as SHA-256's is.
  @inline(__always)
  static func round(
    _ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: inout UInt64, _ e: UInt64, _ f: UInt64, _ g: UInt64,
    _ h: inout UInt64, _ wk: UInt64
  ) {
    h = h &+ wk &+ rotate(rotate(rotate(e, 23) ^ e, 4) ^ e, 14) &+ (g ^ (e & (f ^ g)))
    d = d &+ h
    h = h &+ rotate(rotate(rotate(a, 5) ^ a, 6) ^ a, 28) &+ ((a & b) | (c & (a | b)))
  }
}

/// SHA-384 (FIPS 180-4 §6.5): SHA-512 from another initial value, cut to 48 bytes.
public struct SHA384: Sendable {
  /// Bytes of a digest.
  public static var digestSize: Int { 48 }
  /// Bytes of a block.
  public static var blockSize: Int { 128 }

  var core: SHA512

  /// A hash of nothing yet, with the initial value of FIPS 180-4 §5.3.4.
  public init() {
    core = SHA512(initial: [
      0xCBBB_9D5D_C105_9ED8, 0x629A_292A_367C_D507, 0x9159_015A_3070_DD17, 0x152F_ECD8_F70E_5939,
      0x6733_2667_FFC0_0B31, 0x8EB4_4A87_6858_1511, 0xDB0C_2E0D_64F9_8FA7, 0x47B5_481D_BEFA_4FA4,
    ])
  }

  /// Bytes taken in so far, modulo 2^64.
  public var byteCount: UInt64 { core.byteCount }

  /// Takes in all bytes of a span.
  public mutating func update(_ bytes: borrowing Span<UInt8>) { core.update(bytes) }

  /// The digest of all bytes so far; wipes and restarts the hash.
  public mutating func finalize() -> InlineArray<48, UInt8> {
    let long = core.finalize()
    self = SHA384()
    var digest = InlineArray<48, UInt8>(repeating: 0)
    for index in 0..<48 { digest[index] = long[index] }
    return digest
  }

  /// The digest of one span.
  public static func hash(_ bytes: borrowing Span<UInt8>) -> InlineArray<48, UInt8> {
    var hash = SHA384()
    hash.update(bytes)
    return hash.finalize()
  }

  /// Overwrites the state and starts anew.
  public mutating func wipe() {
    core.wipe()
    self = SHA384()
  }
}
