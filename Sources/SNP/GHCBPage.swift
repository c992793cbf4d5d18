// GHCBPage: where the fields of the GHCB page lie, and its valid bitmap.

/// Byte offsets in the 4096-byte GHCB page.
///
/// Source: AMD 56421 (reference snp-svsm.md B.5).
public enum GHCBPage {
  /// Size in bytes.
  public static let byteCount = 4096
  /// CPL, one byte.
  public static let cpl = 0x0CB
  /// XSS.
  public static let xss = 0x140
  /// DR7.
  public static let dr7 = 0x160
  /// RAX.
  public static let rax = 0x1F8
  /// RCX.
  public static let rcx = 0x308
  /// RDX.
  public static let rdx = 0x310
  /// RBX.
  public static let rbx = 0x318
  /// SW_EXITCODE.
  public static let exitCode = 0x390
  /// SW_EXITINFO1.
  public static let exitInfo1 = 0x398
  /// SW_EXITINFO2.
  public static let exitInfo2 = 0x3A0
  /// SW_SCRATCH.
  public static let scratch = 0x3A8
  /// XCR0.
  public static let xcr0 = 0x3E8
  /// VALID_BITMAP, 16 bytes.
  public static let validBitmap = 0x3F0
  /// The shared buffer.
  public static let sharedBuffer = 0x800
  /// Size of the shared buffer in bytes.
  public static let sharedBufferByteCount = 2032
  /// The protocol version, two bytes.
  public static let protocolVersion = 0xFFA
  /// The usage, four bytes; 0 is the standard one.
  public static let usage = 0xFFC

  /// The number of the valid bit of the field at `offset`; nil for fields without one.
  public static func validBit(_ offset: Int) -> Int? {
    offset >= 0 && offset < validBitmap + 16 ? offset / 8 : nil
  }
}

/// What the host answers in SW_EXITINFO1[31:0] and SW_EXITINFO2.
///
/// Source: AMD 56421 (reference snp-svsm.md B.5 "Return").
public enum GHCBResult {
  /// Done.
  public static let success: UInt64 = 0
  /// SW_EXITINFO2 holds an exception to inject.
  public static let injectException: UInt64 = 1
  /// SW_EXITINFO2 holds an error.
  public static let error: UInt64 = 2

  /// The GHCB is not registered.
  public static let notRegistered: UInt64 = 1
  /// The usage is not 0.
  public static let invalidUsage: UInt64 = 2
  /// The scratch area does not lie in the shared buffer.
  public static let invalidScratch: UInt64 = 3
  /// An input's valid bit is missing.
  public static let missingInput: UInt64 = 4
  /// An input is wrong.
  public static let invalidInput: UInt64 = 5
  /// No such event.
  public static let invalidEvent: UInt64 = 6
}
