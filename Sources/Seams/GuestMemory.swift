// GuestMemory: the guest's memory, touched only by copying and never trusted to stay there.
public import X86

/// The guest's page could not be reached: the host took it away, or it is not what the page states say.
public struct GuestMemoryFault: Error, Equatable, Sendable {
  /// The only value.
  @inlinable public init() {}
}

/// Copies from and to guest memory.
///
/// *Requires* of every call: the bytes lie in one 4 KiB page which the caller's page states show as the guest's and
/// which the caller holds (pinned, claimed, or its own calling area). *Guarantees*: each byte is read or written once;
/// an access that faults ends in `GuestMemoryFault` and never in a trap; whatever was written before it stays.
public protocol GuestMemory {
  /// The little-endian word at `address`, a multiple of 8: one access.
  func loadWord(_ address: PhysicalAddress) throws(GuestMemoryFault) -> UInt64
  /// Stores a little-endian word at `address`, a multiple of 8: one access.
  func storeWord(_ value: UInt64, _ address: PhysicalAddress) throws(GuestMemoryFault)
  /// Stores two bytes at `address`, a multiple of 2: one access.
  func storeHalf(_ value: UInt16, _ address: PhysicalAddress) throws(GuestMemoryFault)
  /// Stores the byte at `address`: one access.
  func storeByte(_ value: UInt8, _ address: PhysicalAddress) throws(GuestMemoryFault)
  /// Copies as many bytes as `bytes` holds out of the guest.
  func read(_ address: PhysicalAddress, into bytes: inout MutableSpan<UInt8>) throws(GuestMemoryFault)
  /// Copies `bytes` into the guest.
  func write(_ bytes: borrowing Span<UInt8>, _ address: PhysicalAddress) throws(GuestMemoryFault)
}
