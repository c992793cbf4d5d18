// FrameCache: a CPU's stock of frames in front of the shared table.
import Seams
import X86

/// Frames for one CPU: most calls take no lock.
///
/// It holds at most 16 frames, in the CPU's record of `FrameStocks`, and moves 8 at a time to and from the shared table.
/// Frames in other CPUs' stocks are out of reach when the table is empty: at most 16 each.
public struct FrameCache<Memory: PhysicalMemory & Sendable, Hint: SpinHint>: FrameSource, Sendable {
  /// The most it holds.
  public static var capacity: Int { Int(FrameStocks<Memory>.capacity) }
  private static var batch: Int { 8 }
  private let shared: FrameAllocator<Memory, Hint>
  private let stocks: FrameStocks<Memory>?
  private let record: PhysicalAddress?

  /// The stock of `cpu` over `shared`; without one, every call goes to the shared table.
  public init(_ shared: FrameAllocator<Memory, Hint>, _ stocks: FrameStocks<Memory>?, of cpu: CPUIndex) {
    self.shared = shared
    self.stocks = stocks
    record = stocks?.record(of: cpu)
  }

  /// Frames it holds.
  public var count: Int {
    guard let stocks, let record else { return 0 }
    return Int(truncatingIfNeeded: stocks.count(record))
  }

  /// A frame for `owner`; `exhausted` when the shared table has none either.
  public func allocate(_ owner: FrameOwner) throws(MemoryError) -> Frame {
    guard let stocks, let record else { return try shared.allocate(owner) }
    if stocks.count(record) == 0 {
      shared.withTable { table in
        for _ in 0..<Self.batch {
          guard let frame = try? table.allocate(.cached) else { break }
          // An empty stock has room for a batch.
          _ = stocks.push(record, frame)
        }
      }
    }
    guard let frame = stocks.pop(record) else { throw .exhausted }
    // A stocked frame is ours by construction; a tag that says otherwise leaks the frame and no more.
    try shared.tags.retag(frame, from: .cached, to: owner)
    return frame
  }

  /// Neighbouring frames, always from the shared table.
  public func allocate(count: UInt64, _ owner: FrameOwner, rest: FrameOwner) throws(MemoryError) -> Frame {
    try shared.allocate(count: count, owner, rest: rest)
  }

  /// Neighbouring frames of those that a guest has deposited; none of them is ever stocked.
  public func allocateDeposited(
    count: UInt64, _ owner: FrameOwner, rest: FrameOwner
  ) throws(MemoryError) -> Frame {
    try shared.allocateDeposited(count: count, owner, rest: rest)
  }

  /// Who owns `frame`.
  public func owner(of frame: Frame) -> FrameOwner { shared.owner(of: frame) }

  /// Gives a frame of `owner` back; `notOwned` if it isn't that owner's.
  public func release(_ frame: Frame, _ owner: FrameOwner) throws(MemoryError) {
    guard !frame.isDeposited, let stocks, let record else { return try shared.release(frame, owner) }
    try shared.tags.retag(frame, from: owner, to: .cached)
    if stocks.push(record, frame) { return }
    drain(to: Self.capacity &- Self.batch)
    _ = stocks.push(record, frame)
  }

  /// Gives frames back to the shared table until `limit` are left.
  public func drain(to limit: Int = 0) {
    guard let stocks, let record else { return }
    shared.withTable { table in
      while count > max(0, limit), let frame = stocks.pop(record) {
        _ = try? table.release(frame, .cached)
      }
    }
  }
}
