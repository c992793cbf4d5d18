// SNPIDBlock: header 0x30B, the signed identity of an SNP guest; and the opaque header 0x311.
import Bits

/// SNP_ID_BLOCK, 696 bytes (reference §7): what the platform compares and checks at launch.
///
/// The fields stay in wire form, so that a block with any content is representable; views give the parts.
public struct SNPIDBlock: Equatable, Sendable {
  /// The size on the wire, bytes.
  public static let byteCount = 696
  /// Where each field lies, bytes from the start of the content.
  public enum Offset {
    /// 1 if the author key is present.
    public static let authorKeyEnabled = 4
    /// The expected launch digest, 48 bytes.
    public static let launchDigest = 8
    /// The family, 16 bytes.
    public static let familyID = 56
    /// The image, 16 bytes.
    public static let imageID = 72
    /// The version of the block, u32, 1.
    public static let version = 88
    /// The guest's security version, u32.
    public static let guestSVN = 92
    /// 1 = ECDSA P-384 with SHA-384, u32.
    public static let idKeyAlgorithm = 96
    /// As above, for the author key.
    public static let authorKeyAlgorithm = 100
    /// r then s, 72 bytes each, little-endian.
    public static let idKeySignature = 104
    /// Curve u32, reserved u32, x then y, 72 bytes each, little-endian.
    public static let idPublicKey = 248
    /// As the ID key's.
    public static let authorKeySignature = 400
    /// As the ID key's.
    public static let authorPublicKey = 544
  }

  /// All 696 bytes, the mask included.
  public private(set) var content: [UInt8]

  /// A block of zeros for `mask`.
  public init(mask: PlatformMask) {
    content = [UInt8](repeating: 0, count: Self.byteCount)
    setWord(mask.rawValue, at: 0)
  }

  /// The platforms it is for.
  public var mask: PlatformMask {
    get { .init(word(at: 0)) }
    set { setWord(newValue.rawValue, at: 0) }
  }

  /// The u32 at `offset`; 0 beyond the end.
  public func word(at offset: Int) -> UInt32 {
    guard offset >= 0, offset <= content.count - 4 else { return 0 }
    var value: UInt32 = 0
    for index in 0..<4 { value |= UInt32(content[offset + index]) << UInt32(8 * index) }
    return value
  }

  /// Stores a u32 at `offset`; does nothing beyond the end.
  public mutating func setWord(_ value: UInt32, at offset: Int) {
    guard offset >= 0, offset <= content.count - 4 else { return }
    for index in 0..<4 { content[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index)) }
  }

  /// The `count` bytes at `offset`; empty beyond the end.
  public func bytes(at offset: Int, count: Int) -> ArraySlice<UInt8> {
    guard offset >= 0, count >= 0, offset <= content.count - count else { return [] }
    return content[offset..<(offset + count)]
  }

  /// Stores bytes at `offset`; does nothing beyond the end.
  public mutating func setBytes(_ bytes: [UInt8], at offset: Int) {
    guard offset >= 0, offset <= content.count - bytes.count else { return }
    for index in bytes.indices { content[offset + index] = bytes[index] }
  }

  init(_ reader: inout ByteReader, _ file: borrowing Span<UInt8>) throws(ByteError) {
    content = []
    content.reserveCapacity(Self.byteCount)
    for _ in 0..<Self.byteCount { content.append(try reader.u8(file)) }
  }

  func encode(_ out: inout WireEncoder) { out.bytes.append(contentsOf: content) }
}

/// VBS_MEASUREMENT, 864 bytes: kept as it is, for files that carry Hyper-V's VBS (reference §7).
public struct VBSMeasurement: Equatable, Sendable {
  /// The size on the wire, bytes.
  public static let byteCount = 864
  /// The platforms it is for.
  public var mask: PlatformMask
  /// The 860 bytes after the mask.
  public let rest: [UInt8]

  init(_ reader: inout ByteReader, _ file: borrowing Span<UInt8>) throws(ByteError) {
    mask = .init(try reader.little(UInt32.self, file))
    var rest: [UInt8] = []
    for _ in 4..<Self.byteCount { rest.append(try reader.u8(file)) }
    self.rest = rest
  }

  func encode(_ out: inout WireEncoder) {
    out.append(mask.rawValue)
    out.bytes.append(contentsOf: rest)
  }
}
