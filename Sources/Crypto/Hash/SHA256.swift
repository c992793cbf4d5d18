// SHA256: the 256-bit Secure Hash of FIPS 180-4, streaming, over fixed-size storage.

/// SHA-256 (FIPS 180-4 §6.2) as a value: feed it spans, then take the digest.
///
/// No allocation, no table besides the round constants in the code, no branch on the data.
public struct SHA256: Sendable {
  /// Bytes of a digest.
  public static var digestSize: Int { 32 }
  /// Bytes of a block.
  public static var blockSize: Int { 64 }

  var state: InlineArray<8, UInt32>
  var buffer: InlineArray<64, UInt8>
  /// Bytes taken in so far, modulo 2^64.
  public internal(set) var byteCount: UInt64

  /// A hash of nothing yet.
  public init() {
    state = [
      0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19,
    ]
    buffer = InlineArray(repeating: 0)
    byteCount = 0
  }

  /// Takes in all bytes of a span.
  public mutating func update(_ bytes: borrowing Span<UInt8>) { absorb(bytes) }

  /// The digest of all bytes so far; wipes and restarts the hash.
  public mutating func finalize() -> InlineArray<32, UInt8> {
    pad()
    var digest = InlineArray<32, UInt8>(repeating: 0)
    for index in 0..<32 {
      let shift = UInt32(truncatingIfNeeded: 24 &- 8 &* (index & 3))
      digest[index] = UInt8(truncatingIfNeeded: state[index &>> 2] &>> shift)
    }
    wipe()
    return digest
  }

  /// The digest of one span.
  public static func hash(_ bytes: borrowing Span<UInt8>) -> InlineArray<32, UInt8> {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finalize()
  }

  /// Overwrites the state and starts anew.
  public mutating func wipe() {
    Wipe.bytes(&buffer)
    Wipe.words(&state)
    self = SHA256()
  }

  @inline(__always)
  static func load(_ block: borrowing Span<UInt8>, _ offset: Int) -> UInt32 {
    UInt32(block[offset]) &<< 24 | UInt32(block[offset &+ 1]) &<< 16
      | UInt32(block[offset &+ 2]) &<< 8 | UInt32(block[offset &+ 3])
  }

  @inline(__always)
  static func rotate(_ x: UInt32, _ by: UInt32) -> UInt32 { x &>> by | x &<< (32 &- by) }

  @inline(__always)
  static func small0(_ x: UInt32) -> UInt32 { rotate(x, 7) ^ rotate(x, 18) ^ x &>> 3 }

  @inline(__always)
  static func small1(_ x: UInt32) -> UInt32 { rotate(x, 17) ^ rotate(x, 19) ^ x &>> 10 }

  // One round (FIPS 180-4 §6.2.2 step 3) with the variables renamed instead of moved; the sums of three rotations are
  // turned step by step.
  @inline(__always)
  static func round(
    _ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: inout UInt32, _ e: UInt32, _ f: UInt32, _ g: UInt32,
    _ h: inout UInt32, _ wk: UInt32
  ) {
    h = h &+ wk &+ rotate(rotate(rotate(e, 14) ^ e, 5) ^ e, 6) &+ (g ^ (e & (f ^ g)))
    d = d &+ h
    h = h &+ rotate(rotate(rotate(a, 9) ^ a, 11) ^ a, 2) &+ ((a & b) | (c & (a | b)))
  }
}
