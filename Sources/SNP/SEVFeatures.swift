// SEVFeatures: the features of an SNP guest, as the VMSA and SEV_STATUS hold them.

/// SEV_FEATURES at offset 0x3B0 of a VMSA.
///
/// Source: APM volume 2, table B-4 (reference snp-svsm.md B.2).
public struct SEVFeatures: OptionSet, Hashable, Sendable {
  /// The 64 bits.
  public let rawValue: UInt64

  /// The features `rawValue`; unknown bits stay.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// SNPActive.
  public static let snpActive = SEVFeatures(rawValue: 1 << 0)
  /// VTOM.
  public static let vTOM = SEVFeatures(rawValue: 1 << 1)
  /// ReflectVC.
  public static let reflectVC = SEVFeatures(rawValue: 1 << 2)
  /// RestrictedInjection.
  public static let restrictedInjection = SEVFeatures(rawValue: 1 << 3)
  /// AlternateInjection.
  public static let alternateInjection = SEVFeatures(rawValue: 1 << 4)
  /// DebugSwap.
  public static let debugSwap = SEVFeatures(rawValue: 1 << 5)
  /// PreventHostIBS.
  public static let preventHostIBS = SEVFeatures(rawValue: 1 << 6)
  /// SNPBTBIsolation.
  public static let btbIsolation = SEVFeatures(rawValue: 1 << 7)
  /// VmplSSS.
  public static let vmplSSS = SEVFeatures(rawValue: 1 << 8)
  /// SecureTSC.
  public static let secureTSC = SEVFeatures(rawValue: 1 << 9)
  /// VmgexitParameter.
  public static let vmgexitParameter = SEVFeatures(rawValue: 1 << 10)
  /// PmcVirtualization.
  public static let pmcVirtualization = SEVFeatures(rawValue: 1 << 11)
  /// IbsVirtualization.
  public static let ibsVirtualization = SEVFeatures(rawValue: 1 << 12)
  /// GuestInterceptControl.
  public static let guestInterceptControl = SEVFeatures(rawValue: 1 << 13)
  /// VmsaRegProt.
  public static let vmsaRegProt = SEVFeatures(rawValue: 1 << 14)
  /// SmtProtection.
  public static let smtProtection = SEVFeatures(rawValue: 1 << 15)
  /// SecureAVIC.
  public static let secureAVIC = SEVFeatures(rawValue: 1 << 16)
  /// IbpbOnEntry.
  public static let ibpbOnEntry = SEVFeatures(rawValue: 1 << 21)

  /// The value of the SEV_STATUS MSR for a guest with these features: shifted by 2, plus ES and SEV.
  public var status: UInt64 { rawValue << 2 | 0b11 }

  /// The features in a SEV_STATUS value.
  public init(status: UInt64) { rawValue = status >> 2 }

  /// Restricted injection, alternate injection and Secure AVIC, of which at most one may be set.
  public static let injectionModes: SEVFeatures = [
    .restrictedInjection, .alternateInjection, .secureAVIC,
  ]

  /// Whether at most one injection mode is set (reference B.2: otherwise VMEXIT_INVALID).
  public var hasOneInjectionMode: Bool {
    intersection(Self.injectionModes).rawValue.nonzeroBitCount <= 1
  }
}
