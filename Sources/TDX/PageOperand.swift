// PageOperand: a guest page and its level, as the page leaves take it in RCX.

import Bits

/// RCX of TDG.MEM.PAGE.ACCEPT and TDG.MEM.PAGE.ATTR.WR: level in 2:0, address in 51:12.
///
/// Source: TDX module 1.5.01 (reference tdx.md A.4 leaf 6).
public struct PageOperand: RawRepresentable, Equatable, Sendable {
  /// The value of RCX.
  public let rawValue: UInt64

  /// The operand `rawValue`, which nobody has checked yet.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The page at `address` bytes of `level` (0 is 4 KiB, 1 is 2 MiB, 2 is 1 GiB).
  public init(address: UInt64, level: UInt8) {
    rawValue = address & 0x000F_FFFF_FFFF_F000 | UInt64(level & 7)
  }

  /// Bits 2:0.
  public var level: UInt8 { UInt8(truncatingIfNeeded: rawValue & 7) }
  /// Bits 51:12 as a byte address.
  public var address: UInt64 { rawValue & 0x000F_FFFF_FFFF_F000 }
  /// Bits 11:3 and 63:52, which must be 0.
  public var reserved: UInt64 { rawValue & 0xFFF0_0000_0000_0FF8 }

  /// Bytes covered by one entry of `level`.
  public static func byteCount(level: UInt8) -> UInt64 { 4096 << (9 * UInt64(min(level, 4))) }

  /// Bit 62 of the outputs of the attribute leaves: the page is PENDING.
  public static let pendingBit: UInt64 = 1 << 62
}
