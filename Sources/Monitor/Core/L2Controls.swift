// L2Controls: between the VMCS of an L2, as L1 sees it, and the VMCB on which it runs.

import Bits
public import Model
import TDX

/// Guest state and controls of an L2, in both forms.
public enum L2Controls {
  /// CR4.VMXE: always 1 in the L2's VMCS, never in a VMCB.
  static let vmxe: UInt64 = 1 << 13
  private static let sysenterCS = VMCSEncoding(rawValue: 0x482A)
  private static let sysenterESP = VMCSEncoding(rawValue: 0x6824)
  private static let sysenterEIP = VMCSEncoding(rawValue: 0x6826)

  /// The VMCB's field of the VMCS's segment `index`: ES, CS, SS, DS, FS, GS, LDTR, TR.
  private static func field(_ index: Int) -> Int {
    switch index {
    case 0: VMCB.es
    case 1: VMCB.cs
    case 2: VMCB.ss
    case 3: VMCB.ds
    case 4: VMCB.fs
    case 5: VMCB.gs
    case 6: VMCB.ldtr
    default: VMCB.tr
    }
  }

  private static func encoding(_ base: UInt16, _ index: Int) -> VMCSEncoding {
    VMCSEncoding(rawValue: base &+ 2 &* UInt16(truncatingIfNeeded: index))
  }

  /// Access rights in VMX's form from SVM's attributes (tdx.md H); not present is unusable.
  public static func rights(_ attributes: UInt16) -> UInt32 {
    UInt32(attributes & 0xFF) | UInt32(attributes & 0xF00) << 4 | (attributes & 0x80 == 0 ? 1 << 16 : 0)
  }

  /// Loads the guest state of `l2`; general registers, RIP and RFLAGS come with the enter state.
  public static func load<CPU: CPUState>(_ l2: borrowing L2Virtual, into cpu: inout CPU) {
    for index in 0..<8 {
      let rights = UInt32(truncatingIfNeeded: l2[encoding(0x4814, index)])
      let segment = Segment(
        selector: UInt16(truncatingIfNeeded: l2[encoding(0x0800, index)]),
        attributes: rights.bit(16) ? 0 : TDXControls.attributes(rights),
        limit: UInt32(truncatingIfNeeded: l2[encoding(0x4800, index)]), base: l2[encoding(0x6806, index)])
      cpu.setSegment(field(index), segment)
    }
    for index in 8..<10 {
      let limit = UInt32(truncatingIfNeeded: l2[encoding(0x4800, index)])
      cpu.setSegment(
        index == 8 ? VMCB.gdtr : VMCB.idtr,
        Segment(selector: 0, attributes: 0, limit: limit, base: l2[encoding(0x6806, index)]))
    }
    cpu.setCPL(UInt8(truncatingIfNeeded: l2[.ssAccessRights] >> 5 & 3))
    cpu[VMCB.cr0] = l2[.cr0] | 0x10
    cpu[VMCB.cr3] = l2[.cr3]
    cpu[VMCB.cr4] = l2[.cr4] & ~vmxe
    cpu[VMCB.efer] = l2[.efer] | TDXControls.svme
    cpu[VMCB.dr7] = l2[.dr7]
    cpu[VMCB.pat] = l2[.pat]
    cpu[0x628] = l2[sysenterCS]
    cpu[0x630] = l2[sysenterESP]
    cpu[0x638] = l2[sysenterEIP]
    cpu[VMCB.interruptShadow] = l2[.interruptibility] & 3 == 0 ? 0 : 1
  }

  /// Stores the guest state of a stopped L2; `unpaged` shadows what the monitor uses itself.
  public static func save<CPU: CPUState>(
    _ cpu: CPU, unpaged: UnpagedState?, into l2: inout L2Virtual
  ) {
    for index in 0..<8 {
      let segment = cpu.segment(field(index))
      l2[encoding(0x0800, index)] = UInt64(segment.selector)
      l2[encoding(0x4800, index)] = UInt64(segment.limit)
      l2[encoding(0x6806, index)] = segment.base
      // What was unusable keeps the rest of its rights.
      let isUntouched = segment.attributes & 0x80 == 0 && l2[encoding(0x4814, index)].bit(16)
      if !isUntouched { l2[encoding(0x4814, index)] = UInt64(rights(segment.attributes)) }
    }
    for index in 8..<10 {
      let segment = cpu.segment(index == 8 ? VMCB.gdtr : VMCB.idtr)
      l2[encoding(0x4800, index)] = UInt64(segment.limit & 0xFFFF)
      l2[encoding(0x6806, index)] = segment.base
    }
    // VMX has no CPL but SS's.
    l2[.ssAccessRights] = l2[.ssAccessRights] & ~0x60 | UInt64(cpu.cpl) << 5
    l2[.cr0] = unpaged == nil ? cpu.vmcb(VMCB.cr0) : cpu.vmcb(VMCB.cr0) & ~(1 << 31)
    l2[.cr3] = unpaged?.cr3 ?? cpu.vmcb(VMCB.cr3)
    l2[.cr4] = (unpaged?.cr4 ?? cpu.vmcb(VMCB.cr4)) | vmxe
    let efer = unpaged?.efer ?? cpu.vmcb(VMCB.efer) & ~TDXControls.svme
    l2[.efer] = efer
    // The control follows EFER.LMA at an exit (SDM 3C, 28.2).
    l2[.entryControls] = l2[.entryControls] & ~0x200 | (efer.bit(10) ? 0x200 : 0)
    l2[.dr7] = cpu.vmcb(VMCB.dr7)
    l2[.pat] = cpu.vmcb(VMCB.pat)
    l2[sysenterCS] = cpu.vmcb(0x628)
    l2[sysenterESP] = cpu.vmcb(0x630)
    l2[sysenterEIP] = cpu.vmcb(0x638)
    l2[.interruptibility] = l2[.interruptibility] & ~3 | cpu.vmcb(VMCB.interruptShadow) & 1
    l2[.rsp] = cpu.vmcb(VMCB.rsp)
    l2[.rip] = cpu.vmcb(VMCB.rip)
    l2[.rflags] = cpu.vmcb(VMCB.rflags)
  }

