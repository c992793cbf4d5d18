// RMPPageSize: the two sizes an RMP entry can cover.

/// The size operand of the RMP instructions.
///
/// Source: APM volume 3, PVALIDATE (reference snp-svsm.md B.1.2).
public struct RMPPageSize: RawRepresentable, Hashable, Sendable {
  /// 0 for 4 KiB, 1 for 2 MiB; anything else is malformed.
  public let rawValue: UInt64

  /// The size `rawValue`, which nobody has checked yet.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// 4 KiB.
  public static let size4K = RMPPageSize(rawValue: 0)
  /// 2 MiB.
  public static let size2M = RMPPageSize(rawValue: 1)

  /// Whether the value is one of the two.
  public var isArchitectural: Bool { rawValue <= 1 }

  /// How many 4 KiB pages the size covers; 1 for malformed values.
  public var pageCount: UInt64 { self == .size2M ? 512 : 1 }

  /// How many bytes the size covers; 4096 for malformed values.
  public var byteCount: UInt64 { pageCount << 12 }
}
