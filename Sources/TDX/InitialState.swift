// InitialState: what a vCPU of a TD finds when it starts.

/// The registers of every vCPU at its first entry, BSP and APs alike, apart from the general ones.
///
/// Source: TDX module 1.5.01 `tdh_vp_init.c`, `td_vmcs_init.c` (reference tdx.md D.4). The general registers
/// are RBX the address width, RCX and R8 the host's argument, RDX CPUID(1).EAX, RSI the vCPU's index.
public enum InitialState {
  /// RIP.
  public static let rip: UInt64 = 0xFFFF_FFF0
  /// CR0: PE and NE.
  public static let cr0: UInt64 = 0x21
  /// CR4 as L1 reads it: MCE; VMXE is set below it and hidden.
  public static let cr4: UInt64 = 0x40
  /// CR4 as the VMCS has it.
  public static let cr4InVMCS: UInt64 = 0x2040
  /// EFER: LME, NXE and SCE; L1 never writes it.
  public static let efer: UInt64 = 0x901
  /// XCR0.
  public static let xcr0: UInt64 = 1
  /// DR6.
  public static let dr6: UInt64 = 0xFFFF_0FF0
  /// DR7.
  public static let dr7: UInt64 = 0x400
  /// RFLAGS.
  public static let rflags: UInt64 = 2
  /// PAT.
  public static let pat: UInt64 = 0x0007_0406_0007_0406
  /// FMASK.
  public static let fmask: UInt64 = 0x2_0200
  /// CS: selector and base 0, limit 4 GiB, these access rights.
  public static let codeAccessRights: UInt32 = 0xC09B
  /// DS, ES, FS, GS and SS: flat, with these access rights.
  public static let dataAccessRights: UInt32 = 0xC093
  /// LDTR.
  public static let ldtrAccessRights: UInt32 = 0x1_0082
  /// TR.
  public static let trAccessRights: UInt32 = 0x8B
  /// The limit of GDTR; that of IDTR is 0.
  public static let gdtrLimit: UInt32 = 0xFFFF
}
