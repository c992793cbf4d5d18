// VMSALayout: where the fields of a VMSA lie that the start state of a guest sets.

/// Offsets in the 4096-byte VMSA, in bytes (reference §8.1; APM volume 2, table B-4).
public enum VMSALayout {
  /// The size of the VMSA, bytes.
  public static let byteCount = 4096
  /// The guest-physical address under which KVM measures every VMSA (reference §11, §16.1).
  public static let kvmGPA: UInt64 = 0xFFFF_FFFF_F000
  /// ES; the other segments follow in steps of 16: {selector u16, attributes u16, limit u32, base u64}.
  public static let es = 0x00
  /// CS.
  public static let cs = 0x10
  /// SS.
  public static let ss = 0x20
  /// DS.
  public static let ds = 0x30
  /// FS.
  public static let fs = 0x40
  /// GS.
  public static let gs = 0x50
  /// GDTR.
  public static let gdtr = 0x60
  /// LDTR.
  public static let ldtr = 0x70
  /// IDTR.
  public static let idtr = 0x80
  /// TR.
  public static let tr = 0x90
  /// The VMPL, u8.
  public static let vmpl = 0xCA
  /// EFER.
  public static let efer = 0xD0
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
  /// The guest's PAT.
  public static let pat = 0x268
  /// RCX.
  public static let rcx = 0x308
  /// RDX.
  public static let rdx = 0x310
  /// RBX.
  public static let rbx = 0x318
  /// RBP.
  public static let rbp = 0x328
  /// RSI.
  public static let rsi = 0x330
  /// RDI.
  public static let rdi = 0x338
  /// R8; R9 to R15 follow in steps of 8.
  public static let r8 = 0x340
  /// SEV_FEATURES.
  public static let sevFeatures = 0x3B0
  /// VIRTUAL_TOM.
  public static let virtualTOM = 0x3C8
  /// XCR0.
  public static let xcr0 = 0x3E8
  /// MXCSR, u32.
  public static let mxcsr = 0x408
  /// The x87 control word, u16.
  public static let x87ControlWord = 0x410

  /// The bytes that must be zero: those to which no field is assigned.
  public static let reserved: [Range<Int>] = [
    0xC8..<0xCA, 0xCC..<0xD0, 0xD8..<0x140, 0x1C0..<0x1D8, 0x248..<0x268, 0x298..<0x2E0, 0x380..<0x390,
    0x7C8..<0x1000,
  ]

  /// The 12-bit attribute form of the VMSA from the 16-bit form of descriptors: bits 15:12 move to 11:8.
  public static func attributes(_ descriptor: UInt16) -> UInt16 {
    (descriptor & 0xFF) | ((descriptor >> 4) & 0xF00)
  }
}

extension VMSALayout {
  /// Bits of SEV_FEATURES (reference §8.1).
  public enum Features {
    /// Bit 0: SEV-SNP is active.
    public static let snpActive: UInt64 = 1 << 0
    /// Bit 1: virtual top of memory.
    public static let vTOM: UInt64 = 1 << 1
    /// Bit 3: only #HV may be injected.
    public static let restrictedInjection: UInt64 = 1 << 3
    /// Bit 5: debug registers are swapped.
    public static let debugSwap: UInt64 = 1 << 5
  }
}
