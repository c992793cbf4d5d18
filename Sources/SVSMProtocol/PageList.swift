// PageList: the list of pages that PVALIDATE and DEPOSIT_MEM take.

/// The 8-byte header of a page list, decoded and checked.
///
/// Source: AMD 58019, 6.2 and 6.5 (reference snp-svsm.md A.6).
public struct PageList: Equatable, Sendable {
  /// The address of the header in bytes, 8-byte aligned.
  public let address: UInt64
  /// How many entries there are, at least 1.
  public let count: UInt16
  /// The first entry to be done, below `count`.
  public let next: UInt16

  /// Offset of the 2-byte count.
  public static let countOffset = 0
  /// Offset of the 2-byte next index.
  public static let nextOffset = 2
  /// Offset of the first entry.
  public static let entriesOffset = 8

  /// Whether RCX may be the address of a list: 8-byte aligned.
  public static func isAligned(_ address: UInt64) -> Bool { address & 7 == 0 }

  /// How many entries fit into the page behind a header at `address`.
  public static func capacity(at address: UInt64) -> Int {
    max(0, (4096 - Int(address & 0xFFF) - entriesOffset) / 8)
  }

  /// Decodes `header`, the word at `address`.
  ///
  /// Throws INVALID_PARAMETER for a misaligned address, no entries, too many, or next not below count.
  public init(address: UInt64, header: UInt64) throws(ResultCode) {
    guard Self.isAligned(address) else { throw .invalidParameter }
    self.address = address
    count = UInt16(truncatingIfNeeded: header)
    next = UInt16(truncatingIfNeeded: header >> 16)
    guard count > 0, Int(count) <= Self.capacity(at: address), next < count else {
      throw .invalidParameter
    }
  }

  /// The address of entry `index`, which must be below `count`.
  public func entryAddress(_ index: UInt16) -> UInt64 {
    address &+ UInt64(Self.entriesOffset) &+ 8 &* UInt64(index)
  }

  /// `header` with the next index replaced, as it is written back.
  public static func header(_ header: UInt64, next: UInt16) -> UInt64 {
    header & ~0xFFFF_0000 | UInt64(next) << 16
  }
}

/// One entry of PVALIDATE, decoded and checked.
///
/// Source: AMD 58019, 6.2 (reference snp-svsm.md A.6, A.12 rows 4 and 5).
public struct PValidateEntry: Equatable, Sendable {
  /// The address in bytes, aligned to the size.
  public let address: UInt64
  /// Whether the entry covers 2 MiB.
  public let is2M: Bool
  /// Whether the page is to be validated, else rescinded.
  public let isValidate: Bool
  /// Whether CF = 1 is to be ignored.
  public let ignoresCarry: Bool

  /// Decodes an entry; throws INVALID_PARAMETER for reserved bits, sizes 2 and 3, and misalignment.
  public init(_ word: UInt64) throws(ResultCode) {
    guard word & 0b10 == 0, word & 0xFF0 == 0 else { throw .invalidParameter }
    is2M = word & 1 != 0
    isValidate = word & 0b100 != 0
    ignoresCarry = word & 0b1000 != 0
    address = word & ~0xFFF
    guard !is2M || address & 0x1F_FFFF == 0 else { throw .invalidParameter }
  }

  /// The word of an entry.
  public static func encode(
    address: UInt64, is2M: Bool, isValidate: Bool, ignoresCarry: Bool = false
  ) -> UInt64 {
    address & ~0xFFF | (is2M ? 1 : 0) | (isValidate ? 0b100 : 0) | (ignoresCarry ? 0b1000 : 0)
  }

  /// How many bytes the entry covers.
  public var byteCount: UInt64 { is2M ? 0x20_0000 : 0x1000 }
}

/// One entry of DEPOSIT_MEM, decoded and checked.
///
/// Source: AMD 58019, 6.5 (reference snp-svsm.md A.6).
public struct DepositEntry: Equatable, Sendable {
  /// The address in bytes, aligned to the size.
  public let address: UInt64
  /// Whether the entry covers 2 MiB.
  public let is2M: Bool

  /// Decodes an entry; throws INVALID_PARAMETER for reserved bits, sizes 2 and 3, and misalignment.
  public init(_ word: UInt64) throws(ResultCode) {
    guard word & 0xFFE == 0 else { throw .invalidParameter }
    is2M = word & 1 != 0
    address = word & ~0xFFF
    guard !is2M || address & 0x1F_FFFF == 0 else { throw .invalidParameter }
  }

  /// How many bytes the entry covers.
  public var byteCount: UInt64 { is2M ? 0x20_0000 : 0x1000 }
}

/// The buffer that WITHDRAW_MEM fills.
///
/// Source: AMD 58019, 6.6 (reference snp-svsm.md A.6).
public enum WithdrawList {
  /// Offset of the 2-byte count.
  public static let countOffset = 0
  /// Offset of the first 8-byte address.
  public static let entriesOffset = 8

  /// How many addresses fit behind a header at `address`.
  ///
  /// Throws INVALID_PARAMETER if the address is misaligned or has no room for one.
  public static func capacity(at address: UInt64) throws(ResultCode) -> Int {
    guard PageList.isAligned(address), PageList.capacity(at: address) > 0 else {
      throw .invalidParameter
    }
    return PageList.capacity(at: address)
  }
}
