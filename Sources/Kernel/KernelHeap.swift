// KernelHeap: the heap of Swift objects: a bounded pool behind a lock, sizes kept in a header.
import Seams
import X86

/// The heap that Swift's own allocations come from.
///
/// Full means a nil answer, never an abort.
public final class KernelHeap<Memory: PhysicalMemory & Sendable, Hint: SpinHint>: HeapSource,
  @unchecked Sendable
{
  private let lock = SpinLock<Hint>()
  private let memory: Memory
  // Every access is within `lock`.
  private var pool: SizeClassPool<Memory, FrameAllocator<Memory, Hint>>

  /// A heap of at most `frameLimit` frames.
  public init(memory: Memory, frames: FrameAllocator<Memory, Hint>, frameLimit: UInt64) {
    self.memory = memory
    pool = SizeClassPool(
      memory: memory, source: frames, tags: frames.tags, owner: .heap, frameLimit: frameLimit)
  }

  /// Memory of at least `bytes`, aligned to `alignment`, nil if there is none.
  ///
  /// The word before the memory holds the size of the block and how far into it the memory begins.
  public func allocate(bytes: UInt64, alignment: UInt64) -> PhysicalAddress? {
    let lead = max(alignment, 16)
    let (total, overflow) = bytes.addingReportingOverflow(lead)
    guard !overflow, lead <= Frame.bytes else { return nil }
    let block = lock.withLock { try? pool.allocate(bytes: total, alignment: lead) }
    guard let block else { return nil }
    let start = block.advanced(by: lead)
    memory.store(total << 16 | lead, at: start.advanced(by: 0 &- 8))
    return start
  }

  /// Takes memory back; memory that isn't the heap's is left alone.
  public func release(_ address: PhysicalAddress) {
    let header = memory.load(UInt64.self, at: address.advanced(by: 0 &- 8))
    let lead = header & 0xFFFF
    let block = PhysicalAddress(address.rawValue &- lead)
    lock.withLock { _ = try? pool.release(block, bytes: header >> 16) }
  }

  /// Frames held, blocks handed out and requests refused so far.
  public var usage: (frames: UInt64, live: UInt64, refused: UInt64) {
    lock.withLock { (pool.frameCount, pool.liveCount, pool.refusedCount) }
  }
}
