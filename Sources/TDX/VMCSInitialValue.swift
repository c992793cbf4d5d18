// VMCSInitialValue: what the L2 VMCS of a fresh vCPU holds.

extension VMCSEncoding {
  /// The value of the field after TDH.VP.INIT, before the bits that a CPU forces.
  ///
  /// Source: TDX module 1.5.01 (reference tdx.md B.3 "Init values").
  public var initialValue: UInt64 {
    switch rawValue {
    case 0x4000: 0x29
    case 0x4002: 0x9122_0088
    case 0x401E: 0x1338_B3FA
    case 0x2034: 0x80
    case 0x400C: 0x1F3C_8204
    case 0x4012: 0x003E_C004
    case 0x4004: 1 << 18
    // Unset addresses are all ones.
    case 0x2012, 0x2040: .max
    case 0x280A, 0x280C, 0x280E, 0x2810: .max
    case 0x2804: 0x0007_0406_0007_0406
    case 0x2806: 0x901
    case 0x6800: 0x21
    case 0x6804: 0x2040
    // The L1's own copies of mask and shadow (the caution at the end of B.3).
    case 0x6000, 0x6002: .max
    case 0x681A: 0x400
    case 0x681E: 0xFFFF_FFF0
    case 0x6820: 2
    // Segment limits: ES CS SS DS FS GS, then LDTR, TR, GDTR, IDTR.
    case 0x4800, 0x4802, 0x4804, 0x4806, 0x4808, 0x480A: 0xFFFF_FFFF
    case 0x480C, 0x480E, 0x4810: 0xFFFF
    // Access rights: ES CS SS DS FS GS LDTR TR.
    case 0x4816: 0xC09B
    case 0x4814, 0x4818, 0x481A, 0x481C, 0x481E: 0xC093
    case 0x4820: 0x1_0082
    case 0x4822: 0x8B
    default: 0
    }
  }
}
