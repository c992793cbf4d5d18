// VEInfo: what TDG.VP.VEINFO.GET tells about a virtualization exception.

/// The information behind a #VE.
///
/// Source: TDX module 1.5.01 (reference tdx.md A.4 leaf 3, H).
public struct VEInfo: Equatable, Sendable {
  /// The VMX basic exit reason.
  public var exitReason: UInt32
  /// The VMX exit qualification; 0 for RDMSR and WRMSR.
  public var qualification: UInt64
  /// The guest linear address; 0 unless the reason is an EPT violation.
  public var linearAddress: UInt64
  /// The guest-physical address; 0 unless the reason is an EPT violation.
  public var guestAddress: UInt64
  /// The length of the instruction in bytes; invalid for EPT violations.
  public var instructionLength: UInt32
  /// The VMX instruction information.
  public var instructionInformation: UInt32

  /// Information with addresses 0 unless given.
  public init(
    exitReason: UInt32, qualification: UInt64 = 0, linearAddress: UInt64 = 0,
    guestAddress: UInt64 = 0, instructionLength: UInt32 = 0, instructionInformation: UInt32 = 0
  ) {
    self.exitReason = exitReason
    self.qualification = qualification
    self.linearAddress = linearAddress
    self.guestAddress = guestAddress
    self.instructionLength = instructionLength
    self.instructionInformation = instructionInformation
  }

  /// The vector of #VE.
  public static let vector: UInt8 = 20

  /// The exit qualification of a port access (SDM volume 3, table 28-5).
  public static func portQualification(
    port: UInt16, byteCount: UInt8, isInput: Bool, isString: Bool = false, isRepeated: Bool = false,
    isImmediate: Bool = false
  ) -> UInt64 {
    UInt64(byteCount &- 1) & 7 | (isInput ? 1 << 3 : 0) | (isString ? 1 << 4 : 0)
      | (isRepeated ? 1 << 5 : 0) | (isImmediate ? 1 << 6 : 0) | UInt64(port) << 16
  }
}
