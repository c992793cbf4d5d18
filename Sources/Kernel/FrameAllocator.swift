// FrameAllocator: frames for every CPU: one shared table behind a lock.
import Seams
import X86

/// Where frames come from and go back to.
public protocol FrameSource {
  /// A frame for `owner`, with any contents.
  func allocate(_ owner: FrameOwner) throws(MemoryError) -> Frame
  /// Neighbouring frames, the first for `owner` and the others for `rest`.
  func allocate(count: UInt64, _ owner: FrameOwner, rest: FrameOwner) throws(MemoryError) -> Frame
  /// Gives a frame of `owner` back.
  func release(_ frame: Frame, _ owner: FrameOwner) throws(MemoryError)
}

/// All frames of the machine.
public final class FrameAllocator<Memory: PhysicalMemory & Sendable, Hint: SpinHint>: FrameSource,
  @unchecked Sendable
{
  private let lock = SpinLock<Hint>()
  // Every access is within `lock`.
  private var table: FrameTable<Memory>
  /// The owner of each frame; an owner retags its own frames without the lock.
  public let tags: FrameTags<Memory>

  /// An allocator over `table`.
  public init(_ table: FrameTable<Memory>) {
    self.table = table
    tags = table.tags
  }

  /// Runs `body` on the table with the lock held.
  public func withTable<Result, Failure: Error>(
    _ body: (inout FrameTable<Memory>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try lock.withLock { () throws(Failure) -> Result in try body(&table) }
  }

  /// A frame for `owner`.
  public func allocate(_ owner: FrameOwner) throws(MemoryError) -> Frame {
    try withTable { (table) throws(MemoryError) in try table.allocate(owner) }
  }

  /// Neighbouring frames, the first for `owner` and the others for `rest`.
  public func allocate(count: UInt64, _ owner: FrameOwner, rest: FrameOwner) throws(MemoryError) -> Frame {
    try withTable { (table) throws(MemoryError) in try table.allocate(count: count, owner, rest: rest) }
  }

  /// Sets `count` neighbouring frames aside, at most 64; an empty reserve if there is no such run.
  public func reserve(_ count: UInt64) -> FrameReserve {
    let count = min(count, 64)
    return FrameReserve(first: try? allocate(count: count, .reserve, rest: .reserve), count: count)
  }

  /// Gives a frame of `owner` back; `notOwned` if it isn't that owner's.
  public func release(_ frame: Frame, _ owner: FrameOwner) throws(MemoryError) {
    try withTable { (table) throws(MemoryError) in try table.release(frame, owner) }
  }
}
