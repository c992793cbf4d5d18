// LaunchPageKind: how LAUNCH_UPDATE treats and measures a page.

/// The page type of LAUNCH_UPDATE.
///
/// Source: AMD 56860 (reference snp-svsm.md B.10).
public struct LaunchPageKind: RawRepresentable, Hashable, Sendable {
  /// The number that is also chained into the launch digest.
  public let rawValue: UInt8

  /// The type `rawValue`, known or not.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// A measured page.
  public static let normal = LaunchPageKind(rawValue: 1)
  /// A measured VMSA.
  public static let vmsa = LaunchPageKind(rawValue: 2)
  /// A page of zeros.
  public static let zero = LaunchPageKind(rawValue: 3)
  /// A page whose contents are not measured.
  public static let unmeasured = LaunchPageKind(rawValue: 4)
  /// The secrets page.
  public static let secrets = LaunchPageKind(rawValue: 5)
  /// The CPUID page.
  public static let cpuid = LaunchPageKind(rawValue: 6)

  /// Whether the digest of the contents is chained.
  public var measuresContents: Bool { self == .normal || self == .vmsa }
}
