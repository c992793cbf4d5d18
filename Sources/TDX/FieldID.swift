// FieldID: identifiers of the metadata fields that TDG.VM.RD, VP.RD and SYS.RD name.

import Bits

/// A metadata field identifier.
///
/// Source: TDX module 1.5.01 (reference tdx.md A.6). Two identifiers name the same field if class and
/// field code agree: size, increment, write-mask-valid and context bits are ignored.
public struct FieldID: RawRepresentable, Hashable, Sendable {
  /// The 64 bits.
  public let rawValue: UInt64

  /// The identifier `rawValue`, which nobody has checked yet.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Bits 23:0.
  public var code: UInt32 { UInt32(truncatingIfNeeded: rawValue & 0xFF_FFFF) }
  /// Bits 61:56.
  public var classCode: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 56 & 0x3F) }
  /// Bit 63.
  public var isNonArchitectural: Bool { rawValue.bit(63) }
  /// Bits 33:32: 0 to 3 for 1, 2, 4 and 8 bytes.
  public var elementSize: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 32 & 3) }

  /// Whether the reserved bits (31:24, 49:47, 55, 62), last element and last field are all 0, as the
  /// leaves for single elements demand.
  public var isSingleElement: Bool { rawValue & 0x4083_FFFC_FF00_0000 == 0 }

  /// Whether class and code are those of `other`.
  public func names(_ other: FieldID) -> Bool {
    code == other.code && classCode == other.classCode
      && isNonArchitectural == other.isNonArchitectural
  }

  /// Whether this is the null identifier that asks for the first field: all ones, context ignored.
  public var isNull: Bool { rawValue | 0x0070_0000_0000_0000 == .max }

  /// What RDX holds when there is no next field: all ones.
  public static let none = FieldID(rawValue: .max)

  /// The identifier `offset` field codes further on.
  public func advanced(by offset: Int) -> FieldID {
    FieldID(rawValue: rawValue &+ UInt64(truncatingIfNeeded: offset))
  }
}
