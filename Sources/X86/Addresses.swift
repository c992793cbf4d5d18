// Addresses: the kinds of address, each a type of its own, and the 4 KiB frame.

/// An address in the kernel's own physical address space (a guest physical address when the kernel
/// itself runs in a confidential VM).
public struct PhysicalAddress: Equatable, Comparable, Sendable, RawRepresentable {
  /// The address in bytes.
  public var rawValue: UInt64
  /// The address `rawValue`.
  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  /// The address `rawValue`.
  @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
  /// Order by address.
  @inlinable public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
  /// The address `bytes` further on; wraps, so check a length from outside first.
  @inlinable public func advanced(by bytes: UInt64) -> Self { Self(rawValue &+ bytes) }
  /// The start of the frame that holds the address.
  @inlinable public var frameStart: Self { Self(rawValue & ~(Frame.bytes &- 1)) }
}

/// An address that the guest gave and that nobody has checked yet.
public struct GuestPhysicalAddress: Equatable, Comparable, Sendable, RawRepresentable {
  /// The address in bytes.
  public var rawValue: UInt64
  /// The address `rawValue`.
  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  /// The address `rawValue`.
  @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
  /// Order by address.
  @inlinable public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// An address that page tables translate.
public struct VirtualAddress: Equatable, Comparable, Sendable, RawRepresentable {
  /// The address in bytes.
  public var rawValue: UInt64
  /// The address `rawValue`.
  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  /// The address `rawValue`.
  @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
  /// Order by address.
  @inlinable public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
  /// The address `bytes` further on, wrapping.
  @inlinable public func advanced(by bytes: UInt64) -> Self { Self(rawValue &+ bytes) }
  /// Whether bits 63:47 are equal (SDM 1, 3.3.7.1: canonical with 48-bit addresses).
  @inlinable public var isCanonical: Bool {
    let top = rawValue >> 47
    return top == 0 || top == 0x1_FFFF
  }
}

/// A 4 KiB page of physical memory, named by its number.
public struct Frame: Equatable, Comparable, Sendable {
  /// Bytes in a frame.
  @inlinable public static var bytes: UInt64 { 4096 }
  /// The physical address divided by 4096.
  public var number: UInt64
  /// Frame number `number`.
  @inlinable public init(number: UInt64) { self.number = number }
  /// The frame that holds `address`.
  @inlinable public init(containing address: PhysicalAddress) { number = address.rawValue >> 12 }
  /// The frame's first address.
  @inlinable public var start: PhysicalAddress { PhysicalAddress(number << 12) }
  /// Order by number.
  @inlinable public static func < (left: Self, right: Self) -> Bool { left.number < right.number }
}
