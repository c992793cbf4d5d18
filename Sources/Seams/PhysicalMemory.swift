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
  /// Copies `count` words of 8 bytes; the two places may overlap.
  func move(_ source: PhysicalAddress, to target: PhysicalAddress, wordCount: UInt64)
}

extension PhysicalMemory {
  /// Word by word, from the end that overlaps last.
  public func move(_ source: PhysicalAddress, to target: PhysicalAddress, wordCount: UInt64) {
    for step in 0..<wordCount {
      let offset = (source.rawValue < target.rawValue ? wordCount &- 1 &- step : step) &* 8
      store(load(UInt64.self, at: source.advanced(by: offset)), at: target.advanced(by: offset))
    }
  }
}
