// Deadline: a limit in time around any await, and waiting for a time.
import Tasks

/// Runs `operation`; leaf waits inside it throw `timedOut` from tick `deadline` on.
///
/// Scopes nest: the earliest deadline holds. The operation ends by itself (cooperatively): what it
/// throws or returns is passed on.
public nonisolated(nonsending) func withDeadline<Value>(
  _ deadline: UInt64, _ operation: nonisolated(nonsending) () async throws(WaitError) -> Value
) async throws(WaitError) -> Value {
  let task = TaskRef.running
  let outer = task.scopeDeadline
  task.scopeDeadline = min(outer, deadline)
  do throws(WaitError) {
    let value = try await operation()
    TaskRef.running.scopeDeadline = outer
    return value
  } catch {
    TaskRef.running.scopeDeadline = outer
    throw error
  }
}

extension Executor {
  /// Suspends until the clock shows tick `deadline`: never early.
  ///
  /// Throws `cancelled` or `timedOut`.
  ///
  /// The board's timer service offers this to tasks; a board without one has no way to sleep.
  package nonisolated(nonsending) static func sleep(until deadline: UInt64) async throws(WaitError) {
    let task = TaskRef.running
    try LeafWait.enter()
    try LeafWait.begin(task)
    let end = min(deadline, task.scopeDeadline)
    // A task that sleeps until a time gone by in a loop must still let others run.
    if ThisCPU.now >= end { return await LeafWait.spend() }
    while ThisCPU.now < end {
      ThisCPU.withExecutor(Executor.self) { $0.timers.insert(task, deadline: end) }
      task.waitKind = WaitKind.timer
      await Leaf.park()
      task.waitKind = WaitKind.park
      if task.timerSlot != TimerSlot.unarmed {
        ThisCPU.withExecutor(Executor.self) { _ = $0.timers.cancel(task) }
      }
      if task.isCancelled { throw .cancelled }
    }
    if end < deadline { throw .timedOut }
  }
}
