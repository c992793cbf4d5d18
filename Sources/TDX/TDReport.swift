// TDReport: where the parts of a TDREPORT lie.

/// Offsets in the 1024-byte structure that TDG.MR.REPORT writes.
///
/// Source: TDX module 1.5.01 (reference tdx.md D.7).
public enum TDReport {
  /// Size in bytes.
  public static let byteCount = 1024
  /// Alignment of the output buffer, in bytes.
  public static let alignment: UInt64 = 1024
  /// Alignment of the report data, in bytes.
  public static let dataAlignment: UInt64 = 64
  /// REPORTMACSTRUCT: type 0x81, subtype, version, reserved.
  public static let typeOffset = 0
  /// The value of the type byte.
  public static let type: UInt8 = 0x81
  /// CPUSVN, 16 bytes.
  public static let cpuSVNOffset = 16
  /// SHA-384 of TEE_TCB_INFO, 48 bytes.
  public static let teeTCBInfoHashOffset = 32
  /// SHA-384 of TDINFO, 48 bytes.
  public static let teeInfoHashOffset = 80
  /// REPORTDATA, 64 bytes.
  public static let reportDataOffset = 128
  /// Size of REPORTDATA in bytes.
  public static let reportDataByteCount = 64
  /// MAC, 32 bytes over bytes 0 to 223.
  public static let macOffset = 224
  /// Size of REPORTMACSTRUCT in bytes.
  public static let macStructByteCount = 256
  /// TEE_TCB_INFO.
  public static let teeTCBInfoOffset = 256
  /// Size of TEE_TCB_INFO in bytes.
  public static let teeTCBInfoByteCount = 239
  /// ATTRIBUTES inside TEE_TCB_INFO.
  public static let tcbAttributesOffset = 376
  /// TDINFO.
  public static let tdInfoOffset = 512
  /// Size of TDINFO in bytes.
  public static let tdInfoByteCount = 512
  /// ATTRIBUTES inside TDINFO, as an offset from the start of the report.
  public static let attributesOffset = 512
  /// XFAM.
  public static let xfamOffset = 520
  /// MRTD, 48 bytes.
  public static let mrtdOffset = 528
  /// MRCONFIGID, 48 bytes.
  public static let mrConfigIDOffset = 576
  /// MROWNER, 48 bytes.
  public static let mrOwnerOffset = 624
  /// MROWNERCONFIG, 48 bytes.
  public static let mrOwnerConfigOffset = 672
  /// RTMR0; the other three follow, 48 bytes each.
  public static let rtmrOffset = 720
  /// SERVTD_HASH, 48 bytes.
  public static let servtdHashOffset = 912
}
