// FirmwareImage: an OVMF image and the metadata by which a launcher places its pages.

/// A GUID in the byte order of firmware tables: the first three fields little-endian (reference §17).
public struct FirmwareGUID: Equatable, Sendable {
  /// The 16 bytes as they lie in the image.
  public let bytes: InlineArray<16, UInt8>

  /// The GUID `first-second-third-fourth`, the last field with its two parts as one word.
  init(_ first: UInt32, _ second: UInt16, _ third: UInt16, _ fourth: UInt64) {
    bytes = InlineArray { index in
      switch index {
      case 0..<4: UInt8(truncatingIfNeeded: first >> UInt32(8 * index))
      case 4..<6: UInt8(truncatingIfNeeded: second >> UInt16(8 * (index - 4)))
      case 6..<8: UInt8(truncatingIfNeeded: third >> UInt16(8 * (index - 6)))
      default: UInt8(truncatingIfNeeded: fourth >> UInt64(8 * (15 - index)))
      }
    }
  }

  init(_ source: ArraySlice<UInt8>) {
    let start = source.startIndex
    bytes = InlineArray { index in start + index < source.endIndex ? source[start + index] : 0 }
  }

  /// Byte by byte.
  public static func == (lhs: Self, rhs: Self) -> Bool {
    for index in lhs.bytes.indices where lhs.bytes[index] != rhs.bytes[index] { return false }
    return true
  }

  /// Ends the table, 32 bytes before the end of the image.
  static let footer = FirmwareGUID(0x96B5_82DE, 0x1FB2, 0x45F7, 0xBAEA_A366_C55A_082D)
  /// The place of the SEV metadata.
  static let sevMetadata = FirmwareGUID(0xDC88_6566, 0x984A, 0x4798, 0xA75E_5585_A7BF_67CC)
  /// The place of the TDX metadata.
  static let tdxMetadata = FirmwareGUID(0xE47A_6535, 0x984A, 0x4798, 0x865E_4685_A7BF_8EC2)
  /// The reset address of the other processors under SEV-ES.
  static let sevESReset = FirmwareGUID(0x00F7_71DE, 0x1A7E, 0x4FCB, 0x890E_68C7_7E2F_B44E)
  /// The table of kernel hashes.
  static let hashTable = FirmwareGUID(0x7255_371F, 0x3A3B, 0x4B04, 0x927B_1DA6_EFA8_D454)
}

/// An OVMF image: its bytes and its tables.
public struct FirmwareImage: Equatable, Sendable {
  /// The largest image that is accepted, bytes.
  public static let maximumByteCount = 64 << 20
  /// The most sections of one metadata table.
  public static let maximumSectionCount = 64

  /// A section of the SEV metadata.
  public struct Section: Equatable, Sendable {
    /// Where it starts, bytes.
    public let gpa: UInt64
    /// Its size, bytes.
    public let byteCount: UInt64
    /// 1 memory, 2 secrets, 3 CPUID, 4 SVSM calling area, 0x10 kernel hashes.
    public let type: UInt32
  }

  /// A section of the TDX metadata (TDVF design guide, §11).
  public struct TDXSection: Equatable, Sendable {
    /// Its bytes in the image; empty = zeros.
    public let data: Range<Int>
    /// Where it starts, bytes.
    public let gpa: UInt64
    /// Its size in memory, bytes.
    public let byteCount: UInt64
    /// 0 BFV, 1 CFV, 2 TD HOB, 3 temporary memory.
    public let type: UInt32
    /// Bit 0: content measured; bit 1: added after the launch.
    public let attributes: UInt32
  }

  /// The whole image.
  public let bytes: [UInt8]
  /// Where it starts so that it ends at 4 GiB, bytes.
  public let gpa: UInt64
  /// The SEV sections in table order; empty = none.
  public let sections: [Section]
  /// How far before the end of the image the TDX metadata lies, bytes; nil = none.
  private let tdxMetadata: UInt32?
  /// The address at which other processors start under SEV-ES and SNP; nil = the image names none.
  public let secondaryReset: UInt32?
  /// Where the table of kernel hashes lies; nil = the image has none.
  public let hashTable: (gpa: UInt32, byteCount: UInt32)?

  /// Two images are the same if their bytes are.
  public static func == (lhs: Self, rhs: Self) -> Bool { lhs.bytes == rhs.bytes }

