// LeafWait: what every leaf primitive does around its park: budget, cancellation, deadline, home.
import Tasks

/// The common part of the leaf primitives.
///
/// A primitive lives on the CPU that made it and is used by that CPU's tasks only, so that its paths
/// need no locked instruction; `Mailbox` is the one for several CPUs.
enum LeafWait {
  /// Takes one operation off the task's budget; lets others run when it is used up.
  @inline(__always) static nonisolated(nonsending) func spend() async {
    if !ThisCPU.spendBudget() { await Leaf.yield() }
  }

  /// Every leaf's first look, also where it need not wait: throws if the task is cancelled, and nothing was taken.
  @inline(__always) static func enter() throws(WaitError) {
    if TaskRef.running.isCancelled { throw .cancelled }
  }

  /// Begins a wait: throws if the task is cancelled or out of time already.
  @inline(__always) static func begin(_ task: TaskRef) throws(WaitError) {
    task.isGranted = false
    if task.isCancelled { throw .cancelled }
    if task.scopeDeadline != .max, ThisCPU.now >= task.scopeDeadline { throw .timedOut }
  }

  /// Parks until a waker grants, the task is cancelled, or its scope's deadline comes; true if granted.
  @inline(__always)
  static nonisolated(nonsending) func park(_ task: TaskRef) async -> Bool {
    while true {
      task.waitKind = WaitKind.leaf
      if task.scopeDeadline != .max { arm(task) }
      await Leaf.park()
      task.waitKind = WaitKind.park
      if task.isGranted || isOver(task) { break }
    }
    if task.timerSlot != TimerSlot.unarmed { disarm(task) }
    return task.isGranted
  }

  /// Parks until a wake message has arrived, the task is cancelled, or its scope's deadline comes.
  static nonisolated(nonsending) func parkForWake(_ task: TaskRef) async {
    while true {
      task.waitKind = WaitKind.leaf
      if task.scopeDeadline != .max { arm(task) }
      await Leaf.park()
      task.waitKind = WaitKind.park
      if task.hasWakeArrived || isOver(task) { break }
    }
    if task.timerSlot != TimerSlot.unarmed { disarm(task) }
  }

  /// Why a park ended that nobody granted.
  static func reason(_ task: TaskRef) -> WaitError { task.isCancelled ? .cancelled : .timedOut }

  /// Satisfies the wait of a task that was taken out of a waiter list.
  @inline(__always) static func grant(_ task: TaskRef) {
    task.isGranted = true
    // A waiter that is not parked was woken by cancellation and will find the grant.
    if task.isIn(.parked) { task.unpark() }
  }

  /// Ends the machine if a primitive is used on a CPU that is not its home (a defect of the kernel).
  @inline(__always) static func check(_ home: UInt16) {
    if home != ThisCPU.index { ThisCPU.fatal("a leaf primitive was used away from its CPU") }
  }

  private static func isOver(_ task: TaskRef) -> Bool {
    task.isCancelled || (task.scopeDeadline != .max && ThisCPU.now >= task.scopeDeadline)
  }

  @inline(never) private static func arm(_ task: TaskRef) {
    ThisCPU.withExecutor(Executor.self) { $0.timers.insert(task, deadline: task.scopeDeadline) }
  }

  @inline(never) private static func disarm(_ task: TaskRef) {
    ThisCPU.withExecutor(Executor.self) { _ = $0.timers.cancel(task) }
  }
}
