// HypervisorFeatures: what a host says it can do, through the GHCB.

/// The bitmap of MSR code 0x080 and NAE event 0x8000_FFFD.
///
/// Source: AMD 56421 (reference snp-svsm.md B.4).
public struct HypervisorFeatures: OptionSet, Hashable, Sendable {
  /// The bits.
  public let rawValue: UInt64

  /// The features `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// SNP.
  public static let snp = HypervisorFeatures(rawValue: 1 << 0)
  /// AP creation.
  public static let apCreation = HypervisorFeatures(rawValue: 1 << 1)
  /// Restricted injection.
  public static let restrictedInjection = HypervisorFeatures(rawValue: 1 << 2)
  /// The restricted-injection timer.
  public static let restrictedInjectionTimer = HypervisorFeatures(rawValue: 1 << 3)
  /// The APIC-ID list.
  public static let apicIDList = HypervisorFeatures(rawValue: 1 << 4)
  /// Several VMPLs.
  public static let multiVMPL = HypervisorFeatures(rawValue: 1 << 5)
  /// SEV page-state change.
  public static let sevPageStateChange = HypervisorFeatures(rawValue: 1 << 6)
  /// The alternate-injection helpers (COCONUT's hosts only).
  public static let extendedInterrupts = HypervisorFeatures(rawValue: 1 << 9)
}