  /// Reads an image; one without tables is accepted, a table that runs out of the image is not.
  public init(_ bytes: [UInt8]) throws(ImageError) {
    guard !bytes.isEmpty, bytes.count % 4096 == 0, bytes.count <= Self.maximumByteCount else {
      throw ImageError(
        .firmware, "the firmware has \(bytes.count) bytes",
        fix: "give an OVMF image of whole pages, at most 64 MiB")
    }
    self.bytes = bytes
    gpa = 0x1_0000_0000 - UInt64(bytes.count)
    let entries = try Self.entries(bytes)
    func entry(_ guid: FirmwareGUID) -> ArraySlice<UInt8>? { entries.first { $0.guid == guid }?.data }
    func word(_ data: ArraySlice<UInt8>?, _ index: Int) -> UInt32? {
      guard let data, data.count >= index * 4 + 4 else { return nil }
      var value: UInt32 = 0
      for byte in 0..<4 { value |= UInt32(data[data.startIndex + index * 4 + byte]) << UInt32(8 * byte) }
      return value
    }
    secondaryReset = word(entry(.sevESReset), 0)
    let table = entry(.hashTable)
    if let base = word(table, 0), let size = word(table, 1), base != 0 {
      hashTable = (base, size)
    } else {
      hashTable = nil
    }
    sections =
      try word(entry(.sevMetadata), 0).map { (back) throws(ImageError) in
        try Self.sevSections(bytes, back: back)
      } ?? []
    tdxMetadata = word(entry(.tdxMetadata), 0)
  }

  /// The entries of the table that ends 32 bytes before the end of the image, last first.
  private static func entries(
    _ bytes: [UInt8]
  ) throws(ImageError) -> [(guid: FirmwareGUID, data: ArraySlice<UInt8>)] {
    let footerEnd = bytes.count - 32
    guard footerEnd >= 18, FirmwareGUID(bytes[(footerEnd - 16)..<footerEnd]) == .footer else { return [] }
    let total = Int(bytes[footerEnd - 18]) | Int(bytes[footerEnd - 17]) << 8
    guard total >= 18, total <= footerEnd else { throw malformed("its GUID table has \(total) bytes") }
    let start = footerEnd - total
    var end = footerEnd - 18
    var entries: [(guid: FirmwareGUID, data: ArraySlice<UInt8>)] = []
    while end - start >= 18 {
      let size = Int(bytes[end - 18]) | Int(bytes[end - 17]) << 8
      guard size >= 18, size <= end - start else {
        throw malformed("an entry of its GUID table has \(size) bytes")
      }
      entries.append((FirmwareGUID(bytes[(end - 16)..<end]), bytes[(end - size)..<(end - 18)]))
      end -= size
    }
    return entries
  }

  private static func sevSections(_ bytes: [UInt8], back: UInt32) throws(ImageError) -> [Section] {
    let header = try place(bytes, back: back)
    let magic: UInt32 = try header.field(0)
    let version: UInt32 = try header.field(8)
    let count: UInt32 = try header.field(12)
    guard magic == 0x5645_5341, version == 1, count <= UInt32(maximumSectionCount) else {
      throw malformed("its SEV metadata has version \(version) and \(count) sections")
    }
    var sections: [Section] = []
    for index in 0..<Int(count) {
      let gpa: UInt32 = try header.field(16 + 12 * index)
      let size: UInt32 = try header.field(20 + 12 * index)
      guard gpa % 4096 == 0, size % 4096 == 0, UInt64(gpa) + UInt64(size) <= 0x1_0000_0000 else {
        throw malformed("its SEV section \(index) is not made of whole pages below 4 GiB")
      }
      sections.append(
        .init(gpa: UInt64(gpa), byteCount: UInt64(size), type: try header.field(24 + 12 * index)))
    }
    return sections
  }

  /// The TDX sections in table order; empty = none.
  ///
  /// Read only when asked for: the table of a firmware split into code and variables speaks of the whole, so that it
  /// is malformed for the code alone, which is of no concern to SNP.
  public func tdxSections() throws(ImageError) -> [TDXSection] {
    guard let tdxMetadata else { return [] }
    let header = try Self.place(bytes, back: tdxMetadata)
    let magic: UInt32 = try header.field(0)
    let version: UInt32 = try header.field(8)
    let count: UInt32 = try header.field(12)
    guard magic == 0x4656_4454, version == 1, count <= UInt32(Self.maximumSectionCount) else {
      throw Self.malformed("its TDX metadata has version \(version) and \(count) sections")
    }
    var sections: [TDXSection] = []
    for index in 0..<Int(count) {
      let base = 16 + 32 * index
      let offset: UInt32 = try header.field(base)
      let rawSize: UInt32 = try header.field(base + 4)
      let gpa: UInt64 = try header.field(base + 8)
      let size: UInt64 = try header.field(base + 16)
      guard gpa % 4096 == 0, size % 4096 == 0, UInt64(rawSize) <= size, size <= 1 << 30, gpa <= 1 << 46,
        UInt64(offset) + UInt64(rawSize) <= UInt64(bytes.count)
      else { throw Self.malformed("its TDX section \(index) is malformed") }
      sections.append(
        .init(
          data: Int(offset)..<Int(offset + rawSize), gpa: gpa, byteCount: size,
          type: try header.field(base + 24), attributes: try header.field(base + 28)))
    }
    return sections
  }

  private static func place(_ bytes: [UInt8], back: UInt32) throws(ImageError) -> FieldReader {
    do throws(ImageError) {
      return try FieldReader(bytes, at: bytes.count - Int(back))
    } catch {
      throw malformed("its metadata lies outside the image")
    }
  }

  private static func malformed(_ what: String) -> ImageError {
    ImageError(
      .firmware, "the firmware is malformed: \(what)", fix: "give an OVMF image built for SEV or TDX")
  }
}
