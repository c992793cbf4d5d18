// HeapSource: where the language runtime's allocations come from once there is memory.
import X86

/// A heap; called from any CPU, never from an interrupt handler.
///
/// `cpu` is always the calling CPU.
public protocol HeapSource: AnyObject {
  /// Memory of at least `bytes`, aligned to `alignment` (a power of two), nil if there is none.
  func allocate(bytes: UInt64, alignment: UInt64, on cpu: CPUIndex) -> PhysicalAddress?
  /// Takes back what `allocate` gave.
  func release(_ address: PhysicalAddress, on cpu: CPUIndex)
  /// At most `count` objects in blocks of `blockBytes`, for a CPU's stock: the first, and in each one's first word the
  /// address of the next, 0 in the last; nil if there is none.
  func allocateChain(blockBytes: UInt64, count: Int, on cpu: CPUIndex) -> PhysicalAddress?
  /// Takes back objects in a chain of that kind.
  func releaseChain(_ first: PhysicalAddress, on cpu: CPUIndex)
}
