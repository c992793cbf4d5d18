// ImageError: why an image cannot be built, in one line, with what to do about it.

/// A refusal that a person reads: the cause, and the fix.
public struct ImageError: Error, Equatable, Sendable {
  /// What kind of refusal it is, for callers and tests.
  public enum Kind: Equatable, Sendable {
    /// The kernel is not an ELF file that can be loaded.
    case elf
    /// The board's layout contradicts itself.
    case layout
    /// Two things lie in one page.
    case overlap
    /// An address is outside the range or the platform's rules.
    case address
    /// The image has more than fits.
    case capacity
    /// The firmware is not one that can be placed.
    case firmware
    /// The Linux kernel is not one that can be loaded.
    case linux
    /// Options contradict each other.
    case options
  }

  /// What kind of refusal it is.
  public let kind: Kind
  /// What is wrong.
  public let cause: String
  /// What to do.
  public let fix: String

  /// A refusal of `kind`.
  public init(_ kind: Kind, _ cause: String, fix: String) {
    self.kind = kind
    self.cause = cause
    self.fix = fix
  }
}

/// `value` in hexadecimal, as addresses are written.
func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16, uppercase: true) }

extension UInt64 {
  /// Rounded up to a whole number of pages; unchanged if that would wrap.
  var roundedUpToPage: UInt64 {
    let (sum, overflow) = addingReportingOverflow(4095)
    return overflow ? self : sum & ~4095
  }
}
