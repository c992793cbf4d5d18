// RMPStatus: what the RMP instructions answer in EAX.

/// The return code of PVALIDATE, RMPADJUST, RMPQUERY, RMPUPDATE, PSMASH and RMPREAD.
///
/// Source: APM volume 3 (reference snp-svsm.md B.1.2).
public struct RMPStatus: RawRepresentable, Hashable, Sendable {
  /// The value of EAX.
  public let rawValue: UInt32

  /// The code `rawValue`, known or not.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Done.
  public static let success = RMPStatus(rawValue: 0)
  /// FAIL_INPUT: an operand is malformed.
  public static let failInput = RMPStatus(rawValue: 1)
  /// FAIL_PERMISSION: the operand asks for more than the caller has.
  public static let failPermission = RMPStatus(rawValue: 2)
  /// FAIL_INUSE: the page is a VMSA that some CPU is running.
  public static let failInUse = RMPStatus(rawValue: 3)
  /// FAIL_OVERLAP: a 2 MiB entry meets 4 KiB entries, or the reverse.
  public static let failOverlap = RMPStatus(rawValue: 4)
  /// FAIL_SIZEMISMATCH: a 2 MiB request on a 4 KiB entry.
  public static let failSizeMismatch = RMPStatus(rawValue: 6)
  /// FAIL_BADADDR: the address lies outside the RMP.
  public static let failBadAddress = RMPStatus(rawValue: 7)
}
