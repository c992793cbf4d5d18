// VMCSAccess: which bits of which L2 VMCS field an L1 may read and write.

/// What TDG.VP.RD and TDG.VP.WR allow on one L2 VMCS field.
///
/// Source: TDX module 1.5.01 `td_l2_vmcs_fields_lookup.c` (reference tdx.md B.3).
public struct VMCSAccess: Equatable, Sendable {
  /// The bits that a read shows; 0 if the field cannot be read.
  public var readMask: UInt64
  /// The bits that a write may change; 0 if the field cannot be written.
  public var writeMask: UInt64

  /// Not readable and not writable.
  public static let hidden = VMCSAccess(readMask: 0, writeMask: 0)
  private static let readOnly = VMCSAccess(readMask: .max, writeMask: 0)
  private static let readWrite = VMCSAccess(readMask: .max, writeMask: .max)
  private static func write(_ mask: UInt64) -> VMCSAccess {
    VMCSAccess(readMask: .max, writeMask: mask)
  }

  /// The rule for `encoding`; nil if the table has no such field.
  public init?(_ encoding: VMCSEncoding) {
    guard !encoding.isHighHalf, let rule = Self.rule(encoding.rawValue) else { return nil }
    self.init(
      readMask: rule.readMask & encoding.widthMask, writeMask: rule.writeMask & encoding.widthMask)
  }

  private init(readMask: UInt64, writeMask: UInt64) {
    self.readMask = readMask
    self.writeMask = writeMask
  }

  private static func rule(_ encoding: UInt16) -> VMCSAccess? {
    switch encoding >> 13 & 3 {
    case 0: rule16(encoding)
    case 1: rule64(encoding)
    case 2: rule32(encoding)
    default: ruleNatural(encoding)
    }
  }

  private static func rule16(_ encoding: UInt16) -> VMCSAccess? {
    switch encoding {
    case 0x0000, 0x0004: hidden
    case 0x0002: readOnly
    case 0x0006: readWrite
    case 0x0800...0x080E: readWrite
    case 0x0810: readWrite
    case 0x0812: hidden
    case 0x0814: readWrite
    default: nil
    }
  }

  private static func rule64(_ encoding: UInt16) -> VMCSAccess? {
    switch encoding {
    case 0x2000, 0x2002, 0x2018, 0x202A, 0x202E, 0x2036: readOnly
    case 0x2004, 0x2006...0x200E, 0x2010, 0x2014, 0x2024...0x2028, 0x2032, 0x2038...0x203E, 0x204A, 0x204C:
      hidden
    case 0x2012: write(0xFFFF_FFFF_FFFF_F000)
    case 0x2016: readOnly
    case 0x201A: VMCSAccess(readMask: 0xFFF0_0000_0000_0FFF, writeMask: 0x80)
    case 0x201C...0x2022, 0x202C: readWrite
    case 0x2034: write(0xE)
    case 0x2040: write(0x0000_FFFF_FFFF_F018)
    case 0x2400: readWrite
    case 0x2802: VMCSAccess(readMask: ~0x2000, writeMask: 0xFFC7)
    case 0x2804, 0x2808, 0x280A...0x2810, 0x2814, 0x2816, 0x2818: readWrite
    case 0x2806: write(0x501)
    default: nil
    }
  }

  private static func rule32(_ encoding: UInt16) -> VMCSAccess? {
    switch encoding {
    case 0x4000, 0x400C, 0x4024, 0x4826: readOnly
    case 0x4002: write(0x48D9_9A04)
    case 0x4004: write(0xFFFB_FFFF)
    case 0x4006, 0x4008, 0x400A: readWrite
    case 0x4012: write(0x200)
    case 0x4016, 0x4018, 0x401A, 0x401C, 0x4020, 0x4022: readWrite
    case 0x401E: write(0x0C51_3E0C)
    case 0x4026, 0x4828, 0x482E: hidden
    case 0x4400...0x440E, 0x4800...0x4824, 0x482A: readWrite
    default: nil
    }
  }

  private static func ruleNatural(_ encoding: UInt16) -> VMCSAccess? {
    switch encoding {
    case 0x6000...0x600E, 0x6400...0x640A: readWrite
    case 0x6800: write(0x8005_001F)
    case 0x6802, 0x6806...0x682C: readWrite
    case 0x6804: write(0x03FF_1FBF)
    case 0x6C00...0x6C1C: hidden
    default: nil
    }
  }
}
