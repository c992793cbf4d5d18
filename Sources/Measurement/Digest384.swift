// Digest384: a SHA-384 value, as launch digests, MRTD and page contents are.

/// 48 bytes of SHA-384.
public struct Digest384: Equatable, Sendable {
  /// The size in bytes.
  public static let byteCount = 48
  /// The bytes, first first.
  public let bytes: InlineArray<48, UInt8>

  /// A digest with given bytes.
  public init(_ bytes: InlineArray<48, UInt8>) { self.bytes = bytes }

  /// A digest from 48 bytes; nil for any other number.
  public init?(copying source: ArraySlice<UInt8>) {
    guard source.count == Self.byteCount else { return nil }
    let start = source.startIndex
    bytes = InlineArray { source[start + $0] }
  }

  /// 48 zero bytes: where a launch digest starts, and the content of pages that are not measured.
  public static let zero = Digest384(InlineArray(repeating: 0))

  /// The digest of 4096 zero bytes (reference §18.0).
  public static let zeroPage = Digest384([
    0xC0, 0xE5, 0x9A, 0x3E, 0x3F, 0xFB, 0xD3, 0xB5, 0xC7, 0x54, 0x28, 0xFB, 0x36, 0x43, 0x2F, 0xAC,
    0xAB, 0xC7, 0x45, 0x94, 0x42, 0x96, 0xFF, 0x51, 0x5F, 0x73, 0x7C, 0x4F, 0xEF, 0x4E, 0xFC, 0x64,
    0x58, 0x68, 0x09, 0xF7, 0xA1, 0x6F, 0x56, 0x35, 0x4A, 0x1E, 0xAE, 0xCF, 0x2A, 0xA8, 0xD7, 0x74,
  ])

  /// The bytes as an array.
  public var array: [UInt8] {
    var array: [UInt8] = []
    for index in bytes.indices { array.append(bytes[index]) }
    return array
  }

  /// Byte by byte; a launch digest is public, so time does not matter.
  public static func == (lhs: Self, rhs: Self) -> Bool {
    for index in lhs.bytes.indices where lhs.bytes[index] != rhs.bytes[index] { return false }
    return true
  }
}
