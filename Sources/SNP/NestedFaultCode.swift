// NestedFaultCode: EXITINFO1 of a nested page fault of an SNP guest.

/// Why a nested page fault was raised.
///
/// Source: APM volume 2, 15.36.10 (reference snp-svsm.md B.1.3).
public struct NestedFaultCode: OptionSet, Hashable, Sendable {
  /// The value of EXITINFO1.
  public let rawValue: UInt64

  /// The code `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The nested page is present: some check other than presence failed.
  public static let present = NestedFaultCode(rawValue: 1 << 0)
  /// The access was a write.
  public static let write = NestedFaultCode(rawValue: 1 << 1)
  /// The access was made at CPL 3.
  public static let user = NestedFaultCode(rawValue: 1 << 2)
  /// A reserved bit is set in a nested page-table entry.
  public static let reserved = NestedFaultCode(rawValue: 1 << 3)
  /// The access was an instruction fetch.
  public static let fetch = NestedFaultCode(rawValue: 1 << 4)
  /// The access was to a shadow stack.
  public static let shadowStack = NestedFaultCode(rawValue: 1 << 6)
  /// An RMP check failed.
  public static let rmp = NestedFaultCode(rawValue: 1 << 31)
  /// The fault concerns the final guest-physical address.
  public static let finalAddress = NestedFaultCode(rawValue: 1 << 32)
  /// The fault concerns a guest page-table page.
  public static let pageTableWalk = NestedFaultCode(rawValue: 1 << 33)
  /// The access was a private one (C-bit 1).
  public static let encrypted = NestedFaultCode(rawValue: 1 << 34)
  /// SIZEM: the page sizes of the access and of the RMP entry differ.
  public static let sizeMismatch = NestedFaultCode(rawValue: 1 << 35)
  /// The permissions of the VMPL forbid the access.
  public static let vmpl = NestedFaultCode(rawValue: 1 << 36)
  /// The supervisor-shadow-stack permission forbids the access.
  public static let supervisorShadowStack = NestedFaultCode(rawValue: 1 << 37)
}
