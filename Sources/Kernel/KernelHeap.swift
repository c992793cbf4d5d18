// KernelHeap: the heap of Swift objects: a bounded pool behind a lock, and a reserve for when it is exhausted.
import Seams
import Tasks
import X86

/// The heap behind the CPUs' stocks (`BlockStock`), which take the lock only to be filled and emptied.
///
/// Full means a nil answer, never an abort. When the pool is exhausted a small reserve still serves objects, and `lowness`
/// says so: nothing new may be started then.
public final class KernelHeap<Memory: PhysicalMemory & Sendable, Hint: SpinHint>: HeapSource,
  @unchecked Sendable
{
  private let lock = SpinLock<Hint>()
  private let memory: Memory
  private let frames: FrameAllocator<Memory, Hint>
  private let stocks: FrameStocks<Memory>?
  // Every access is within `lock`.
  private var pool: SizeClassPool<Memory>
  private var reservePool: SizeClassPool<Memory>
  private let reserve: FrameReserve
  private let reserveFrames: UInt64
  private let lowness: (Bool) -> Void

  /// A heap of at most `frameLimit` frames and a reserve of `reserve` (at most 64).
  ///
  /// `lowness` is told whenever the reserve begins or ceases to be drawn on, with the heap's lock held.
  public init(
    memory: Memory, frames: FrameAllocator<Memory, Hint>, stocks: FrameStocks<Memory>?, frameLimit: UInt64,
    reserve: UInt64, lowness: @escaping (Bool) -> Void
  ) {
    self.memory = memory
    self.frames = frames
    self.stocks = stocks
    self.lowness = lowness
    pool = SizeClassPool(memory: memory, owner: .heap, frameLimit: frameLimit)
    reservePool = SizeClassPool(memory: memory, owner: .reserve, frameLimit: 64)
    self.reserve = frames.reserve(reserve)
    reserveFrames = min(reserve, 64)
  }

  /// Memory of at least `bytes`, aligned to `alignment`, nil if there is none.
  public func allocate(bytes: UInt64, alignment: UInt64, on cpu: CPUIndex) -> PhysicalAddress? {
    let lead = max(alignment, ObjectHeader.plainLead)
    let (total, overflow) = bytes.addingReportingOverflow(lead)
    guard !overflow, lead <= Frame.bytes else { return nil }
    let source = FrameCache(frames, stocks, of: cpu)
    return lock.withLock {
      if let block = try? pool.allocate(bytes: total, alignment: lead, from: source) {
        return object(block, ObjectHeader(blockBytes: total, lead: lead))
      }
      guard let block = try? reservePool.allocate(bytes: total, alignment: lead, from: reserve) else {
        return nil
      }
      if reservePool.liveCount == 1 { lowness(true) }
      return object(block, ObjectHeader(blockBytes: total, lead: lead, isReserved: true))
    }
  }

  /// Takes memory back; memory that isn't the heap's is left alone.
  public func release(_ address: PhysicalAddress, on cpu: CPUIndex) {
    let header = header(address)
    if header.isStocked { return }
    let source = FrameCache(frames, stocks, of: cpu)
    lock.withLock { release(address, header, source) }
  }

  /// At most `count` objects in blocks of `blockBytes`, chained by their first words; nil if the pool has none.
  public func allocateChain(blockBytes: UInt64, count: Int, on cpu: CPUIndex) -> PhysicalAddress? {
    let source = FrameCache(frames, stocks, of: cpu)
    let header = ObjectHeader(blockBytes: blockBytes, lead: ObjectHeader.plainLead)
    return lock.withLock {
      var first: PhysicalAddress?
      for _ in 0..<count {
        guard let block = try? pool.allocate(bytes: blockBytes, from: source) else { break }
        let object = object(block, header)
        memory.store(first?.rawValue ?? 0, at: object)
        first = object
      }
      return first
    }
  }

  /// Takes back objects chained by their first words.
  public func releaseChain(_ first: PhysicalAddress, on cpu: CPUIndex) {
    let source = FrameCache(frames, stocks, of: cpu)
    lock.withLock {
      var next = first.rawValue
      // A chain is half a stock at most.
      for _ in 0..<BlockStock.keep(0) where next != 0 {
        let address = PhysicalAddress(next)
        next = memory.load(UInt64.self, at: address)
        release(address, header(address), source)
      }
    }
  }

  private func header(_ address: PhysicalAddress) -> ObjectHeader {
    ObjectHeader(word: memory.load(UInt64.self, at: PhysicalAddress(address.rawValue &- 8)))
  }

  private func object(_ block: PhysicalAddress, _ header: ObjectHeader) -> PhysicalAddress {
    let address = block.advanced(by: header.lead)
    memory.store(header.word, at: PhysicalAddress(address.rawValue &- 8))
    return address
  }

  // Within the lock.
  private func release(
    _ address: PhysicalAddress, _ header: ObjectHeader, _ source: FrameCache<Memory, Hint>
  ) {
    let block = PhysicalAddress(address.rawValue &- header.lead)
    if frames.tags.owner(of: Frame(containing: block)) == .reserve {
      _ = try? reservePool.release(block, bytes: header.blockBytes, to: reserve)
      if reservePool.liveCount == 0 { lowness(false) }
    } else {
      _ = try? pool.release(block, bytes: header.blockBytes, to: source)
    }
  }

  /// Frames held, blocks handed out (those in stocks and the reserve's too) and requests refused so far.
  public var usage: (frames: UInt64, live: UInt64, refused: UInt64) {
    lock.withLock {
      (pool.frameCount, pool.liveCount &+ reservePool.liveCount, reservePool.refusedCount)
    }
  }

  /// Frames that the heap holds of those that a guest has deposited.
  public var depositedCount: UInt64 { lock.withLock { pool.depositedCount } }

  /// Frames that a guest must deposit before anything is begun that needs objects.
  ///
  /// None unless the reserve is drawn on and the pool can't grow by half of what that holds; then what it lacks to grow by
  /// all of that, so that not each of a row of calls asks for a page or two.
  public var shortfall: UInt64 {
    let room: UInt64? = lock.withLock {
      guard reservePool.liveCount > 0 else { return nil }
      let limit = pool.frameLimit &- min(pool.frameCount, pool.frameLimit)
      return min(limit, frames.withTable { $0.freeCount }) &+ (frames.deposited?.freeCount ?? 0)
    }
    guard let room, room < (reserveFrames &+ 1) / 2 else { return 0 }
    return reserveFrames &- room
  }

  /// Whether the reserve is drawn on.
  public var isLow: Bool { lock.withLock { reservePool.liveCount > 0 } }
}
