// HeapSource: where the language runtime's allocations come from once there is memory.
import X86

/// A heap; called from any CPU, never from an interrupt handler.
public protocol HeapSource: AnyObject {
  /// Memory of at least `bytes`, aligned to `alignment` (a power of two), nil if there is none.
  func allocate(bytes: UInt64, alignment: UInt64) -> PhysicalAddress?
  /// Takes back what `allocate` gave.
  func release(_ address: PhysicalAddress)
}
