// SEPTState: the states of a secure EPT entry.

/// The public code of a secure EPT entry's state.
///
/// Source: TDX module 1.5.01 (reference tdx.md H).
public struct SEPTState: RawRepresentable, Hashable, Sendable {
  /// The code, as bits 13:6 of an extended qualification's information.
  public let rawValue: UInt8

  /// The state `rawValue`, known or not.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Nothing is there.
  public static let free = SEPTState(rawValue: 0)
  /// A leaf that the host has blocked.
  public static let blocked = SEPTState(rawValue: 1)
  /// A leaf that the guest has not accepted.
  public static let pending = SEPTState(rawValue: 2)
  /// A pending leaf that the host has blocked.
  public static let pendingBlocked = SEPTState(rawValue: 3)
  /// A leaf in use.
  public static let mapped = SEPTState(rawValue: 4)
  /// A removed leaf.
  public static let removed = SEPTState(rawValue: 5)
  /// A leaf blocked for writing.
  public static let blockedForWrite = SEPTState(rawValue: 8)
  /// A table.
  public static let table = SEPTState(rawValue: 132)
  /// A blocked table.
  public static let tableBlocked = SEPTState(rawValue: 129)

  /// Whether the guest can use the page.
  public var isAccessible: Bool { self == .mapped || self == .blockedForWrite }
  /// Whether the entry points to a table.
  public var isTable: Bool { rawValue & 0x80 != 0 }
}
