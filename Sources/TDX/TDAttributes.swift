// TDAttributes: properties of a TD that are fixed when it is created.

/// The ATTRIBUTES word (reference tdx.md D.7).
public struct TDAttributes: OptionSet, Hashable, Sendable {
  /// The 64 bits.
  public let rawValue: UInt64

  /// The attributes `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The host may debug the TD.
  public static let debug = TDAttributes(rawValue: 1 << 0)
  /// Access to a pending page exits to the host instead of raising #VE.
  public static let septVEDisable = TDAttributes(rawValue: 1 << 28)
  /// The TD may be migrated.
  public static let migratable = TDAttributes(rawValue: 1 << 29)
  /// Protection keys for supervisor pages.
  public static let pks = TDAttributes(rawValue: 1 << 30)
  /// The TD may use the performance counters.
  public static let perfmon = TDAttributes(rawValue: 1 << 63)
}

/// The CONFIG_FLAGS word (reference tdx.md A.6).
public struct TDConfigFlags: OptionSet, Hashable, Sendable {
  /// The 64 bits.
  public let rawValue: UInt64

  /// The flags `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Guest-physical addresses are 52 bits wide, else 48.
  public static let gpaw52 = TDConfigFlags(rawValue: 1 << 0)
  /// The TD may change PENDING_VE_DISABLE.
  public static let flexiblePendingVE = TDConfigFlags(rawValue: 1 << 1)
  /// RBP may not be in the mask of TDG.VP.VMCALL.
  public static let noRBPModification = TDConfigFlags(rawValue: 1 << 2)
}
