// TaskMemory: the frames that task blocks are cut from: bounded, behind a lock, asked only when pools are empty.
import Seams
import X86

/// Blocks for tasks.
public final class TaskMemory<Memory: PhysicalMemory & Sendable, Hint: SpinHint>: BlockSource,
  @unchecked Sendable
{
  private let lock = SpinLock<Hint>()
  // Every access is within `lock`.
  private var pool: SizeClassPool<Memory, FrameAllocator<Memory, Hint>>

  /// Blocks from at most `frameLimit` frames.
  public init(memory: Memory, frames: FrameAllocator<Memory, Hint>, frameLimit: UInt64) {
    pool = SizeClassPool(
      memory: memory, source: frames, tags: frames.tags, owner: .tasks, frameLimit: frameLimit)
  }

  /// A block of at least `bytes`, aligned to 64.
  public func allocateBlock(bytes: UInt64) -> PhysicalAddress? {
    lock.withLock { try? pool.allocate(bytes: bytes, alignment: 64) }
  }

  /// Takes a block back; one that isn't ours is left alone.
  public func releaseBlock(_ block: PhysicalAddress, bytes: UInt64) {
    lock.withLock { _ = try? pool.release(block, bytes: max(bytes, 64)) }
  }

  /// Frames held, blocks handed out and requests refused so far.
  public var usage: (frames: UInt64, live: UInt64, refused: UInt64) {
    lock.withLock { (pool.frameCount, pool.liveCount, pool.refusedCount) }
  }
}
