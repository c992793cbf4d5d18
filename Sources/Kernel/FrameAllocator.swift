// FrameAllocator: frames for every CPU: one shared table behind a lock.
import Seams
import X86

/// Where frames come from and go back to.
public protocol FrameSource {
  /// A frame for `owner`, with any contents.
  func allocate(_ owner: FrameOwner) throws(MemoryError) -> Frame
  /// Neighbouring frames, the first for `owner` and the others for `rest`.
  func allocate(count: UInt64, _ owner: FrameOwner, rest: FrameOwner) throws(MemoryError) -> Frame
  /// Neighbouring frames, cleared, of those that a guest has deposited.
  func allocateDeposited(count: UInt64, _ owner: FrameOwner, rest: FrameOwner) throws(MemoryError) -> Frame
  /// Gives a frame of `owner` back, whichever of the three it came from.
  func release(_ frame: Frame, _ owner: FrameOwner) throws(MemoryError)
  /// Who owns `frame`.
  func owner(of frame: Frame) -> FrameOwner
}

extension FrameSource {
  /// None.
  public func allocateDeposited(
    count: UInt64, _ owner: FrameOwner, rest: FrameOwner
  ) throws(MemoryError) -> Frame {
    throw .exhausted
  }
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
  /// Frames that a guest has deposited; nil on a machine without a guest.
  public let deposited: DepositedFrames<Memory, Hint>?

  /// An allocator over `table`, and over `deposited` for those who ask for them.
  public init(_ table: FrameTable<Memory>, deposited: DepositedFrames<Memory, Hint>? = nil) {
    self.table = table
    self.deposited = deposited
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

  /// Neighbouring frames, cleared, of those that a guest has deposited.
  public func allocateDeposited(
    count: UInt64, _ owner: FrameOwner, rest: FrameOwner
  ) throws(MemoryError) -> Frame {
    guard let deposited else { throw .exhausted }
    return try deposited.allocate(count: count, owner, rest: rest)
  }

  /// Sets `count` neighbouring frames aside, at most 64; an empty reserve if there is no such run.
  public func reserve(_ count: UInt64) -> FrameReserve {
    let count = min(count, 64)
    return FrameReserve(first: try? allocate(count: count, .reserve, rest: .reserve), count: count)
  }

  /// Gives a frame of `owner` back; `notOwned` if it isn't that owner's.
  public func release(_ frame: Frame, _ owner: FrameOwner) throws(MemoryError) {
    if frame.isDeposited {
      guard let deposited else { throw .notOwned }
      return try deposited.release(frame, owner)
    }
    try withTable { (table) throws(MemoryError) in try table.release(frame, owner) }
  }

  /// Who owns `frame`.
  public func owner(of frame: Frame) -> FrameOwner {
    frame.isDeposited ? deposited?.owner(of: frame) ?? .firmware : tags.owner(of: frame)
  }
}
