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

  /// Begins a wait, after `enter` in the same run: throws if the task is out of time already.
  @inline(__always) static func begin(_ task: TaskRef) throws(WaitError) {
    task.isGranted = false
    if isLate(task) { throw .timedOut }
  }

  /// Whether the scope's deadline has come.
  @inline(__always) static func isLate(_ task: TaskRef) -> Bool {
    task.scopeDeadline != .max && ThisCPU.now >= task.scopeDeadline
  }

  /// Parks the running task until a waker grants, it is cancelled, or its scope's deadline comes; true if granted.
  @inline(__always) static nonisolated(nonsending) func park() async -> Bool {
    while true {
      await parkOnce()
      let isGranted = TaskRef.running.isGranted
      if isGranted || isOver(.running) { return isGranted }
    }
  }

  /// Parks the running task once: until it is woken, for whatever reason, cancelled, or its scope's deadline comes.
  @inline(__always) static nonisolated(nonsending) func parkOnce() async {
    let waiter = TaskRef.running
    if waiter.scopeDeadline != .max { arm(waiter) }
    await parkArmed()
  }

  /// Arms the timer of the scope's deadline, if it has one; throws if that has come.
  @inline(__always) static func armScope(_ task: TaskRef) throws(WaitError) {
    guard task.scopeDeadline != .max else { return }
    if isLate(task) { throw .timedOut }
    arm(task)
  }

  /// The same as `parkOnce` behind `armScope`.
  @inline(__always) static nonisolated(nonsending) func parkArmed() async {
    TaskRef.running.waitKind = WaitKind.leaf
    await Leaf.park()
    // Asked for anew: what is kept across a wait has to be stored in the function's context.
    let task = TaskRef.running
    task.waitKind = WaitKind.park
    if task.timerSlot != TimerSlot.unarmed { disarm(task) }
  }

  /// Parks until a wake message has arrived, the task is cancelled, or its scope's deadline comes.
  static nonisolated(nonsending) func parkForWake(_ task: TaskRef) async {
    repeat { await parkOnce() } while !task.hasWakeArrived && !isOver(task)
  }

  /// Why a park ended that nobody granted.
  static func reason(_ task: TaskRef) -> WaitError { task.isCancelled ? .cancelled : .timedOut }

  /// Satisfies the wait of a task that was taken out of a waiter list.
  @inline(__always) static func grant(_ task: TaskRef) {
    task.isGranted = true
    wake(task)
  }

  /// Ends the park of a waiter that looks for itself at what has changed.
  @inline(__always) static func wake(_ task: TaskRef) {
    // One that is not parked was woken already, by a waker or by cancellation, and has not run yet.
    if task.isIn(.parked) { task.unpark() }
  }

  /// Ends the machine if a primitive is used on a CPU that is not its home (a defect of the kernel).
  @inline(__always) static func check(_ home: UInt16) {
    if home != ThisCPU.index { ThisCPU.fatal("a leaf primitive was used away from its CPU") }
  }

  /// Whether a wait that nobody satisfied ends all the same.
  @inline(__always) static func isOver(_ task: TaskRef) -> Bool { task.isCancelled || isLate(task) }

  @inline(never) private static func arm(_ task: TaskRef) {
    ThisCPU.withExecutor(Executor.self) { $0.timers.insert(task, deadline: task.scopeDeadline) }
  }

  @inline(never) private static func disarm(_ task: TaskRef) {
    ThisCPU.withExecutor(Executor.self) { _ = $0.timers.cancel(task) }
  }
}
