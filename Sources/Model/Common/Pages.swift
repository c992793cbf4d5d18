// Pages: the two kinds of page number, which must never be mixed up.

/// The number of a 4 KiB page of system memory: a system-physical address shifted right by 12.
public struct SystemPage: RawRepresentable, Hashable, Comparable, Sendable {
  /// Address / 4096.
  public let rawValue: UInt64

  /// The page numbered `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The page that holds `address`.
  public init(containing address: UInt64) { rawValue = address >> 12 }

  /// The address of the first byte.
  public var address: UInt64 { rawValue << 12 }

  /// The page `count` further on, wrapping.
  public func advanced(by count: UInt64) -> SystemPage {
    SystemPage(rawValue: rawValue &+ count)
  }

  /// The first page of the 2 MiB range around this one.
  public var base2M: SystemPage { SystemPage(rawValue: rawValue & ~511) }

  /// Whether the page starts a 2 MiB range.
  public var is2MAligned: Bool { rawValue & 511 == 0 }

  /// Orders by address.
  public static func < (left: SystemPage, right: SystemPage) -> Bool {
    left.rawValue < right.rawValue
  }
}

/// The number of a 4 KiB page of guest memory: a guest-physical address, without C-bit or shared
/// bit, shifted right by 12.
public struct GuestPage: RawRepresentable, Hashable, Comparable, Sendable {
  /// Address / 4096.
  public let rawValue: UInt64

  /// The page numbered `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The page that holds `address`.
  public init(containing address: UInt64) { rawValue = address >> 12 }

  /// The address of the first byte.
  public var address: UInt64 { rawValue << 12 }

  /// The page `count` further on, wrapping.
  public func advanced(by count: UInt64) -> GuestPage { GuestPage(rawValue: rawValue &+ count) }

  /// The first page of the 2 MiB range around this one.
  public var base2M: GuestPage { GuestPage(rawValue: rawValue & ~511) }

  /// Whether the page starts a 2 MiB range.
  public var is2MAligned: Bool { rawValue & 511 == 0 }

  /// Orders by address.
  public static func < (left: GuestPage, right: GuestPage) -> Bool {
    left.rawValue < right.rawValue
  }
}
