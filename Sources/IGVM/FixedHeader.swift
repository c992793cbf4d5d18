// FixedHeader: the first 24 or 32 bytes of a file, and the checks on them.
import Bits

/// The fixed header (reference §2).
public struct FixedHeader: Equatable, Sendable {
  /// "IGVM", little-endian.
  public static let magic: UInt32 = 0x4D56_4749
  /// The only page size that loaders accept, in bytes.
  public static let pageSize: UInt32 = 4096
  /// Where the checksum lies, in bytes from the start of the file.
  public static let checksumOffset = 0x14

  /// 1 (x86-64, 24 bytes) or 2 (32 bytes).
  public var version: UInt32
  /// Where the variable headers start, in bytes.
  public var variableHeaderOffset: UInt32
  /// How many bytes of variable headers there are, a multiple of 8.
  public var variableHeaderSize: UInt32
  /// The length of the whole file in bytes.
  public var totalFileSize: UInt32
  /// CRC-32 of this header with a zero here, then of the variable headers.
  public var checksum: UInt32
  /// The processor architecture; X64 for version 1.
  public var architecture: Architecture

  /// The bytes that a header of `version` takes: 24 or 32.
  public static func size(version: UInt32) -> Int { version == 1 ? 24 : 32 }

  /// Where file data starts, in bytes.
  public var dataOffset: Int { Int(variableHeaderOffset) + Int(variableHeaderSize) }

  /// Reads and checks the fixed header, in the order of reference §2, and the checksum last.
  ///
  /// Stricter than other parsers in one way: the variable headers must start at or after the end of
  /// this header, on a multiple of 8, and fill a multiple of 8.
  public init(_ file: borrowing Span<UInt8>) throws(Violation) {
    guard file.count >= 24 else { throw Violation(.fixedHeaderTruncated, at: 0, UInt64(file.count)) }
    var reader = ByteReader(limit: file.count)
    let magic = try reader.fixedField(file)
    guard magic == Self.magic else { throw Violation(.fixedMagic, at: 0, UInt64(magic)) }
    version = try reader.fixedField(file)
    guard version == 1 || version == 2 else { throw Violation(.fixedVersion, at: 4, UInt64(version)) }
    guard file.count >= Self.size(version: version) else {
      throw Violation(.fixedHeaderTruncated, at: 0, UInt64(file.count))
    }
    variableHeaderOffset = try reader.fixedField(file)
    variableHeaderSize = try reader.fixedField(file)
    totalFileSize = try reader.fixedField(file)
    checksum = try reader.fixedField(file)
    architecture = .x64
    if version == 2 {
      architecture = .init(rawValue: try reader.fixedField(file))
      guard architecture == .x64 || architecture == .aarch64 else {
        throw Violation(.fixedArchitecture, at: 0x18, UInt64(architecture.rawValue))
      }
      let pageSize = try reader.fixedField(file)
      guard pageSize == Self.pageSize else { throw Violation(.fixedPageSize, at: 0x1C, UInt64(pageSize)) }
    }
    try checkExtents(fileSize: file.count)
    let computed = Self.checksum(of: file, headerSize: Self.size(version: version), variable: variableRange)
    guard computed == checksum else {
      throw Violation(.checksum, at: UInt64(Self.checksumOffset), UInt64(computed))
    }
  }

  /// A header to be written; the sizes and the checksum are filled in by the builder.
  public init(version: UInt32, architecture: Architecture) {
    self.version = version
    self.architecture = architecture
    variableHeaderOffset = UInt32(Self.size(version: version))
    variableHeaderSize = 0
    totalFileSize = 0
    checksum = 0
  }

  private var variableRange: Range<Int> { Int(variableHeaderOffset)..<dataOffset }

  private func checkExtents(fileSize: Int) throws(Violation) {
    guard Int(totalFileSize) == fileSize else {
      throw Violation(.fixedTotalSize, at: 0x10, UInt64(totalFileSize))
    }
    guard Int(variableHeaderOffset) >= Self.size(version: version), variableHeaderOffset % 8 == 0 else {
      throw Violation(.fixedVariableOffset, at: 0x08, UInt64(variableHeaderOffset))
    }
    // Strict: a file with an empty data region is refused by every loader (reference §2).
    guard dataOffset < fileSize else {
      throw Violation(.fixedVariableSize, at: 0x0C, UInt64(variableHeaderSize))
    }
    guard variableHeaderSize % 8 == 0 else {
      throw Violation(.fixedVariableSize, at: 0x0C, UInt64(variableHeaderSize))
    }
  }

  /// The checksum over the fixed header (its own field as zero) and the variable headers; bytes between
  /// the two are not covered (reference §2).
  static func checksum(of file: borrowing Span<UInt8>, headerSize: Int, variable: Range<Int>) -> UInt32 {
    var crc = CRC32()
    let own = checksumOffset..<(checksumOffset + 4)
    for index in 0..<min(headerSize, file.count) { crc.update(own.contains(index) ? 0 : file[index]) }
    for index in variable where index < file.count { crc.update(file[index]) }
    return crc.value
  }
}

extension ByteReader {
  /// The next word of the fixed header.
  fileprivate mutating func fixedField(_ file: borrowing Span<UInt8>) throws(Violation) -> UInt32 {
    do throws(ByteError) {
      return try little(UInt32.self, file)
    } catch {
      throw Violation(.fixedHeaderTruncated, at: 0, UInt64(file.count))
    }
  }
}
