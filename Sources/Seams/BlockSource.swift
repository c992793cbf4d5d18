// BlockSource: where the task runtime's blocks come from when its own pools are empty.
import X86

/// Blocks whose size the owner remembers; called from any CPU, never from an interrupt handler.
public protocol BlockSource: AnyObject {
  /// At least `bytes`, aligned to 64, with any contents; nil if there is no memory. `cpu` is the calling CPU.
  func allocateBlock(bytes: UInt64, on cpu: CPUIndex) -> PhysicalAddress?
  /// The same from what is set aside for tasks that are under way (I6); nil when that is used up.
  func allocateReserve(bytes: UInt64) -> PhysicalAddress?
  /// Takes back a block of either kind with the `bytes` it was asked for.
  func releaseBlock(_ block: PhysicalAddress, bytes: UInt64, on cpu: CPUIndex)
}
