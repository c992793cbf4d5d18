// SEVStatusPolicy: which features this kernel runs with, and which end the VM.
public import SNP

/// The allow list of SEV_STATUS (reference snp-svsm.md A.1, B.2).
public enum SEVStatusPolicy {
  /// Without these the kernel does not run: a host must not inject interrupts of its choice.
  public static let required: SEVFeatures = [.snpActive, .restrictedInjection]
  /// These change nothing for the kernel, or harden the machine.
  public static let tolerated: SEVFeatures = [
    .vTOM, .debugSwap, .preventHostIBS, .btbIsolation, .ibsVirtualization, .smtProtection, .ibpbOnEntry,
  ]

  /// The features in `status`; nil if one is missing, or there is one that is not on the list.
  public static func accept(_ status: UInt64) -> SEVFeatures? {
    // Bits 0 and 1: SEV and SEV-ES.
    guard status & 0b11 == 0b11 else { return nil }
    let features = SEVFeatures(status: status)
    guard features.isSuperset(of: required), features.isSubset(of: required.union(tolerated)) else {
      return nil
    }
    return features
  }
}
