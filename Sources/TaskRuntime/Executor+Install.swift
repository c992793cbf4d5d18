// Executor+Install: gives the calling CPU its executor.
import Tasks

extension Executor {
  /// Places an executor in the calling CPU's seat and publishes that the CPU runs; false if it does not fit.
  public static func install(
    index: UInt16, table: OwnerTable, seat: CPUSeat, flush: () -> Void
  ) -> Bool {
    let executor = Executor(index: index, table: table, lists: seat.lists, now: ThisCPU.now)
    guard seat.install(index: index, executor: executor) else { return false }
    table.publishExecutor(of: Int(index))
    ThisCPU.withExecutor(Executor.self) {
      $0.line.leave(observing: $0.flushes, in: $0.memory, flush: flush)
    }
    return true
  }

  /// Writes `out` into every line of `table`, before any CPU has an executor.
  public static func prepare(_ table: OwnerTable) {
    for cpu in 0..<table.count {
      table.ownerWord(cpu).storeRelaxed(OwnerWord(.out, generation: 0).raw)
    }
  }

  /// What CPU `cpu` says it is doing.
  public static func state(of cpu: Int, in table: OwnerTable) -> OwnerState {
    OwnerWord(raw: table.ownerWord(cpu).loadAcquire()).state
  }

  /// Whether the running task is the only one of its CPU that is ready.
  public static var nothingElseIsReady: Bool {
    ThisCPU.withExecutor(Executor.self) { $0.ready.isEmpty && $0.line.inbox.isEmpty(in: $0.memory) }
  }
}
