// Executor+Pass: what a CPU does between rounds: messages, interrupts, timers, idling.
import Tasks

/// What a step left behind.
public enum StepResult: Equatable, Sendable {
  /// Something may be ready: step again.
  case more
  /// Nothing is ready; with an idle task, it has rested.
  case idle
}

extension Executor {
  /// One pass and the rounds behind it, on the calling CPU.
  ///
  /// `flush` empties the CPU's TLB.
  ///
  /// *May be called from*: the CPU's own loop, outside any task.
  @inline(__always)
  public static func step(flush: () -> Void) -> StepResult {
    let hasWork = ThisCPU.withExecutor(Executor.self) { $0.pass(flush: flush) }
    if hasWork {
      ThisCPU.runChosen()
      return .more
    }
    let idles = ThisCPU.withExecutor(Executor.self) { $0.chooseIdle() }
    if idles { ThisCPU.runChosen() }
    return .idle
  }

  /// Takes messages, interrupts and due timers, and begins a round; false if nothing is ready.
  mutating func pass(flush: () -> Void) -> Bool {
    counts.passes &+= 1
    if isResting {
      isResting = false
      line.leave(observing: flushes, in: memory, flush: flush)
      trace.restEnds()
    } else {
      line.quiescentPoint(observing: flushes, in: memory, flush: flush)
    }
    takeMessages()
    takeInterrupts()
    expireTimers()
    roundsLeft = Self.roundsPerPass
    ready.renewOvertakes()
    return chooseNext() != nil
  }

  /// At most one message of each kind per task can be there.
  private mutating func takeMessages() {
    var batch = line.inbox.drain(in: memory)
    while let message = batch.popFirst(in: memory) {
      counts.messages &+= 1
      let task = TaskRef(word: message.node)
      if message.kind == .cancel {
        task.cancellationArrived()
      } else if task.arrived() {
        enter(task)
      }
    }
  }

  /// A task came from another CPU: an adoption, its first run, or the wake of one that is here.
  private mutating func enter(_ task: TaskRef) {
    if task.isIn(.moving) {
      if task.identifier == 0 { return spawned(task) }
      return makeReady(task)
    }
    wakeArrived(task)
  }

  /// The one wake that a task waits for in a `Mailbox` is here.
  mutating func wakeArrived(_ task: TaskRef) {
    task.hasWakeArrived = true
    wake(task)
  }

  private mutating func takeInterrupts() {
    var pending = ThisCPU.takePending()
    while pending != 0 {
      let source = pending.trailingZeroBitCount & 15
      pending &= pending &- 1
      guard let waiter = interruptWaiters[source] else { continue }
      interruptWaiters[source] = nil
      wake(waiter)
    }
  }

  private mutating func expireTimers() {
    guard timers.count > 0 else { return }
    var budget = Self.timersPerPass
    let now = ThisCPU.now
    while let task = timers.nextExpired(now: now, budget: &budget) { wake(task) }
  }

  /// Makes a parked task ready, or leaves it a permit.
  @inline(__always) mutating func wake(_ task: TaskRef) {
    if task.isIn(.parked) { makeReady(task) } else { task.hasPermit = true }
  }

  private mutating func chooseIdle() -> Bool {
    guard let task = idleTask, idleIsParked else { return false }
    idleIsParked = false
    task.state = .active
    TaskRef.choose(task)
    return true
  }
}
