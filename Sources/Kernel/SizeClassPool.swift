// SizeClassPool: blocks of a few sizes cut from frames, and runs of frames for bigger ones; bounded and fallible.
import Seams
import X86

/// Blocks of 64 to 2048 bytes and runs of whole frames, over frames of one owner.
///
/// Blocks are aligned to their size. A pool never holds more of the kernel's own frames than its limit, and beyond them
/// only what a guest has deposited; frames cut into blocks stay cut. It belongs to one CPU or stands behind a lock (`KernelHeap`).
public struct SizeClassPool<Memory: PhysicalMemory & Sendable> {
  private let memory: Memory
  private let owner: FrameOwner
  // First free block per class; 0 = none (no pool ever owns frame 0).
  private var heads = InlineArray<6, UInt64>(repeating: 0)
  // The owner of a run's further frames: the reserve's frames keep their tag.
  private var rest: FrameOwner { owner == .reserve ? .reserve : .heapRun }
  /// The most frames of the kernel's own that it may hold.
  public let frameLimit: UInt64
  /// Frames of the kernel's own that it holds.
  public private(set) var frameCount: UInt64 = 0
  /// Frames that it holds of those that a guest has deposited.
  public private(set) var depositedCount: UInt64 = 0
  /// Blocks and runs handed out.
  public private(set) var liveCount: UInt64 = 0
  /// Requests refused.
  public private(set) var refusedCount: UInt64 = 0

  /// A pool that owns frames as `owner` (further frames of a run as `heapRun`) and holds `frameLimit` at most.
  public init(memory: Memory, owner: FrameOwner, frameLimit: UInt64) {
    self.memory = memory
    self.owner = owner
    self.frameLimit = frameLimit
  }

  /// The bytes a request of `bytes` takes up; nil if it is never served.
  public static func blockBytes(_ bytes: UInt64) -> UInt64? {
    guard bytes <= 1 << 30 else { return nil }
    var size: UInt64 = 64
    while size < bytes, size < 2048 { size &*= 2 }
    return size >= bytes ? size : (bytes &+ (Frame.bytes &- 1)) & ~(Frame.bytes &- 1)
  }

  /// A block of at least `bytes`, aligned to `alignment` (a power of two up to 4096), with any contents.
  ///
  /// `source` is where frames come from, always one of the same table.
  public mutating func allocate(
    bytes: UInt64, alignment: UInt64 = 16, from source: some FrameSource
  ) throws(MemoryError) -> PhysicalAddress {
    guard alignment.nonzeroBitCount == 1, alignment <= Frame.bytes,
      let size = Self.blockBytes(max(bytes, alignment))
    else { throw .unservable }
    do {
      let block = size < Frame.bytes ? try takeBlock(size, source) : try takeRun(size / Frame.bytes, source)
      liveCount &+= 1
      return block
    } catch {
      refusedCount &+= 1
      throw error
    }
  }

  /// Gives back a block of `bytes` as asked for; `notOwned` (and nothing changed) if it can't be one of ours.
  public mutating func release(
    _ block: PhysicalAddress, bytes: UInt64, to source: some FrameSource
  ) throws(MemoryError) {
    let frame = Frame(containing: block)
    guard let size = Self.blockBytes(bytes), source.owner(of: frame) == owner, liveCount > 0
    else { throw .notOwned }
    if size >= Frame.bytes {
      guard block == frame.start else { throw .notOwned }
      try releaseRun(frame, count: size / Frame.bytes, source)
    } else {
      guard block.rawValue % size == 0, !isFreeBlock(block) else { throw .notOwned }
      push(block, size)
    }
    liveCount &-= 1
  }

  private mutating func takeBlock(_ size: UInt64, _ source: some FrameSource) throws(MemoryError)
    -> PhysicalAddress
  {
    let index = Self.index(size)
    if heads[index] == 0 { try refill(size, source) }
    let block = PhysicalAddress(heads[index])
    heads[index] = memory.load(UInt64.self, at: block)
    memory.store(UInt64(0), at: block.advanced(by: 8))
    return block
  }

  private mutating func refill(_ size: UInt64, _ source: some FrameSource) throws(MemoryError) {
    let frame = try take(1, source)
    var offset = Frame.bytes
    while offset > 0 {
      offset &-= size
      push(frame.start.advanced(by: offset), size)
    }
  }

  private mutating func takeRun(_ count: UInt64, _ source: some FrameSource) throws(MemoryError)
    -> PhysicalAddress
  {
    try take(count, source).start
  }

  // The kernel's own first: what the guest deposited should be free to go back.
  private mutating func take(_ count: UInt64, _ source: some FrameSource) throws(MemoryError) -> Frame {
    if frameCount &+ count <= frameLimit {
      let own =
        count == 1 ? try? source.allocate(owner) : try? source.allocate(count: count, owner, rest: rest)
      if let own {
        frameCount &+= count
        return own
      }
    }
    let frame = try source.allocateDeposited(count: count, owner, rest: rest)
    depositedCount &+= count
    return frame
  }

  private mutating func giveBack(
    _ frame: Frame, _ owner: FrameOwner, _ source: some FrameSource
  ) throws(MemoryError) {
    try source.release(frame, owner)
    if frame.isDeposited { depositedCount &-= 1 } else { frameCount &-= 1 }
  }

  private mutating func releaseRun(
    _ frame: Frame, count: UInt64, _ source: some FrameSource
  ) throws(MemoryError) {
    for step in 1..<max(count, 1) where source.owner(of: Frame(number: frame.number &+ step)) != rest {
      throw .notOwned
    }
    try giveBack(frame, owner, source)
    for step in 1..<max(count, 1) { try giveBack(Frame(number: frame.number &+ step), rest, source) }
  }

  // A free block holds the next one's address and, in its second word, its own address in disguise: a second
  // release is noticed unless the block's owner wrote exactly that word.
  private static var disguise: UInt64 { 0x41_7075_735F_6672 }

  private mutating func push(_ block: PhysicalAddress, _ size: UInt64) {
    let index = Self.index(size)
    memory.store(heads[index], at: block)
    memory.store(block.rawValue ^ Self.disguise, at: block.advanced(by: 8))
    heads[index] = block.rawValue
  }

  private func isFreeBlock(_ block: PhysicalAddress) -> Bool {
    memory.load(UInt64.self, at: block.advanced(by: 8)) == block.rawValue ^ Self.disguise
  }

  private static func index(_ size: UInt64) -> Int { min(5, max(0, size.trailingZeroBitCount &- 6)) }
}
