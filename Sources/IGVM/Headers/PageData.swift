// PageData: header 0x302, one page of guest memory.
import Bits

/// What a page holds; any value is representable (reference §7, `IgvmPageDataType`).
public struct PageDataType: RawRepresentable, Equatable, Sendable {
  /// The number on the wire.
  public let rawValue: UInt16

  /// A page type with any number, known or not.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// 0: content from the file, or zeros.
  public static let normal = PageDataType(rawValue: 0)
  /// 1: the SNP secrets page, filled by the platform.
  public static let secrets = PageDataType(rawValue: 1)
  /// 2: the SNP CPUID page, checked by the platform.
  public static let cpuid = PageDataType(rawValue: 2)
  /// 3: a CPUID page with extended feature sizes; every loader treats it as 2.
  public static let cpuidXF = PageDataType(rawValue: 3)

  /// The name in the definitions' spelling.
  public var name: StaticString {
    switch rawValue {
    case 0: "NORMAL"
    case 1: "SECRETS"
    case 2: "CPUID_DATA"
    case 3: "CPUID_XF"
    default: "UNKNOWN"
    }
  }
}

/// PAGE_DATA, 24 bytes (reference §7).
public struct PageData: Equatable, Sendable {
  /// The size of a page, bytes.
  public static let pageSize: UInt64 = 4096
  /// Flag bit 0: the header covers 2 MiB.
  ///
  /// No loader implements it, so it is refused.
  public static let is2MiB: UInt32 = 1 << 0
  /// Flag bit 1: the content is not measured.
  public static let unmeasured: UInt32 = 1 << 1
  /// Flag bit 2: the page is left visible to the host.
  public static let shared: UInt32 = 1 << 2

  /// The guest-physical address, bytes, a multiple of 4096.
  public var gpa: UInt64
  /// The platforms it is for.
  public var mask: PlatformMask
  /// Where its 4096 bytes lie in the file; 0 = a page of zeros.
  public var fileOffset: UInt32
  /// Bits 0 to 2 above; the others are reserved.
  public var flags: UInt32
  /// What the page holds.
  public var type: PageDataType
  /// Zero.
  public var reserved: UInt16

  /// A page; the builder fills in the file offset.
  public init(gpa: UInt64, mask: PlatformMask, flags: UInt32 = 0, type: PageDataType = .normal) {
    self.gpa = gpa
    self.mask = mask
    fileOffset = 0
    self.flags = flags
    self.type = type
    reserved = 0
  }

  /// Whether the content takes part in the launch digest.
  public var isMeasured: Bool { flags & Self.unmeasured == 0 }
  /// Whether the page is left visible to the host.
  public var isShared: Bool { flags & Self.shared != 0 }

  init(_ reader: inout ByteReader, _ file: borrowing Span<UInt8>) throws(ByteError) {
    gpa = try reader.little(UInt64.self, file)
    mask = .init(try reader.little(UInt32.self, file))
    fileOffset = try reader.little(UInt32.self, file)
    flags = try reader.little(UInt32.self, file)
    type = .init(rawValue: try reader.little(UInt16.self, file))
    reserved = try reader.little(UInt16.self, file)
  }

  func encode(_ out: inout WireEncoder) {
    out.append(gpa)
    out.append(mask.rawValue)
    out.append(fileOffset)
    out.append(flags)
    out.append(type.rawValue)
    out.append(reserved)
  }
}
