// EntryPoints: what the async entry code asks of this CPU's executor, bound by symbol name.
import Tasks

// Declared in Tasks (RuntimeHooks) and called by Entry.S. Each acts on the calling CPU only.

/// Puts a task that this CPU has into its ready queue.
@_silgen_name("apus_rt_ready")
public func entryReady(_ task: TaskRef) {
  ThisCPU.withExecutor(Executor.self) { $0.makeReady(task) }
}

/// The same for a task that has never run: it is counted and traced.
@_silgen_name("apus_rt_spawned")
public func entrySpawned(_ task: TaskRef) {
  ThisCPU.withExecutor(Executor.self) { $0.spawned(task) }
}

/// Chooses the task to run next, or none.
@_silgen_name("apus_rt_next")
public func entryNext() -> TaskRef? {
  ThisCPU.withExecutor(Executor.self) { $0.chooseNext() }
}

/// Suspends the running task, unless its wake came already; the task to run next.
@_silgen_name("apus_rt_park")
public func entryPark(_ task: TaskRef) -> TaskRef? {
  if _slowPath(task.hasPermit) {
    task.hasPermit = false
    return task
  }
  task.state = .parked
  return ThisCPU.withExecutor(Executor.self) {
    $0.trace.suspends(task, $0.clock)
    return $0.chooseNext()
  }
}

/// Puts the running task behind the others; the task to run next.
@_silgen_name("apus_rt_yield")
public func entryYield(_ task: TaskRef) -> TaskRef? {
  ThisCPU.withExecutor(Executor.self) { $0.yield(task) }
}

/// Hands a suspended task over to another CPU.
@_silgen_name("apus_rt_send")
public func entrySend(_ task: TaskRef, _ cpu: UInt16) {
  ThisCPU.withExecutor(Executor.self) { $0.send(task, to: cpu) }
}

/// Tells the CPU that has a task to look at its cancellation.
@_silgen_name("apus_rt_send_cancel")
public func entrySendCancel(_ task: TaskRef, _ cpu: UInt16) {
  ThisCPU.withExecutor(Executor.self) { $0.sendCancellation(of: task, to: cpu) }
}

#if APUS_TRACE_COUNTERS
  /// A run of a task, which the entry code has ended, took longer than the limit.
  @_silgen_name("apus_rt_stalled")
  public func entryStalled(_ task: TaskRef, _ ran: UInt64) {
    ThisCPU.withExecutor(Executor.self) { $0.trace.stalled(task, ran) }
  }
#endif

/// The current task ended.
@_silgen_name("apus_rt_ended")
public func entryEnded(_ task: TaskRef) {
  ThisCPU.withExecutor(Executor.self) { $0.ended(task) }
}

extension TaskRef {
  /// Makes a parked task of this CPU ready; if it is not parked, its next park returns at once.
  ///
  /// *Requires*: the task is in this CPU's hands (`place`). Constant time, no locked instruction.
  @inline(__always) public func unpark() {
    if _fastPath(isIn(.parked)) {
      ThisCPU.withExecutor(Executor.self) { $0.makeReady(self) }
    } else {
      hasPermit = true
    }
  }

  /// Ends the park of a task of another CPU: one locked push.
  ///
  /// The caller has the park's wake right.
  @inline(__always) public func unparkRemotely() {
    ThisCPU.withExecutor(Executor.self) { $0.send(self, to: place) }
  }
}