  /// What L1 and an L2 share, as nobody switches it (tdx.md B.1): STAR, LSTAR, CSTAR, SFMASK,
  /// KERNEL_GS_BASE, CR2 and DR6.
  static let common: InlineArray<7, Int> = [0x600, 0x608, 0x610, 0x618, 0x620, VMCB.cr2, VMCB.dr6]

  /// Copies that from one VMCB to another.
  public static func copyCommon<CPU: CPUState>(from: CPU, to: inout CPU) {
    for index in 0..<common.count { to[common[index]] = from.vmcb(common[index]) }
  }

  /// Reads of CR0, CR3, CR4 in 15:0, writes of CR0, CR3, CR4, CR8 in 31:16, as `l2` wants them.
  public static func controlIntercepts(_ l2: borrowing L2Virtual) -> UInt64 {
    let primary = l2[.primaryControls]
    var reads: UInt64 = 1 << 4
    var writes: UInt64 = 1 << 0 | 1 << 4
    if (l2[.cr0] ^ l2[.cr0Shadow]) & l2[.cr0Mask] != 0 { reads |= 1 }
    if primary.bit(15) { writes |= 1 << 3 }
    if primary.bit(16) { reads |= 1 << 3 }
    if primary.bit(19) { writes |= 1 << 8 }
    if primary.bit(20) { reads |= 1 << 8 }
    return reads | writes << 16
  }

  /// Sets the intercepts that `l2` asks for, besides those that the module does not give up.
  ///
  /// Not there: MTF, the exiting of RDRAND and RDSEED, PAUSE loops; SVM has none of them.
  public static func setIntercepts<CPU: CPUState>(_ l2: borrowing L2Virtual, _ cpu: inout CPU) {
    let primary = l2[.primaryControls]
    let debug: UInt64 = primary.bit(23) ? 0xFFFF_FFFF << 32 : 0
    cpu[VMCB.interceptCR] = controlIntercepts(l2) | debug
    var first = TDXControls.first
    if primary.bit(9) { first |= 1 << 25 }
    if primary.bit(11) { first |= 1 << 15 } else { first &= ~(1 << 15) }
    if primary.bit(12) { first |= 1 << 14 }
    if primary.bit(30) { first |= 1 << 23 }
    // Descriptor tables: reads 9:6, writes 13:10.
    if l2[.secondaryControls].bit(2) { first |= 0xFF << 6 }
    var exceptions = l2[.exceptionBitmap] & 0xFFFF_FFFF
    // A page fault exits or not by its error code.
    if l2[pageFaultMask] != 0 || l2[pageFaultMatch] != 0 { exceptions |= 1 << 14 }
    cpu[VMCB.interceptExceptions] = exceptions | 1 << 6 | first << 32
    var second = TDXControls.second | 1 << 13
    if primary.bit(12) { second |= 1 << 7 }
    cpu[0x010] = second
  }

  private static let pageFaultMask = VMCSEncoding(rawValue: 0x4006)
  private static let pageFaultMatch = VMCSEncoding(rawValue: 0x4008)

  /// Whether an exception is L1's (SDM 3C, 26.2): the bitmap's bit, which mask and match turn around for #PF.
  public static func isIntercepted(_ vector: UInt8, errorCode: UInt32, _ l2: borrowing L2Virtual) -> Bool {
    let bit = l2[.exceptionBitmap].bit(Int(vector & 31))
    guard vector == 14 else { return bit }
    let isMatch = UInt64(errorCode) & l2[pageFaultMask] == l2[pageFaultMatch]
    return isMatch ? bit : !bit
  }
}
