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
    ThisCPU.withExecutor(Executor.self) { $0.beginPass(flush: flush) }
    takeMessages()
    let hasWork = ThisCPU.withExecutor(Executor.self) { $0.beginRounds() }
    if hasWork {
      ThisCPU.runChosen()
      return .more
    }
    let idles = ThisCPU.withExecutor(Executor.self) { $0.chooseIdle() }
    if idles { ThisCPU.runChosen() }
    return .idle
  }

  /// Leaves a rest; flushes the TLB if another CPU asks for it.
  mutating func beginPass(flush: () -> Void) {
    counts.passes &+= 1
    if isResting {
      isResting = false
      line.leave(observing: flushes, in: memory, flush: flush)
      trace.restEnds(&clock)
    } else {
      line.quiescentPoint(observing: flushes, in: memory, flush: flush)
    }
  }

  /// Takes interrupts and due timers, and begins a round; false if nothing is ready.
  mutating func beginRounds() -> Bool {
    takeInterrupts()
    expireTimers()
    turnsLeft = Self.turnsPerPass
    ready.renewOvertakes()
    return chooseNext() != nil
  }

  /// At most one message of each kind per task can be there.
  ///
  /// Arrivals and cancellations (their handlers too) call back into the executor, so it is lent for
  /// each message anew and never across such a call.
  private static func takeMessages() {
    let memory = HardwareMemory()
    var batch = ThisCPU.withExecutor(Executor.self) { $0.line.inbox.drain(in: $0.memory) }
    while let message = batch.popFirst(in: memory) {
      ThisCPU.withExecutor(Executor.self) { $0.counts.messages &+= 1 }
      let task = TaskRef(word: message.node)
      if message.kind == .cancel {
        task.cancellationArrived()
      } else if task.arrived() {
        ThisCPU.withExecutor(Executor.self) { $0.enter(task) }
      }
    }
  }

  /// A task came from another CPU: an adoption, its first run, or the wake of one that is here.
  private mutating func enter(_ task: TaskRef) {
    if task.isIn(.moving) {
      if task.identifier == 0 { return spawned(task) }
      if task.home == index { adopt(task) }
      return makeReady(task)
    }
    wakeArrived(task)
  }

  /// A wake for a bare park, or the one that a task waits for in a `Mailbox`.
  mutating func wakeArrived(_ task: TaskRef) {
    task.hasWakeArrived = true
    if task.isIn(.parked) {
      makeReady(task)
    } else if task.waitKind != WaitKind.leaf {
      // A leaf looks at the flag; a permit would end some later park.
      task.hasPermit = true
    }
  }

  /// Grants each posted source to its waiter, or keeps it for the next one.
  private mutating func takeInterrupts() {
    var pending = ThisCPU.takePending() & ((1 &<< UInt64(Self.interruptSources)) &- 1)
    while pending != 0 {
      let source = pending.trailingZeroBitCount
      pending &= pending &- 1
      guard let waiter = interruptWaiters[source] else {
        unclaimedInterrupts |= 1 &<< UInt64(truncatingIfNeeded: source)
        continue
      }
      interruptWaiters[source] = nil
      waiter.isGranted = true
      if waiter.isIn(.parked) { makeReady(waiter) }
    }
  }

  private mutating func expireTimers() {
    guard timers.count > 0 else { return }
    var budget = Self.timersPerPass
    let now = ThisCPU.now
    while let task = timers.nextExpired(now: now, budget: &budget) {
      // Whoever armed it and was woken meanwhile looks at the clock itself.
      if task.isIn(.parked) { makeReady(task) }
    }
  }

  private mutating func chooseIdle() -> Bool {
    guard let task = idleTask, idleIsParked else { return false }
    idleIsParked = false
    task.state = .active
    TaskRef.choose(task)
    return true
  }
}
