// PageStateChange: the list in the shared buffer by which a guest changes page states.

import Bits

/// The header of the list: the entries from `current` to `end`, inclusive, are to be done.
///
/// Source: AMD 56421 (reference snp-svsm.md B.5.2).
public struct PageStateHeader: RawRepresentable, Equatable, Sendable {
  /// The first 8 bytes of the buffer.
  public var rawValue: UInt64

  /// The header `rawValue`, which nobody has checked yet.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// A header for entries `current` to `end`.
  public init(current: UInt16, end: UInt16) {
    rawValue = UInt64(current) | UInt64(end) << 16
  }

  /// The most entries that a list can have.
  public static let maximumCount = 253

  /// The next entry to be done.
  public var current: UInt16 {
    get { UInt16(truncatingIfNeeded: rawValue) }
    set { rawValue = BitField(0...15).setting(UInt64(newValue), in: rawValue) }
  }
  /// The last entry.
  public var end: UInt16 { UInt16(truncatingIfNeeded: rawValue >> 16) }
  /// Bits 63:32, which must be 0.
  public var reserved: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) }

  /// SW_EXITINFO2 for a header that is wrong.
  public static let invalidHeader: UInt64 = 1 << 32 | 1
  /// SW_EXITINFO2 for an entry that is wrong.
  public static let invalidEntry: UInt64 = 1 << 32 | 2
  /// SW_EXITINFO2 for a change that the host could not make.
  public static let genericError: UInt64 = 0x100 << 32
}

/// One entry of the list, 8 bytes.
///
/// Source: AMD 56421 (reference snp-svsm.md B.5.2).
public struct PageStateEntry: RawRepresentable, Equatable, Sendable {
  /// The 64 bits.
  public var rawValue: UInt64

  /// The entry `rawValue`, which nobody has checked yet.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// An entry for guest page `page`.
  public init(page: UInt64, operation: PageStateOperation, is2M: Bool) {
    rawValue =
      (page & 0xFF_FFFF_FFFF) << 12 | UInt64(operation.rawValue & 15) << 52 | (is2M ? 1 << 56 : 0)
  }

  /// Bits 11:0: how many 4 KiB pages of the entry are done.
  public var currentPage: UInt16 {
    get { UInt16(truncatingIfNeeded: rawValue & 0xFFF) }
    set { rawValue = BitField(0...11).setting(UInt64(newValue), in: rawValue) }
  }
  /// Bits 51:12: the guest page number.
  public var page: UInt64 { rawValue >> 12 & 0xFF_FFFF_FFFF }
  /// Bits 55:52.
  public var operation: PageStateOperation {
    PageStateOperation(rawValue: UInt8(truncatingIfNeeded: rawValue >> 52 & 15))
  }
  /// Bit 56: the entry covers 2 MiB.
  public var is2M: Bool { rawValue.bit(56) }
  /// Bits 63:57, which must be 0.
  public var reserved: UInt64 { rawValue >> 57 }
}
