// SNPRegister: the numbers of the MSRs of SEV.

/// MSR numbers (reference snp-svsm.md B.2).
public enum SNPRegister {
  /// The GHCB MSR.
  public static let ghcb: UInt32 = 0xC001_0130
  /// SEV_STATUS, read-only.
  public static let status: UInt32 = 0xC001_0131
  /// RMP_BASE.
  public static let rmpBase: UInt32 = 0xC001_0132
  /// RMP_END.
  public static let rmpEnd: UInt32 = 0xC001_0133
  /// GUEST_TSC_FREQ.
  public static let guestTSCFrequency: UInt32 = 0xC001_0134
  /// The virtual top of memory.
  public static let virtualTOM: UInt32 = 0xC001_0135
  /// Secure AVIC control.
  public static let secureAVICControl: UInt32 = 0xC001_0138
  /// The address of the calling area: software only, answered by the #VC handler.
  public static let callingArea: UInt32 = 0xC001_F000
}
