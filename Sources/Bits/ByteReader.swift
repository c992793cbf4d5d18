// ByteReader: a bounds-checked little-endian cursor over bytes that nobody vouches for.

/// What can be wrong with bytes that are being read.
public enum ByteError: Error, Equatable, Sendable {
  /// Fewer bytes are left than the field needs.
  case outOfBounds
}

/// Reads fields from a byte buffer held by the caller, in order, never beyond its end.
///
/// The cursor holds only an offset and a limit: each read names the buffer, so the cursor can be
/// kept while the buffer is borrowed elsewhere.
public struct ByteReader: Equatable, Sendable {
  /// The offset, in bytes, of the next read.
  public private(set) var offset: Int
  /// The offset, in bytes, that no read passes.
  public let limit: Int

  /// A cursor over `range` of a buffer; an empty one if `range` is not well-formed.
  public init(from offset: Int = 0, limit: Int) {
    self.offset = max(0, offset)
    self.limit = max(self.offset, limit)
  }

  /// Bytes left before the limit.
  public var remaining: Int { limit - offset }

  /// Moves past `count` bytes; throws `outOfBounds` (and does not move) if fewer are left.
  public mutating func skip(_ count: Int) throws(ByteError) {
    guard count >= 0, count <= remaining else { throw .outOfBounds }
    offset += count
  }

  /// Reads one byte.
  public mutating func u8(_ bytes: borrowing Span<UInt8>) throws(ByteError) -> UInt8 {
    guard remaining >= 1, offset < bytes.count else { throw .outOfBounds }
    defer { offset += 1 }
    return bytes[offset]
  }

  /// Reads a little-endian integer of any fixed width.
  public mutating func little<T: FixedWidthInteger & UnsignedInteger>(
    _ type: T.Type, _ bytes: borrowing Span<UInt8>
  ) throws(ByteError) -> T {
    let width = T.bitWidth / 8
    guard remaining >= width, bytes.count - offset >= width else { throw .outOfBounds }
    var value: T = 0
    for index in 0..<width {
      value |= T(truncatingIfNeeded: bytes[offset + index]) << T(truncatingIfNeeded: 8 * index)
    }
    offset += width
    return value
  }

  /// Reads a big-endian integer of any fixed width.
  public mutating func big<T: FixedWidthInteger & UnsignedInteger>(
    _ type: T.Type, _ bytes: borrowing Span<UInt8>
  ) throws(ByteError) -> T {
    try little(type, bytes).byteSwapped
  }
}
