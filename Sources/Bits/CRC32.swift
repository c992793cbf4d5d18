// CRC32: the IEEE 802.3 checksum that frames trace records and closes an IGVM header.

/// The reflected CRC-32 of IEEE 802.3 (polynomial 0xEDB88320, initial value and final XOR all ones),
/// computed bit by bit with no table: it is used on headers and frames, never on bulk data.
public struct CRC32: Equatable, Sendable {
  private var state: UInt32 = 0xFFFF_FFFF

  /// An empty checksum.
  public init() {}

  /// Takes in one byte.
  public mutating func update(_ byte: UInt8) {
    state ^= UInt32(byte)
    for _ in 0..<8 {
      let mask = 0 &- (state & 1)
      state = (state >> 1) ^ (0xEDB8_8320 & mask)
    }
  }

  /// Takes in all bytes of a span.
  public mutating func update(_ bytes: borrowing Span<UInt8>) {
    for index in bytes.indices { update(bytes[index]) }
  }

  /// The checksum of all bytes so far.
  public var value: UInt32 { ~state }
}
