// OwnerHorizon: the CPUs' owner words as what decides when an unmapped frame may be used again.
import Seams
import TaskRuntime
import Tasks

/// Who may hold stale translations, by the words that every CPU publishes for wakes anyway.
///
/// A CPU without an executor is `out`: it touches no dynamic mapping before it has one, and flushes on getting it.
public final class OwnerHorizon: FlushHorizon {
  private let table: OwnerTable
  private let memory = HardwareMemory()

  /// The horizon of the CPUs in `table`.
  public init(_ table: OwnerTable) { self.table = table }

  /// Opens the next generation: one locked instruction, after the stores to the page tables.
  public func advance() -> UInt64 {
    FlushGeneration<HardwareMemory>(cell: table.flushGeneration).retire(in: memory).generation
  }

  /// Whether every CPU has flushed for `generation`, or rests and will on leaving.
  public func hasPassed(_ generation: UInt64) -> Bool {
    var retirement = Retirement(generation: generation)
    return retirement.isComplete(of: table.count, limit: table.count, in: memory) { cpu in
      OwnerLine<HardwareMemory>(word: table.ownerWord(cpu), inbox: Inbox(head: table.inboxHead(cpu)))
    }
  }
}
