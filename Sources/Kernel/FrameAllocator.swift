// FrameAllocator: frames for every CPU: one shared table behind a lock, and a small cache per CPU.
import Seams
import X86

/// Where frames come from and go back to.
public protocol FrameSource: AnyObject {
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

  /// Gives a frame of `owner` back; `notOwned` if it isn't that owner's.
  public func release(_ frame: Frame, _ owner: FrameOwner) throws(MemoryError) {
    try withTable { (table) throws(MemoryError) in try table.release(frame, owner) }
  }
}

/// A CPU's stock of frames: most allocations take no lock.
///
/// Owned by one CPU. It holds at most 32 frames, and moves 16 at a time to and from the shared table.
public final class FrameCache<Memory: PhysicalMemory & Sendable, Hint: SpinHint>: FrameSource {
  /// The most it holds.
  public static var capacity: Int { 32 }
  private static var batch: Int { 16 }
  private let shared: FrameAllocator<Memory, Hint>
  private var frames = InlineArray<32, UInt64>(repeating: 0)
  /// Frames it holds.
  public private(set) var count = 0

  /// An empty cache over `shared`.
  public init(_ shared: FrameAllocator<Memory, Hint>) { self.shared = shared }

  /// A frame for `owner`; `exhausted` when the shared table has none either.
  public func allocate(_ owner: FrameOwner) throws(MemoryError) -> Frame {
    if count == 0 {
      shared.withTable { table in
        while count < Self.batch, let frame = try? table.allocate(.cached) {
          frames[count] = frame.number
          count &+= 1
        }
      }
    }
    guard count > 0 else { throw .exhausted }
    let frame = Frame(number: frames[count &- 1])
    try shared.tags.retag(frame, from: .cached, to: owner)
    count &-= 1
    return frame
  }

  /// Neighbouring frames, always from the shared table.
  public func allocate(count: UInt64, _ owner: FrameOwner, rest: FrameOwner) throws(MemoryError) -> Frame {
    try shared.allocate(count: count, owner, rest: rest)
  }

  /// Gives a frame of `owner` back; `notOwned` if it isn't that owner's.
  public func release(_ frame: Frame, _ owner: FrameOwner) throws(MemoryError) {
    try shared.tags.retag(frame, from: owner, to: .cached)
    if count == Self.capacity { drain(to: Self.capacity &- Self.batch) }
    frames[count] = frame.number
    count &+= 1
  }

  /// Gives frames back to the shared table until `limit` are left.
  public func drain(to limit: Int = 0) {
    shared.withTable { table in
      while count > max(0, limit) {
        count &-= 1
        // A cached frame is ours by construction; a tag that says otherwise leaks the frame and no more.
        _ = try? table.release(Frame(number: frames[count]), .cached)
      }
    }
  }
}
