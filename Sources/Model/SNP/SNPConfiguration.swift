// SNPConfiguration: the machine that an SNP guest finds.

import SNP

/// What the host offers and the guest was created with.
public struct SNPConfiguration: Sendable {
  /// The number of the C-bit.
  public var cBit: UInt8
  /// The guest's address-space identifier, not 0.
  public var asid: UInt32
  /// The APIC identifier of each vCPU, at most 64.
  public var apicIDs: [UInt32]
  /// What the host says it can do.
  public var features: HypervisorFeatures
  /// The lowest and highest GHCB protocol version.
  public var ghcbVersions: (minimum: UInt16, maximum: UInt16)
  /// The SEV_FEATURES that VMRUN lets a VMSA have (VMCB 0x138, reference B.1.3).
  public var allowedFeatures: SEVFeatures

  /// A machine with C-bit 47, the vCPUs `apicIDs` and every feature this model implements.
  public init(apicIDs: [UInt32]) {
    cBit = 47
    asid = 5
    self.apicIDs = Array(apicIDs.prefix(CPUSet.capacity))
    features = [
      .snp, .apCreation, .restrictedInjection, .apicIDList, .multiVMPL, .extendedInterrupts,
    ]
    ghcbVersions = (2, 2)
    allowedFeatures = [
      .snpActive, .restrictedInjection, .alternateInjection, .debugSwap, .preventHostIBS,
      .btbIsolation, .ibsVirtualization, .smtProtection, .ibpbOnEntry,
    ]
  }

  /// A word with only the C-bit.
  public var cMask: UInt64 { 1 << UInt64(cBit) }
}
