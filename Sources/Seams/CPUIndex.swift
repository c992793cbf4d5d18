// CPUIndex: which CPU, counted from 0 in the order of bring-up.

/// A CPU's place among those the kernel knows: 0 is the boot CPU.
public struct CPUIndex: Equatable, Hashable, Sendable, RawRepresentable {
  /// The index.
  public var rawValue: UInt32
  /// CPU `rawValue`.
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
  /// CPU `rawValue`.
  @inlinable public init(_ rawValue: UInt32) { self.rawValue = rawValue }
  /// The CPU that booted.
  @inlinable public static var boot: Self { Self(0) }
}
