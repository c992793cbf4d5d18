// HostedTask: the handles' leaves over the toolchain's concurrency, for unit tests on Linux.
import AsyncEntry

// TaskRuntime's hooks, as the bare entry code calls them.
@_silgen_name("apus_rt_park") private func runtimePark(_ task: TaskRef) -> TaskRef?
@_silgen_name("apus_rt_yield") private func runtimeYield(_ task: TaskRef) -> TaskRef?
@_silgen_name("apus_rt_next") private func runtimeNext() -> TaskRef?
@_silgen_name("apus_rt_spawned") private func runtimeSpawned(_ task: TaskRef)
@_silgen_name("apus_rt_send") private func runtimeSend(_ task: TaskRef, _ cpu: UInt16)
@_silgen_name("apus_rt_send_cancel") private func runtimeSendCancel(_ task: TaskRef, _ cpu: UInt16)
@_silgen_name("apus_rt_ended") private func runtimeEnded(_ task: TaskRef)
@_silgen_name("apus_rt_ready") private func runtimeReady(_ task: TaskRef)

/// Runs the toolchain's jobs on the thread that pumps, in order.
private final class PumpedExecutor: TaskExecutor, @unchecked Sendable {
  // Only the pumping thread enqueues and runs: the tasks under test share one thread.
  private var jobs: [UnownedJob] = []

  func enqueue(_ job: consuming ExecutorJob) { jobs.append(UnownedJob(job)) }

  func pump() {
    while !jobs.isEmpty {
      let job = jobs.removeFirst()
      unsafe job.runSynchronously(on: asUnownedTaskExecutor())
    }
  }
}

/// What a hosted task is suspended in.
@safe private final class HostedState: @unchecked Sendable {
  let executor = PumpedExecutor()
  var continuation: UnsafeContinuation<Void, Never>?
  var start: (() -> Void)?

  init() {}
}

extension TaskRef {
  private var hosted: HostedState {
    // `resume` holds the state of a hosted task from its creation to its end.
    unsafe Unmanaged<HostedState>.fromOpaque(pointer.pointee.resume).takeUnretainedValue()
  }

  /// Runs the task until it suspends in a leaf or ends.
  fileprivate func resumeHosted() {
    let state = hosted
    if let start = state.start {
      state.start = nil
      start()
    } else if let continuation = unsafe state.continuation {
      unsafe state.continuation = nil
      unsafe continuation.resume()
    }
    state.executor.pump()
  }

  fileprivate func suspendHosted(_ hook: @escaping (TaskRef) -> TaskRef?) async {
    let state = hosted
    let me = self
    await unsafe withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
      unsafe state.continuation = unsafe continuation
      if let next = hook(me), next == me {
        unsafe state.continuation = nil
        unsafe continuation.resume()
      }
    }
  }

  package func arrived() -> Bool { place == ThisCPU.index }

  package func cancellationArrived() {
    if place == ThisCPU.index {
      if !isIn(.done) { wakeFromCancellation() }
    } else {
      runtimeSendCancel(self, place)
    }
  }

  /// Sets the flag and wakes a cancellable leaf, by message unless this CPU has the task.
  public func cancel() {
    if isCancelled { return }
    unsafe pointer.pointee.cancelled = 1
    if place == ThisCPU.index, !isIn(.moving) {
      wakeFromCancellation()
    } else {
      runtimeSendCancel(self, place)
    }
  }

  private func wakeFromCancellation() {
    if isIn(.parked), waitKind >= WaitKind.timer { runtimeReady(self) }
  }
}

extension ThisCPU {
  /// Resumes the chosen task and those that follow it.
  public static func runChosen() {
    while let task = TaskRef.current { task.resumeHosted() }
  }

  /// Moves this thread's clock to `ticks`.
  public static func setHostedClock(_ ticks: UInt64) { apus_hosted_set_clock(ticks) }

  /// Kicks that this thread's CPUs have sent.
  public static var hostedKicks: UInt64 { apus_hosted_kicks() }
}

/// The suspension points, as on bare metal.
public enum Leaf {
  /// Suspends the running task until its next `unpark`.
  public static nonisolated(nonsending) func park() async {
    await TaskRef.running.suspendHosted { runtimePark($0) }
  }

  /// Lets every other task of the round run first.
  public static nonisolated(nonsending) func yield() async {
    await TaskRef.running.suspendHosted { runtimeYield($0) }
  }

  /// Goes on at CPU `cpu`, where the task stays until it visits another one or ends.
  public static nonisolated(nonsending) func visit(_ cpu: UInt32) async {
    let target = UInt16(truncatingIfNeeded: cpu)
    if target == ThisCPU.index { return }
    await TaskRef.running.suspendHosted { task in
      task.place = target
      task.state = .moving
      runtimeSend(task, target)
      return runtimeNext()
    }
  }
}

/// Why a task could not be started.
public enum SpawnError: Error, Equatable, Sendable {
  /// There is no block for it.
  case outOfMemory
}

/// Starts `operation` as a task of this CPU, or of `cpu`.
@discardableResult
public func spawn(
  _ name: StaticString, level: UInt8 = TaskLevel.normal, on cpu: UInt16? = nil,
  file: StaticString = #fileID, line: UInt32 = #line,
  _ operation: sending @escaping () async -> Void
) throws(SpawnError) -> TaskRef {
  guard let memory = unsafe apus_host_allocate(UInt64(MemoryLayout<apus_task>.size)) else {
    throw .outOfMemory
  }
  let header = unsafe memory.assumingMemoryBound(to: apus_task.self)
  unsafe apus_prepare_task(header)
  let task = unsafe TaskRef(header)
  task.level = level
  task.home = cpu ?? ThisCPU.index
  task.place = task.home
  task.describe(name: name, file: file, line: line)
  let state = HostedState()
  unsafe header.pointee.resume = Unmanaged.passRetained(state).toOpaque()
  // The operation is handed to the one task that runs it.
  nonisolated(unsafe) let body = operation
  state.start = {
    Task(executorPreference: state.executor) {
      await unsafe body()
      await Leaf.visit(UInt32(task.home))
      runtimeEnded(task)
      task.state = .done
      _ = runtimeNext()
      // The header stays for ever, so that a test may look at a task that has ended.
      unsafe Unmanaged.passUnretained(state).release()
    }
  }
  if task.home == ThisCPU.index {
    runtimeSpawned(task)
  } else {
    task.state = .moving
    runtimeSend(task, task.home)
  }
  return task
}
