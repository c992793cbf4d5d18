// PhysicalMemory: loads and stores at physical addresses, for tables that live outside Swift's objects.
import X86

/// Memory by physical address.
///
/// Beyond `limit` a load gives all ones and a store is dropped, as on an
/// empty bus: a wrong address from a firmware table can't bring the kernel down.
public protocol PhysicalMemory {
  /// The first address that can't be reached.
  var limit: PhysicalAddress { get }
  /// The little-endian integer at `address`, of any alignment.
  func load<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ type: Value.Type, at address: PhysicalAddress
  )
    -> Value
  /// Stores a little-endian integer at `address`, of any alignment.
  func store<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ value: Value, at address: PhysicalAddress)
  /// Fills `count` bytes from `address` with zeros.
  func zero(_ address: PhysicalAddress, count: UInt64)
}
