// L2Virtual: the part of a vCPU that belongs to one of its L2 virtual machines.

import TDX

/// VMCS fields, MSR bitmap and controls of one L2 on one vCPU.
///
/// Rule: tdx.md B.1 to B.3. Storage is fixed: 1024 fields and 512 bitmap words.
public struct L2Virtual: Sendable {
  private var fields: [UInt64]
  /// The MSR bitmap as L1 wrote it, 512 words; all ones at first.
  public var msrBitmap: [UInt64]
  /// L2_CTLS: bit 0 shared EPT, 1 TDVMCALL, 2 extended #VE.
  public var controls: UInt64 = 0
  /// TSC_DEADLINE; all ones disables.
  public var tscDeadline: UInt64 = .max

  /// L2_CTLS bit 0.
  public static let enableSharedEPT: UInt64 = 1
  /// L2_CTLS bit 1.
  public static let enableTDVMCALL: UInt64 = 2

  /// The state after TDH.VP.INIT.
  public init() {
    fields = [UInt64](repeating: 0, count: 1024)
    msrBitmap = [UInt64](repeating: .max, count: 512)
    for width: UInt16 in 0..<4 {
      for type: UInt16 in 0..<4 {
        for index: UInt16 in 0..<64 {
          let encoding = VMCSEncoding(rawValue: width << 13 | type << 10 | index << 1)
          self[encoding] = encoding.initialValue
        }
      }
    }
  }

  private static func slot(_ encoding: VMCSEncoding) -> Int {
    let raw = Int(encoding.rawValue)
    return (raw >> 13 & 3) << 8 | (raw >> 10 & 3) << 6 | (raw >> 1 & 63)
  }

  /// The value of a field.
  public subscript(encoding: VMCSEncoding) -> UInt64 {
    get { fields[Self.slot(encoding)] }
    set { fields[Self.slot(encoding)] = newValue }
  }

  /// Whether L1's bitmap makes an access to `msr` exit; true outside both ranges.
  ///
  /// Rule: tdx.md B.2 (layout), B.6 (MSR 31/32).
  public func intercepts(msr: UInt32, isWrite: Bool) -> Bool {
    guard let bit = Self.bitmapBit(msr, isWrite: isWrite) else { return true }
    return msrBitmap[bit / 64] >> UInt64(bit % 64) & 1 == 1
  }

  /// The number of the bit for `msr` in the bitmap page; nil outside both ranges.
  public static func bitmapBit(_ msr: UInt32, isWrite: Bool) -> Int? {
    let base: Int
    switch msr {
    case 0...0x1FFF: base = isWrite ? 0x100 : 0
    case 0xC000_0000...0xC000_1FFF: base = isWrite ? 0x180 : 0x80
    default: return nil
    }
    return base * 64 + Int(msr & 0x1FFF)
  }
}
