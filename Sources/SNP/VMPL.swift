// VMPL: the four privilege levels that a VMSA can run at.

/// A virtual machine privilege level; a *lower* number is more privileged.
///
/// Source: APM volume 2, 15.36.7 (reference snp-svsm.md B.1.4).
public struct VMPL: RawRepresentable, Hashable, Comparable, Sendable {
  /// 0 to 3 on hardware; other values stay representable so that a decoder can refuse them.
  public let rawValue: UInt8

  /// The level numbered `rawValue`, which nobody has checked yet.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The most privileged level, where the SVSM runs.
  public static let vmpl0 = VMPL(rawValue: 0)
  /// Level 1.
  public static let vmpl1 = VMPL(rawValue: 1)
  /// Level 2, where the boards of this project run the guest.
  public static let vmpl2 = VMPL(rawValue: 2)
  /// The least privileged level.
  public static let vmpl3 = VMPL(rawValue: 3)
  /// How many levels there are.
  public static let count = 4

  /// Whether the level exists.
  public var isArchitectural: Bool { rawValue < 4 }

  /// Orders by number, so `a < b` says that `a` is more privileged.
  public static func < (left: VMPL, right: VMPL) -> Bool { left.rawValue < right.rawValue }
}
