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
  @inline(__always)
  public static func prepareToRest(as state: OwnerState, flush: () -> Void) -> RestDecision {
    ThisCPU.withExecutor(Executor.self) { $0.prepare(state, flush) }
  }

  // Inlined, as `flush` would be an object on the stack that holds all of its caller.
  @inline(__always) private mutating func prepare(_ state: OwnerState, _ flush: () -> Void) -> RestDecision {
    guard ready.isEmpty, !ThisCPU.hasPending else { return .stay }
    if state == .inGuest, heldMutexes != 0 { return .stay }
    let deadline = timers.count == 0 ? nil : nextDeadline()
    if let deadline, deadline <= ThisCPU.now { return .stay }
    guard line.rest(as: state, observing: flushes, in: memory, flush: flush) else { return .stay }
    isResting = true
    counts.rests &+= 1
    trace.idles(clock)
    return .rest(until: deadline)
  }

  // Not inlined: it takes kilobytes of stack.
  @inline(never) private func nextDeadline() -> UInt64? { timers.nextDeadline() }

  /// Ends a rest from within the idle task, so that it can work at once instead of waiting for the next pass.
  ///
  /// *May be called from*: the idle task, after the resting instruction; nothing if the CPU does not rest.
  public static func endRest(flush: () -> Void) {
    ThisCPU.withExecutor(Executor.self) {
      guard $0.isResting else { return }
      $0.isResting = false
      $0.line.leave(observing: $0.flushes, in: $0.memory, flush: flush)
      $0.trace.restEnds(&$0.clock)
    }
  }

  /// Makes the running task's next suspension end the pass, so that messages, interrupts and timers are looked at.
  ///
  /// For long work of a task that may be the only one ready: a slice is not one of 64 short turns.
  public static func passSoon() { ThisCPU.withExecutor(Executor.self) { $0.turnsLeft = 0 } }

  /// Whether a pass would find something to do: a ready task, a message, an interrupt, a timer, a flush that others wait for.
  ///
  /// For the idle task in long work: where there is nothing, a suspension would come straight back.
  public static var hasWork: Bool {
    ThisCPU.withExecutor(Executor.self) {
      !$0.ready.isEmpty || ThisCPU.hasPending || $0.timers.count != 0
        || $0.line.hasNews($0.flushes, in: $0.memory)
    }
  }

  /// Parks the idle task until nothing else is ready again.
  ///
  /// For the idle task only.
  public nonisolated(nonsending) static func idleTurn() async {
    ThisCPU.withExecutor(Executor.self) { $0.idleIsParked = true }
    await Leaf.park()
  }

  /// Suspends until an interrupt handler of this CPU posts `source`, 0 to 15.
  ///
  /// A post that nobody waited for is kept, so that none is lost while the task handles the one before;
  /// several such posts count as one. Throws `cancelled`, `timedOut`, `full` when another task waits for
  /// the source, or `closed` for a source that does not exist.
  public nonisolated(nonsending) static func waitForInterrupt(_ source: Int) async throws(WaitError) {
    guard source >= 0, source < interruptSources else { throw .closed }
    let bit: UInt64 = 1 &<< UInt64(truncatingIfNeeded: source)
    try LeafWait.enter()
    let task = TaskRef.running
    let isPosted = ThisCPU.withExecutor(Executor.self) {
      let isPosted = $0.unclaimedInterrupts & bit != 0
      $0.unclaimedInterrupts &= ~bit
      return isPosted
    }
    if isPosted { return await LeafWait.spend() }
    try LeafWait.begin(task)
    let isFree = ThisCPU.withExecutor(Executor.self) {
      guard $0.interruptWaiters[source] == nil else { return false }
      $0.interruptWaiters[source] = task
      return true
    }
    guard isFree else { throw .full }
    if await LeafWait.park() { return }
    ThisCPU.withExecutor(Executor.self) { $0.interruptWaiters[source] = nil }
    throw LeafWait.reason(task)
  }
}
