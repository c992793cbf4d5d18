// RuntimeHooks: what TaskRuntime's executor does for the entry points, bound by symbol name.

import AsyncEntry

// `Tasks` lies below `TaskRuntime`, so these are bound by name (TaskRuntime/EntryPoints.swift).
@_silgen_name("apus_rt_ready") private func runtimeReady(_ task: TaskRef)
@_silgen_name("apus_rt_spawned") private func runtimeSpawned(_ task: TaskRef)
@_silgen_name("apus_rt_next") private func runtimeNext() -> TaskRef?
@_silgen_name("apus_rt_yield") private func runtimeYield(_ task: TaskRef) -> TaskRef?
@_silgen_name("apus_rt_send") private func runtimeSend(_ task: TaskRef, _ cpu: UInt16)
@_silgen_name("apus_rt_send_cancel") private func runtimeSendCancel(_ task: TaskRef, _ cpu: UInt16)
@_silgen_name("apus_rt_ended") private func runtimeEnded(_ task: TaskRef)

/// The executor of this CPU, as the entry points see it.
enum RuntimeHooks {
  /// Puts a task that this CPU has into its ready queue.
  @inline(__always) static func ready(_ task: TaskRef) { runtimeReady(task) }
  /// The same for a task that has never run: it is counted and traced.
  @inline(__always) static func spawned(_ task: TaskRef) { runtimeSpawned(task) }
  /// Chooses the task to run next, or none.
  @inline(__always) static func next() -> UnsafeMutablePointer<apus_task>? {
    unsafe runtimeNext()?.pointer
  }
  /// Puts the current task behind the others and chooses the one to run next.
  @inline(__always) static func yield(_ task: TaskRef) -> UnsafeMutablePointer<apus_task>? {
    unsafe runtimeYield(task)?.pointer
  }
  /// Hands a suspended task over to another CPU's inbox.
  @inline(__always) static func send(_ task: TaskRef, _ cpu: UInt16) { runtimeSend(task, cpu) }
  /// Tells the CPU that has `task` to look at its cancellation.
  @inline(__always) static func sendCancel(_ task: TaskRef, _ cpu: UInt16) {
    runtimeSendCancel(task, cpu)
  }
  /// The current task ended: statistics and trace.
  @inline(__always) static func ended(_ task: TaskRef) { runtimeEnded(task) }
}
