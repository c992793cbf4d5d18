// HostedTask: the handles' leaves over the toolchain's concurrency, for unit tests on Linux.
import AsyncEntry

// TaskRuntime's hooks, as the bare entry code calls them.
@_silgen_name("apus_rt_park") private func runtimePark(_ task: TaskRef) -> TaskRef?
@_silgen_name("apus_rt_yield") private func runtimeYield(_ task: TaskRef) -> TaskRef?
@_silgen_name("apus_rt_next") private func runtimeNext() -> TaskRef?
@_silgen_name("apus_rt_spawned") private func runtimeSpawned(_ task: TaskRef)
@_silgen_name("apus_rt_send") private func runtimeSend(_ task: TaskRef, _ cpu: UInt16)
@_silgen_name("apus_rt_ended") private func runtimeEnded(_ task: TaskRef)

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

  package func cancellationArrived() { wakeFromCancellation() }

  /// Sets the flag and wakes a cancellable leaf; for tests, on the task's own CPU.
  public func cancel() {
    unsafe pointer.pointee.cancelled = 1
    wakeFromCancellation()
  }

  private func wakeFromCancellation() {
    if isIn(.parked), waitKind >= WaitKind.timer { runtimeReady(self) }
  }
}

@_silgen_name("apus_rt_ready") private func runtimeReady(_ task: TaskRef)

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
      runtimeEnded(task)
      task.state = .done
      _ = runtimeNext()
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

/// A CPU of a hosted test: its block and its seat, in memory of the test.
@safe public struct HostedCPU: ~Copyable {
  private let memory: UnsafeMutableRawPointer
  private static var bytes: Int { 1 << 16 }

  /// A CPU without an executor.
  public init() {
    unsafe memory = UnsafeMutableRawPointer.allocate(byteCount: Self.bytes, alignment: 64)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: Self.bytes)
  }

  /// Where the executor goes.
  public var seat: CPUSeat {
    unsafe CPUSeat(block: memory, memory: memory + 4096, bytes: Self.bytes &- 4096)
  }

  /// Makes this CPU the calling thread's.
  public func enter() { unsafe apus_hosted_set_cpu(memory.assumingMemoryBound(to: apus_cpu.self)) }

  deinit { unsafe memory.deallocate() }
}

extension OwnerTable {
  /// A table in memory that is never freed, for tests.
  public static func hosted(count: Int) -> OwnerTable {
    let bytes = (count &+ 1) &* 64
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    return unsafe OwnerTable(address: memory, count: count)
  }
}
