// RMPPermissions: what one VMPL may do with one page.

/// The permission mask of one VMPL in one RMP entry, bits 0 to 4.
///
/// Source: APM volume 2, 15.36.7 (reference snp-svsm.md B.1.1).
public struct RMPPermissions: OptionSet, Hashable, Sendable {
  /// The mask as RMPADJUST takes it in RDX[15:8].
  public let rawValue: UInt8

  /// The mask `rawValue`; bits above 4 are kept so that they can be refused.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Data may be read.
  public static let read = RMPPermissions(rawValue: 1 << 0)
  /// Data may be written; without `read` the page faults on any use.
  public static let write = RMPPermissions(rawValue: 1 << 1)
  /// Instructions may be fetched at CPL 3.
  public static let executeUser = RMPPermissions(rawValue: 1 << 2)
  /// Instructions may be fetched at CPL 0 to 2.
  public static let executeSupervisor = RMPPermissions(rawValue: 1 << 3)
  /// The page may be a supervisor shadow stack (only where VMPL SSS is supported).
  public static let supervisorShadowStack = RMPPermissions(rawValue: 1 << 4)

  /// Nothing is allowed.
  public static let none: RMPPermissions = []
  /// Read, write and both kinds of execute: 0xF.
  public static let full: RMPPermissions = [.read, .write, .executeUser, .executeSupervisor]
}
