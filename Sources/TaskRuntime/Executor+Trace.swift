// Executor+Trace: reading what a CPU has recorded, after the measurement or when it dies.
import Tasks

/// What a CPU's trace amounts to.
public struct TraceSummary: Sendable {
  /// Records ever written; at most `TraceRecord.capacity` of them are still there.
  public var written: UInt64 = 0
  /// Runs beyond the stall limit.
  public var stalls: UInt64 = 0
  /// The longest of them, in ticks.
  public var longestStall: UInt64 = 0
  /// The identifier of the task whose that was, and its name.
  public var stalledTask: UInt32 = 0
  /// The name of that task, which may have ended.
  public var stalledLabel = TaskLabel()
  /// From how many ticks on a run counts as a stall.
  public var stallLimit: UInt64 = 0
}

extension Executor {
  /// From how many ticks on a run of the calling CPU counts as a stall.
  public static func setStallLimit(ticks: UInt64) {
    #if APUS_TRACE_FULL || APUS_TRACE_COUNTERS
      ThisCPU.withExecutor(Executor.self) { $0.clock.stallLimit = ticks }
    #endif
  }

  /// What CPU `cpu` has recorded; nil if it has no executor.
  ///
  /// *Requires*: the CPU rests (its owner word, read with acquire, says so, which orders all it wrote before this), or is
  /// the caller's. A wake meanwhile can only garble records: the ring never moves, and task headers stay mapped.
  public static func traceSummary(of cpu: Int, in table: OwnerTable) -> TraceSummary? {
    table.withExecutor(of: cpu, Executor.self) { $0.trace.summary($0.clock) }
  }

  /// Calls `body` with the last `limit` records of CPU `cpu`, oldest first; as `traceSummary`.
  public static func forEachRecord(
    of cpu: Int, in table: OwnerTable, last limit: Int, _ body: (TraceRecord) -> Void
  ) {
    #if APUS_TRACE_FULL
      let written = traceSummary(of: cpu, in: table)?.written ?? 0
      let count = UInt64(min(max(0, limit), TraceState.capacity))
      var number = written &- min(written, count)
      while number < written {
        if let record = table.withExecutor(of: cpu, Executor.self, { $0.trace.record(number) }) {
          body(record)
        }
        number &+= 1
      }
    #endif
  }

  /// Calls `body` with the last `limit` records of the calling CPU, oldest first.
  public static func forEachOwnRecord(last limit: Int, _ body: (TraceRecord) -> Void) {
    let (table, index) = ThisCPU.withExecutor(Executor.self) { ($0.table, $0.index) }
    forEachRecord(of: Int(index), in: table, last: limit, body)
  }

  /// Calls `body` with at most `limit` tasks of CPU `cpu`; as `traceSummary`.
  public static func forEachTask(
    of cpu: Int, in table: OwnerTable, limit: Int, _ body: (TaskRef) -> Void
  ) {
    var next = table.withExecutor(of: cpu, Executor.self) { $0.tasks } ?? nil
    var left = limit
    while let task = next, left > 0 {
      body(task)
      next = task.listed
      left &-= 1
    }
  }
}

extension TraceRecord {
  /// Records that a CPU's ring holds; 0 below `TraceLevel.full`.
  public static var capacity: Int {
    #if APUS_TRACE_FULL
      TraceState.capacity
    #else
      0
    #endif
  }
}
