// ByteWriter: a bounds-checked cursor that fills a fixed byte buffer, little- or big-endian.

/// Writes fields into a byte buffer held by the caller, in order, never beyond its end.
public struct ByteWriter: Equatable, Sendable {
  /// The offset, in bytes, of the next write.
  public private(set) var offset: Int
  /// The offset, in bytes, that no write passes.
  public let limit: Int

  /// A cursor that starts at `offset` and stops at `limit`.
  public init(at offset: Int = 0, limit: Int) {
    self.offset = max(0, offset)
    self.limit = max(self.offset, limit)
  }

  /// Bytes left before the limit.
  public var remaining: Int { limit - offset }

  /// Writes one byte.
  public mutating func u8(_ value: UInt8, _ bytes: inout MutableSpan<UInt8>) throws(ByteError) {
    guard remaining >= 1, offset < bytes.count else { throw .outOfBounds }
    bytes[offset] = value
    offset += 1
  }

  /// Writes a little-endian integer of any fixed width.
  public mutating func little<T: FixedWidthInteger & UnsignedInteger>(
    _ value: T, _ bytes: inout MutableSpan<UInt8>
  ) throws(ByteError) {
    let width = T.bitWidth / 8
    guard remaining >= width, bytes.count - offset >= width else { throw .outOfBounds }
    for index in 0..<width {
      bytes[offset + index] = UInt8(truncatingIfNeeded: value >> T(truncatingIfNeeded: 8 * index))
    }
    offset += width
  }

  /// Writes a big-endian integer of any fixed width.
  public mutating func big<T: FixedWidthInteger & UnsignedInteger>(
    _ value: T, _ bytes: inout MutableSpan<UInt8>
  ) throws(ByteError) {
    try little(value.byteSwapped, &bytes)
  }

  /// Writes `count` zero bytes.
  public mutating func zeros(_ count: Int, _ bytes: inout MutableSpan<UInt8>) throws(ByteError) {
    guard count >= 0, count <= remaining, bytes.count - offset >= count else { throw .outOfBounds }
    for index in offset..<(offset + count) { bytes[index] = 0 }
    offset += count
  }
}
