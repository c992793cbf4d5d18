// VMSAField: where the registers lie in a VMSA page.

/// Byte offsets in the 4096-byte VMSA.
///
/// Source: APM volume 2, table B-4; agrees with openvmm and COCONUT (reference snp-svsm.md B.6.1).
/// A segment is selector u16, attributes u16 (12-bit packed), limit u32, base u64.
public enum VMSAField {
  /// Size of the page in bytes.
  public static let byteCount = 4096
  /// ES.
  public static let es = 0x000
  /// CS.
  public static let cs = 0x010
  /// SS.
  public static let ss = 0x020
  /// DS.
  public static let ds = 0x030
  /// FS.
  public static let fs = 0x040
  /// GS.
  public static let gs = 0x050
  /// GDTR.
  public static let gdtr = 0x060
  /// LDTR.
  public static let ldtr = 0x070
  /// IDTR.
  public static let idtr = 0x080
  /// TR.
  public static let tr = 0x090
  /// VMPL, one byte.
  public static let vmpl = 0x0CA
  /// CPL, one byte.
  public static let cpl = 0x0CB
  /// EFER.
  public static let efer = 0x0D0
  /// XSS.
  public static let xss = 0x140
  /// CR4.
  public static let cr4 = 0x148
  /// CR3.
  public static let cr3 = 0x150
  /// CR0.
  public static let cr0 = 0x158
  /// DR7.
  public static let dr7 = 0x160
  /// DR6.
  public static let dr6 = 0x168
  /// RFLAGS.
  public static let rflags = 0x170
  /// RIP.
  public static let rip = 0x178
  /// RSP.
  public static let rsp = 0x1D8
  /// RAX.
  public static let rax = 0x1F8
  /// STAR.
  public static let star = 0x200
  /// LSTAR.
  public static let lstar = 0x208
  /// CSTAR.
  public static let cstar = 0x210
  /// SFMASK.
  public static let sfmask = 0x218
  /// KERNEL_GS_BASE.
  public static let kernelGSBase = 0x220
  /// SYSENTER_CS.
  public static let sysenterCS = 0x228
  /// SYSENTER_ESP.
  public static let sysenterESP = 0x230
  /// SYSENTER_EIP.
  public static let sysenterEIP = 0x238
  /// CR2.
  public static let cr2 = 0x240
  /// PAT.
  public static let pat = 0x268
  /// DEBUGCTL.
  public static let debugControl = 0x270
  /// SPEC_CTRL.
  public static let specControl = 0x2E0
  /// PKRU, four bytes.
  public static let pkru = 0x2E8
  /// TSC_AUX, four bytes.
  public static let tscAux = 0x2EC
  /// GUEST_TSC_SCALE.
  public static let guestTSCScale = 0x2F0
  /// GUEST_TSC_OFFSET.
  public static let guestTSCOffset = 0x2F8
  /// RCX.
  public static let rcx = 0x308
  /// RDX.
  public static let rdx = 0x310
  /// RBX.
  public static let rbx = 0x318
  /// SECURE_AVIC_CTRL.
  public static let secureAVICControl = 0x320
  /// RBP.
  public static let rbp = 0x328
  /// RSI.
  public static let rsi = 0x330
  /// RDI.
  public static let rdi = 0x338
  /// R8; R9 to R15 follow, 8 bytes each.
  public static let r8 = 0x340
  /// R9.
  public static let r9 = 0x348
  /// GUEST_EXITINFO1.
  public static let guestExitInfo1 = 0x390
  /// GUEST_EXITINFO2.
  public static let guestExitInfo2 = 0x398
  /// GUEST_EXITINTINFO.
  public static let guestExitIntInfo = 0x3A0
  /// GUEST_NRIP.
  public static let guestNRIP = 0x3A8
  /// SEV_FEATURES.
  public static let sevFeatures = 0x3B0
  /// VINTR_CTRL.
  public static let virtualInterruptControl = 0x3B8
  /// GUEST_EXITCODE.
  public static let guestExitCode = 0x3C0
  /// VIRTUAL_TOM.
  public static let virtualTOM = 0x3C8
  /// TLB_ID.
  public static let tlbID = 0x3D0
  /// PCPU_ID; 0 forces a TLB flush at the next entry.
  public static let pcpuID = 0x3D8
  /// EVENTINJ.
  public static let eventInjection = 0x3E0
  /// XCR0.
  public static let xcr0 = 0x3E8
  /// MXCSR, four bytes.
  public static let mxcsr = 0x408
  /// FTW, two bytes.
  public static let ftw = 0x40C
  /// FCW, two bytes.
  public static let fcw = 0x410
  /// The x87 registers, 80 bytes.
  public static let x87Registers = 0x420
  /// The XMM registers, 256 bytes.
  public static let xmmRegisters = 0x470
  /// The upper halves of the YMM registers, 256 bytes.
  public static let ymmUpperRegisters = 0x570

  /// EFER.SVME, which must be set for VMRUN and gates the vCPU.
  public static let eferSVME: UInt64 = 1 << 12
}
