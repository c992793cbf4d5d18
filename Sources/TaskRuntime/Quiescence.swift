// Quiescence: when a page whose mapping was removed may be used again, without an IPI.

/// The count of removed mappings that all CPUs compare theirs with.
public struct FlushGeneration<Memory: SharedMemory> {
  /// The word of the newest generation; starts as zero and never wraps (62 bits).
  public let cell: Memory.Cell

  /// The generation counted in `cell`.
  public init(cell: Memory.Cell) { self.cell = cell }

  /// Opens a new generation after page-table entries were cleared, and returns what to wait for.
  ///
  /// *May be called from*: any CPU, after its own stores to the page tables; it need not wait. One locked instruction when
  /// nobody else unmaps at the same moment.
  public func retire(in memory: Memory) throws(Memory.Failure) -> Retirement {
    var newest = try memory.loadRelaxed(cell)
    while true {
      let found = try memory.compareExchange(cell, expected: newest, desired: newest &+ 1)
      if found == newest { return Retirement(generation: newest &+ 1) }
      newest = found
    }
  }
}

/// A removed mapping whose page waits until no CPU can hold a stale translation.
///
/// Keep it with the page and ask now and then: a stalled CPU delays the reuse of this page only.
public struct Retirement: Equatable, Sendable {
  /// The generation that each CPU must have flushed for, or rest and flush for on leaving.
  public let generation: UInt64
  /// CPUs below this number are done.
  public private(set) var confirmedCount = 0

  /// A removal that opened `generation`.
  public init(generation: UInt64) { self.generation = generation }

  /// Looks at CPUs not yet confirmed, at most `limit` of them; true once all `count` are.
  ///
  /// A CPU that rested once after the removal counts for good: it flushes before it touches the mapping again.
  public mutating func isComplete<Memory: InboxMemory>(
    of count: Int, limit: Int, in memory: Memory, line: (Int) -> OwnerLine<Memory>
  ) throws(Memory.Failure) -> Bool {
    var looked = 0
    while confirmedCount < count {
      guard looked < limit else { return false }
      let word = OwnerWord(raw: try memory.loadAcquire(line(confirmedCount).word))
      guard word.isQuiescent || word.generation >= generation else { return false }
      confirmedCount &+= 1
      looked &+= 1
    }
    return true
  }
}
