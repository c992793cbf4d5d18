// OperandID: which operand a completion status complains about.

/// The operand identifier in bits 31:0 of a status.
///
/// Source: TDX module 1.5.01 (reference tdx.md A.2).
public struct OperandID: RawRepresentable, Hashable, Sendable {
  /// The number.
  public let rawValue: UInt32

  /// The operand numbered `rawValue`.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// RAX.
  public static let rax = OperandID(rawValue: 0)
  /// RCX.
  public static let rcx = OperandID(rawValue: 1)
  /// RDX.
  public static let rdx = OperandID(rawValue: 2)
  /// R8.
  public static let r8 = OperandID(rawValue: 8)
  /// R9.
  public static let r9 = OperandID(rawValue: 9)
  /// The SEPT entry.
  public static let septEntry = OperandID(rawValue: 147)
  /// The run-time measurement registers.
  public static let rtmr = OperandID(rawValue: 168)
  /// The TLB epoch.
  public static let tdEpoch = OperandID(rawValue: 169)
  /// The L2's virtual-APIC page address.
  public static let l2VirtualAPICAddress = OperandID(rawValue: 170)
  /// A metadata field.
  public static let metadataField = OperandID(rawValue: 176)
}
