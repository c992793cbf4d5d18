// Executor+Rest: halting and guest entry: the CPU's two lowest-priority leaves.
import Tasks

/// What an idle task is told before it rests.
public enum RestDecision: Equatable, Sendable {
  /// Rest now; leave at the deadline (ticks) if there is one.
  case rest(until: UInt64?)
  /// Something came in: go back to the executor.
  case stay
}

extension Executor {
  /// Makes the running task the CPU's idle task: it is resumed when nothing else is ready.
  public static func becomeIdleTask() {
    guard let task = TaskRef.current else { return }
    ThisCPU.withExecutor(Executor.self) { $0.idleTask = task }
  }

  /// Publishes that the CPU is about to rest and looks once more for anything to do (I2).
  ///
  /// *May be called from*: the idle task, with interrupts held off from before the call until the resting
  /// instruction. *Guarantees*: a wake after a `.rest` answer kicks this CPU; the next pass leaves the rest.
  public static func prepareToRest(as state: OwnerState, flush: () -> Void) -> RestDecision {
    ThisCPU.withExecutor(Executor.self) { $0.prepare(state, flush) }
  }

  private mutating func prepare(_ state: OwnerState, _ flush: () -> Void) -> RestDecision {
    guard ready.isEmpty, !ThisCPU.hasPending else { return .stay }
    if state == .inGuest, heldMutexes != 0 { return .stay }
    let deadline = timers.nextDeadline()
    if let deadline, deadline <= ThisCPU.now { return .stay }
    guard line.rest(as: state, observing: flushes, in: memory, flush: flush) else { return .stay }
    isResting = true
    counts.rests &+= 1
    trace.idles()
    return .rest(until: deadline)
  }

  /// Parks the idle task until nothing else is ready again.
  ///
  /// For the idle task only.
  public nonisolated(nonsending) static func idleTurn() async {
    ThisCPU.withExecutor(Executor.self) { $0.idleIsParked = true }
    await Leaf.park()
  }

  /// Suspends until an interrupt handler of this CPU posts `source` (0 to 15); one task at a time.
  public nonisolated(nonsending) static func waitForInterrupt(_ source: Int) async {
    guard let task = TaskRef.current else { return }
    ThisCPU.withExecutor(Executor.self) { $0.interruptWaiters[source & 15] = task }
    await Leaf.park()
  }
}
