// PlatformMask: the compatibility mask that says which platforms a header serves.

/// A set of platforms: one bit for each SUPPORTED_PLATFORM header of the file (reference §4).
public struct PlatformMask: RawRepresentable, Equatable, Hashable, Sendable {
  /// The word on the wire.
  public let rawValue: UInt32

  /// A mask with any bits.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// A mask with any bits.
  public init(_ rawValue: UInt32) { self.rawValue = rawValue }

  /// No platform.
  public static let none = PlatformMask(0)
  /// Every platform: what a header without a mask field serves.
  public static let all = PlatformMask(.max)

  /// Whether exactly one bit is set.
  public var isSingle: Bool { rawValue.nonzeroBitCount == 1 }

  /// Whether a bit is common to both: a header with this mask serves `other`.
  public func intersects(_ other: PlatformMask) -> Bool { rawValue & other.rawValue != 0 }

  /// Whether every bit of `other` is in this mask.
  public func contains(_ other: PlatformMask) -> Bool { rawValue & other.rawValue == other.rawValue }

  /// The bits of both.
  public func union(_ other: PlatformMask) -> PlatformMask { .init(rawValue | other.rawValue) }

  /// The lowest bit that is not set, nil if all 32 are.
  public var firstFree: PlatformMask? {
    let free = ~rawValue
    return free == 0 ? nil : .init(1 << UInt32(free.trailingZeroBitCount))
  }
}

/// The platform number of a SUPPORTED_PLATFORM header; any value is representable (reference §4).
public struct PlatformType: RawRepresentable, Equatable, Hashable, Sendable {
  /// The byte on the wire.
  public let rawValue: UInt8

  /// A platform with any number, known or not.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// 0: no isolation.
  public static let native = PlatformType(rawValue: 0)
  /// 1: Hyper-V VBS isolation.
  public static let vsmIsolation = PlatformType(rawValue: 1)
  /// 2: AMD SEV-SNP.
  public static let snp = PlatformType(rawValue: 2)
  /// 3: Intel TDX.
  public static let tdx = PlatformType(rawValue: 3)
  /// 4: AMD SEV.
  public static let sev = PlatformType(rawValue: 4)
  /// 5: AMD SEV-ES.
  public static let sevES = PlatformType(rawValue: 5)
  /// 6: Arm CCA.
  public static let cca = PlatformType(rawValue: 6)

  /// The name in the definitions' spelling.
  public var name: StaticString {
    switch rawValue {
    case 0: "NATIVE"
    case 1: "VSM_ISOLATION"
    case 2: "SEV_SNP"
    case 3: "TDX"
    case 4: "SEV"
    case 5: "SEV_ES"
    case 6: "CCA"
    default: "UNKNOWN"
    }
  }
}

/// The processor architecture of a file (fixed header version 2; version 1 means X64).
public struct Architecture: RawRepresentable, Equatable, Sendable {
  /// The word on the wire.
  public let rawValue: UInt32

  /// An architecture with any number, known or not.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// 0: x86-64.
  public static let x64 = Architecture(rawValue: 0)
  /// 1: AArch64.
  public static let aarch64 = Architecture(rawValue: 1)
}
