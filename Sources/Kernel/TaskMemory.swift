// TaskMemory: the frames that task blocks are cut from: bounded, behind a lock, asked only when pools are empty.
import Seams
import X86

/// Blocks for tasks, and a reserve for those that are under way (I6).
public final class TaskMemory<Memory: PhysicalMemory & Sendable, Hint: SpinHint>: BlockSource,
  @unchecked Sendable
{
  private let lock = SpinLock<Hint>()
  private let frames: FrameAllocator<Memory, Hint>
  private let stocks: FrameStocks<Memory>?
  // Every access is within `lock`.
  private var pool: SizeClassPool<Memory>
  private var reservePool: SizeClassPool<Memory>
  private let reserve: FrameReserve

  /// Blocks from at most `frameLimit` frames, and `reserve` (at most 64) for frames that must grow.
  public init(
    memory: Memory, frames: FrameAllocator<Memory, Hint>, stocks: FrameStocks<Memory>?, frameLimit: UInt64,
    reserve: UInt64
  ) {
    self.frames = frames
    self.stocks = stocks
    pool = SizeClassPool(memory: memory, owner: .tasks, frameLimit: frameLimit)
    reservePool = SizeClassPool(memory: memory, owner: .reserve, frameLimit: 64)
    self.reserve = frames.reserve(reserve)
  }

  /// A block of at least `bytes`, aligned to 64.
  public func allocateBlock(bytes: UInt64, on cpu: CPUIndex) -> PhysicalAddress? {
    let source = FrameCache(frames, stocks, of: cpu)
    return lock.withLock { try? pool.allocate(bytes: bytes, alignment: 64, from: source) }
  }

  /// The same from the reserve.
  public func allocateReserve(bytes: UInt64) -> PhysicalAddress? {
    lock.withLock { try? reservePool.allocate(bytes: bytes, alignment: 64, from: reserve) }
  }

  /// Takes a block back; one that isn't ours is left alone.
  public func releaseBlock(_ block: PhysicalAddress, bytes: UInt64, on cpu: CPUIndex) {
    let source = FrameCache(frames, stocks, of: cpu)
    lock.withLock {
      if frames.tags.owner(of: Frame(containing: block)) == .reserve {
        _ = try? reservePool.release(block, bytes: max(bytes, 64), to: reserve)
      } else {
        _ = try? pool.release(block, bytes: max(bytes, 64), to: source)
      }
    }
  }

  /// Frames held, blocks handed out and requests refused so far, without the reserve.
  public var usage: (frames: UInt64, live: UInt64, refused: UInt64) {
    lock.withLock { (pool.frameCount, pool.liveCount, pool.refusedCount) }
  }

  /// Blocks of the reserve that are in use, and frames of it that were never cut.
  public var reserveUsage: (live: UInt64, free: UInt64) {
    lock.withLock { (reservePool.liveCount, UInt64(reserve.freeCount)) }
  }
}
