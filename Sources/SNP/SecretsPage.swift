// SecretsPage: where the firmware puts keys, and the SVSM its own description.

/// Byte offsets in the 4096-byte secrets page.
///
/// Source: AMD 56860, Linux `snp_secrets_page`, AMD 58019 table 1 (reference snp-svsm.md A.2.1, B.7).
public enum SecretsPage {
  /// Size in bytes.
  public static let byteCount = 4096
  /// The version, four bytes.
  public static let version = 0x000
  /// FMS, four bytes.
  public static let fms = 0x008
  /// VMPCK0; the other three follow, 32 bytes each.
  public static let vmpck = 0x020
  /// Size of one VMPCK in bytes.
  public static let vmpckByteCount = 32
  /// The OS area, 96 bytes: four sequence numbers of four bytes first.
  public static let osArea = 0x0A0
  /// The VMSA tweak bitmap, 64 bytes.
  public static let vmsaTweakBitmap = 0x100
  /// SVSM_BASE.
  public static let svsmBase = 0x140
  /// SVSM_SIZE; 0 means no SVSM.
  public static let svsmSize = 0x148
  /// SVSM_CAA.
  public static let svsmCallingArea = 0x150
  /// SVSM_MAX_VERSION, four bytes.
  public static let svsmMaximumVersion = 0x158
  /// SVSM_GUEST_VMPL, one byte.
  public static let svsmGuestVMPL = 0x15C
  /// TSC_FACTOR, four bytes.
  public static let tscFactor = 0x160
}
