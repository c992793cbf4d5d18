// SHA1: the 160-bit Secure Hash of FIPS 180-4, kept for the TPM's SHA-1 PCR bank and names.

/// SHA-1 (FIPS 180-4 §6.1) as a value.
///
/// Not for new signatures: collisions are known.
public struct SHA1: Sendable {
  /// Bytes of a digest.
  public static var digestSize: Int { 20 }
  /// Bytes of a block.
  public static var blockSize: Int { 64 }

  var state: InlineArray<5, UInt32>
  var buffer: InlineArray<64, UInt8>
  /// Bytes taken in so far, modulo 2^64.
  public internal(set) var byteCount: UInt64

  /// A hash of nothing yet, with the initial value of FIPS 180-4 §5.3.1.
  public init() {
    state = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]
    buffer = InlineArray(repeating: 0)
    byteCount = 0
  }

  /// Takes in all bytes of a span.
  public mutating func update(_ bytes: borrowing Span<UInt8>) { absorb(bytes) }

  /// The digest of all bytes so far; wipes and restarts the hash.
  public mutating func finalize() -> InlineArray<20, UInt8> {
    pad()
    var digest = InlineArray<20, UInt8>(repeating: 0)
    for index in 0..<20 {
      let shift = UInt32(truncatingIfNeeded: 24 &- 8 &* (index & 3))
      digest[index] = UInt8(truncatingIfNeeded: state[index &>> 2] &>> shift)
    }
    wipe()
    return digest
  }

  /// The digest of one span.
  public static func hash(_ bytes: borrowing Span<UInt8>) -> InlineArray<20, UInt8> {
    var hash = SHA1()
    hash.update(bytes)
    return hash.finalize()
  }

  /// Overwrites the state and starts anew.
  public mutating func wipe() {
    Wipe.bytes(&buffer)
    Wipe.words(&state)
    self = SHA1()
  }

  @inline(__always)
  static func rotate(_ x: UInt32, _ by: UInt32) -> UInt32 { x &<< by | x &>> (32 &- by) }

  @inline(__always)
  static func choose(_ b: UInt32, _ c: UInt32, _ d: UInt32) -> UInt32 { d ^ (b & (c ^ d)) }

  @inline(__always)
  static func parity(_ b: UInt32, _ c: UInt32, _ d: UInt32) -> UInt32 { b ^ c ^ d }

  @inline(__always)
  static func majority(_ b: UInt32, _ c: UInt32, _ d: UInt32) -> UInt32 { (b & c) | (d & (b | c)) }

  // One round (FIPS 180-4 §6.1.2 step 3): `e` becomes the next `a`, `b` is rotated in place.
  @inline(__always)
  static func round(
    _ a: UInt32, _ b: inout UInt32, _ e: inout UInt32, _ f: UInt32, _ wk: UInt32
  ) {
    e = e &+ rotate(a, 5) &+ f &+ wk
    b = rotate(b, 30)
  }
}
