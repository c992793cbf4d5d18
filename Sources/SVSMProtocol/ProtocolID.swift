// ProtocolID: which protocol a guest calls, and its calls.

/// A protocol number, RAX[63:32] of a call.
///
/// Source: AMD 58019 table 3; 3 and 4 from COCONUT (reference snp-svsm.md A.5).
public struct ProtocolID: RawRepresentable, Hashable, Sendable {
  /// The 32-bit number.
  public let rawValue: UInt32

  /// The protocol `rawValue`, known or not.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Core.
  public static let core = ProtocolID(rawValue: 0)
  /// Attestation.
  public static let attestation = ProtocolID(rawValue: 1)
  /// vTPM.
  public static let vTPM = ProtocolID(rawValue: 2)
  /// APIC emulation.
  public static let apic = ProtocolID(rawValue: 3)
  /// UEFI MM.
  public static let uefiMM = ProtocolID(rawValue: 4)
}

/// A call: protocol and number, as RAX carries them.
///
/// Source: AMD 58019, 5 (reference snp-svsm.md A.4).
public struct CallID: Hashable, Sendable {
  /// RAX[63:32].
  public var protocolID: ProtocolID
  /// RAX[31:0].
  public var number: UInt32

  /// The call `number` of `protocolID`.
  public init(_ protocolID: ProtocolID, _ number: UInt32) {
    self.protocolID = protocolID
    self.number = number
  }

  /// The call in RAX.
  public init(rax: UInt64) {
    protocolID = ProtocolID(rawValue: UInt32(truncatingIfNeeded: rax >> 32))
    number = UInt32(truncatingIfNeeded: rax)
  }

  /// The value of RAX that makes the call.
  public var rax: UInt64 { UInt64(protocolID.rawValue) << 32 | UInt64(number) }

  /// SVSM_CORE_REMAP_CA.
  public static let remapCallingArea = CallID(.core, 0)
  /// SVSM_CORE_PVALIDATE.
  public static let pvalidate = CallID(.core, 1)
  /// SVSM_CORE_CREATE_VCPU.
  public static let createVCPU = CallID(.core, 2)
  /// SVSM_CORE_DELETE_VCPU.
  public static let deleteVCPU = CallID(.core, 3)
  /// SVSM_CORE_DEPOSIT_MEM.
  public static let depositMemory = CallID(.core, 4)
  /// SVSM_CORE_WITHDRAW_MEM.
  public static let withdrawMemory = CallID(.core, 5)
  /// SVSM_CORE_QUERY_PROTOCOL.
  public static let queryProtocol = CallID(.core, 6)
  /// SVSM_CORE_CONFIGURE_VTOM.
  public static let configureVTOM = CallID(.core, 7)
  /// SVSM_ATTEST_SERVICES.
  public static let attestServices = CallID(.attestation, 0)
  /// SVSM_ATTEST_SINGLE_SERVICE.
  public static let attestSingleService = CallID(.attestation, 1)
  /// SVSM_VTPM_QUERY.
  public static let vTPMQuery = CallID(.vTPM, 0)
  /// SVSM_VTPM_CMD.
  public static let vTPMCommand = CallID(.vTPM, 1)
}
