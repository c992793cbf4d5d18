// HeaderType: the numbers of the variable headers and the section each belongs to.

/// The three sections of the variable headers, in the order a file must keep (reference §3).
public enum HeaderSection: UInt8, Comparable, Sendable {
  case platform, initialization, directive

  /// Whether `lhs` comes before `rhs` in a file.
  public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// The `type` word of a variable header; any value is representable.
///
/// Source: `igvm_defs`, `IgvmVariableHeaderType`; reference §3 "All types".
public struct HeaderType: RawRepresentable, Equatable, Sendable {
  /// The number on the wire.
  public let rawValue: UInt32

  /// A type with any number, known or not.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  init(_ rawValue: UInt32) { self.rawValue = rawValue }

  /// 0x001: binds a mask bit to a platform.
  public static let supportedPlatform = HeaderType(0x001)
  /// 0x101: the guest policy of SNP, TDX, SEV.
  public static let guestPolicy = HeaderType(0x101)
  /// 0x102: a region that the loader may slide.
  public static let relocatableRegion = HeaderType(0x102)
  /// 0x103: page tables that the loader fixes up after sliding a region.
  public static let pageTableRelocationRegion = HeaderType(0x103)
  /// 0x104: a CoRIM document.
  public static let corimDocument = HeaderType(0x104)
  /// 0x105: the signature of a CoRIM document.
  public static let corimSignature = HeaderType(0x105)
  /// 0x106: the policy of an Arm CCA realm.
  public static let ccaPolicy = HeaderType(0x106)
  /// 0x301: a host-side buffer for parameters.
  public static let parameterArea = HeaderType(0x301)
  /// 0x302: one 4 KiB page.
  public static let pageData = HeaderType(0x302)
  /// 0x303: imports a parameter area into guest memory.
  public static let parameterInsert = HeaderType(0x303)
  /// 0x304: the start state of a virtual processor.
  public static let vpContext = HeaderType(0x304)
  /// 0x305: memory that must exist.
  public static let requiredMemory = HeaderType(0x305)
  /// 0x306: reserved, formerly a shared boundary; never valid.
  public static let reservedSharedBoundary = HeaderType(0x306)
  /// 0x307: the number of virtual processors, u32.
  public static let vpCountParameter = HeaderType(0x307)
  /// 0x308: the ACPI SRAT.
  public static let srat = HeaderType(0x308)
  /// 0x309: the ACPI MADT.
  public static let madt = HeaderType(0x309)
  /// 0x30A: the MMIO ranges.
  public static let mmioRanges = HeaderType(0x30A)
  /// 0x30B: the SNP ID block.
  public static let snpIDBlock = HeaderType(0x30B)
  /// 0x30C: the memory map.
  public static let memoryMap = HeaderType(0x30C)
  /// 0x30D: pages shared with the host for the life of the guest.
  public static let errorRange = HeaderType(0x30D)
  /// 0x30E: the command line.
  public static let commandLine = HeaderType(0x30E)
  /// 0x30F: the ACPI SLIT.
  public static let slit = HeaderType(0x30F)
  /// 0x310: the ACPI PPTT.
  public static let pptt = HeaderType(0x310)
  /// 0x311: the signed measurement of a VBS guest.
  public static let vbsMeasurement = HeaderType(0x311)
  /// 0x312: a flattened device tree.
  public static let deviceTree = HeaderType(0x312)
  /// 0x313: the environment word (bit 0: memory is shared).
  public static let environmentInfo = HeaderType(0x313)

  /// Bit 31: a loader that does not know the type may skip it.
  ///
  /// Never set by our builder.
  public static let optionalBit: UInt32 = 0x8000_0000

  /// Whether bit 31 is set.
  public var isOptional: Bool { rawValue & Self.optionalBit != 0 }

  /// The section by the number's range, nil outside every range (0x201–0x300 is unassigned).
  public var section: HeaderSection? {
    switch rawValue {
    case 0x001...0x100: .platform
    case 0x101...0x200: .initialization
    case 0x301...0x400: .directive
    default: nil
    }
  }

  /// The exact size of the content in bytes, nil for a type that is not known.
  public var contentSize: Int? {
    switch rawValue {
    case 0x001, 0x101, 0x104, 0x105, 0x301, 0x303, 0x30D: 16
    case 0x102: 48
    case 0x103, 0x106: 32
    case 0x302, 0x305: 24
    case 0x304: 20
    case 0x307...0x30A, 0x30C, 0x30E...0x310, 0x312, 0x313: 8
    case 0x30B: 696
    case 0x311: 864
    default: nil
    }
  }

  /// Whether the header is one of the 8-byte parameters {area index, byte offset}.
  public var isParameter: Bool { contentSize == 8 }

  /// The name in the definitions' spelling.
  public var name: StaticString {
    switch rawValue {
    case 0x001: "SUPPORTED_PLATFORM"
    case 0x101: "GUEST_POLICY"
    case 0x102: "RELOCATABLE_REGION"
    case 0x103: "PAGE_TABLE_RELOCATION_REGION"
    case 0x104: "CORIM_DOCUMENT"
    case 0x105: "CORIM_SIGNATURE"
    case 0x106: "CCA_POLICY"
    case 0x301: "PARAMETER_AREA"
    case 0x302: "PAGE_DATA"
    case 0x303: "PARAMETER_INSERT"
    case 0x304: "VP_CONTEXT"
    case 0x305: "REQUIRED_MEMORY"
    case 0x306: "RESERVED"
    case 0x307: "VP_COUNT"
    case 0x308: "SRAT"
    case 0x309: "MADT"
    case 0x30A: "MMIO_RANGES"
    case 0x30B: "SNP_ID_BLOCK"
    case 0x30C: "MEMORY_MAP"
    case 0x30D: "ERROR_RANGE"
    case 0x30E: "COMMAND_LINE"
    case 0x30F: "SLIT"
    case 0x310: "PPTT"
    case 0x311: "VBS_MEASUREMENT"
    case 0x312: "DEVICE_TREE"
    case 0x313: "ENVIRONMENT_INFO"
    default: "UNKNOWN"
    }
  }
}
