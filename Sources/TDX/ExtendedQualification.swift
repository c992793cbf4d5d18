// ExtendedQualification: what the module adds to an EPT violation.

/// The extended exit qualification: type in bits 3:0, information in 63:32.
///
/// Source: TDX module 1.5.01 (reference tdx.md A.5).
public struct ExtendedQualification: RawRepresentable, Hashable, Sendable {
  /// The whole word.
  public let rawValue: UInt64

  /// The word `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Nothing to add.
  public static let none = ExtendedQualification(rawValue: 0)
  /// An access to a PENDING page.
  public static let pendingEPTViolation = ExtendedQualification(rawValue: 6)

  /// The kinds that carry a walk.
  public enum Walk: UInt64, Sendable {
    /// TDG.MEM.PAGE.ACCEPT.
    case accept = 1
    /// A missing L2 SEPT page.
    case guestAddressDetails = 2
    /// TDG.MEM.PAGE.ATTR.WR.
    case attributesWrite = 5
  }

  /// A failed walk: bits of the information are 2:0 requested level, 5:3 level reached, 13:6 SEPT
  /// state, 14 is a leaf, 21:20 VM.
  public init(
    _ kind: Walk, requestedLevel: UInt8, reachedLevel: UInt8, state: UInt8, isLeaf: Bool,
    vm: UInt8 = 0
  ) {
    let information =
      UInt64(requestedLevel & 7) | UInt64(reachedLevel & 7) << 3 | UInt64(state) << 6
      | (isLeaf ? 1 << 14 : 0) | UInt64(vm & 3) << 20
    rawValue = kind.rawValue | information << 32
  }

  /// Bits 3:0.
  public var kind: UInt8 { UInt8(truncatingIfNeeded: rawValue & 15) }
  /// Bits 34:32.
  public var requestedLevel: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 32 & 7) }
  /// Bits 37:35.
  public var reachedLevel: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 35 & 7) }
  /// Bits 45:38.
  public var septState: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 38) }
}
