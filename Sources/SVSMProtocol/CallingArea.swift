// CallingArea: the eight bytes at the start of a calling area.

/// The header of a calling area as one little-endian word.
///
/// Source: AMD 58019 table 2 (reference snp-svsm.md A.3).
public struct CallingArea: RawRepresentable, Equatable, Sendable {
  /// Bytes 0 to 7.
  public var rawValue: UInt64

  /// The header `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Offset of SVSM_CALL_PENDING in bytes.
  public static let callPendingOffset = 0
  /// Offset of SVSM_MEM_AVAILABLE in bytes.
  public static let memoryAvailableOffset = 1
  /// Offset of no_eoi_required in bytes (APIC protocol).
  public static let noEOIRequiredOffset = 2
  /// Offset of the guest's own part in bytes.
  public static let bufferOffset = 8
  /// Size of the header in bytes.
  public static let headerByteCount = 8

  /// What SVSM_CALL_PENDING says.
  public enum Pending: Equatable, Sendable {
    /// No call: the entry is spurious.
    case none
    /// A call.
    case requested
    /// A reserved value: INVALID_FORMAT.
    case reserved
  }

  /// Decodes SVSM_CALL_PENDING.
  public var pending: Pending {
    switch rawValue & 0xFF {
    case 0: .none
    case 1: .requested
    default: .reserved
    }
  }

  /// The header with SVSM_CALL_PENDING cleared and everything else kept.
  public var cleared: CallingArea { CallingArea(rawValue: rawValue & ~0xFF) }

  /// Whether SVSM_MEM_AVAILABLE is set.
  public var isMemoryAvailable: Bool { rawValue >> 8 & 0xFF != 0 }
}
