// Parameter: headers 0x301, 0x303 and the 8-byte parameters: what the host tells the guest at load time.
import Bits

/// PARAMETER_AREA, 16 bytes: a host-side buffer that reaches the guest when it is inserted (reference §7).
public struct ParameterArea: Equatable, Sendable {
  /// Bytes, a multiple of 4096.
  public var byteCount: UInt64
  /// The number by which parameters and the insert name it; unique in the file.
  public var index: UInt32
  /// Where its initial content lies in the file, bytes; 0 = zeros.
  public var fileOffset: UInt32

  /// An area; the builder fills in the file offset.
  public init(index: UInt32, byteCount: UInt64) {
    self.byteCount = byteCount
    self.index = index
    fileOffset = 0
  }

  init(_ reader: inout ByteReader, _ file: borrowing Span<UInt8>) throws(ByteError) {
    byteCount = try reader.little(UInt64.self, file)
    index = try reader.little(UInt32.self, file)
    fileOffset = try reader.little(UInt32.self, file)
  }

  func encode(_ out: inout WireEncoder) {
    out.append(byteCount)
    out.append(index)
    out.append(fileOffset)
  }
}

/// PARAMETER_INSERT, 16 bytes: imports an area as unmeasured pages, lowest address first (reference §7).
public struct ParameterInsert: Equatable, Sendable {
  /// The guest-physical address of the first page, bytes.
  public var gpa: UInt64
  /// The platforms it is for.
  public var mask: PlatformMask
  /// The area; no header may name it afterwards.
  public var areaIndex: UInt32

  /// An insert with all its fields.
  public init(gpa: UInt64, mask: PlatformMask, areaIndex: UInt32) {
    self.gpa = gpa
    self.mask = mask
    self.areaIndex = areaIndex
  }

  init(_ reader: inout ByteReader, _ file: borrowing Span<UInt8>) throws(ByteError) {
    gpa = try reader.little(UInt64.self, file)
    mask = .init(try reader.little(UInt32.self, file))
    areaIndex = try reader.little(UInt32.self, file)
  }

  func encode(_ out: inout WireEncoder) {
    out.append(gpa)
    out.append(mask.rawValue)
    out.append(areaIndex)
  }
}

/// One of the 8-byte parameters: the loader writes a value at a place of an area (reference §7).
public struct Parameter: Equatable, Sendable {
  /// What is written: the header's type.
  public var kind: HeaderType
  /// The area.
  public var areaIndex: UInt32
  /// Where in the area, bytes.
  public var byteOffset: UInt32

  /// A parameter with all its fields.
  public init(_ kind: HeaderType, areaIndex: UInt32, byteOffset: UInt32) {
    self.kind = kind
    self.areaIndex = areaIndex
    self.byteOffset = byteOffset
  }

  init(_ kind: HeaderType, _ reader: inout ByteReader, _ file: borrowing Span<UInt8>) throws(ByteError) {
    self.kind = kind
    areaIndex = try reader.little(UInt32.self, file)
    byteOffset = try reader.little(UInt32.self, file)
  }

  /// The least number of bytes that the loader writes: 4 for counts and flags, 1 for tables.
  public var minimumByteCount: UInt64 {
    kind == .vpCountParameter || kind == .environmentInfo ? 4 : 1
  }

  func encode(_ out: inout WireEncoder) {
    out.append(areaIndex)
    out.append(byteOffset)
  }
}
