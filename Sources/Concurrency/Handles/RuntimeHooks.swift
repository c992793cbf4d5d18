// RuntimeHooks: what TaskRuntime's executor does for the entry points, bound by symbol name.

/// The executor of this CPU, as the entry points see it.
///
/// `Tasks` lies below `TaskRuntime`, so these are bound by name (TaskRuntime/EntryPoints.swift).
enum RuntimeHooks {
  /// Puts a task that this CPU has into its ready queue.
  @_silgen_name("apus_rt_ready") static func ready(_ task: TaskRef)
  /// The same for a task that has never run: it is counted and traced.
  @_silgen_name("apus_rt_spawned") static func spawned(_ task: TaskRef)
  /// Chooses the task to run next, or none.
  @_silgen_name("apus_rt_next") static func next()
  /// Hands a suspended task over to another CPU's inbox.
  @_silgen_name("apus_rt_send") static func send(_ task: TaskRef, _ cpu: UInt16)
  /// Tells the CPU that has `task` to look at its cancellation.
  @_silgen_name("apus_rt_send_cancel") static func sendCancel(_ task: TaskRef, _ cpu: UInt16)
  /// The current task ended: statistics and trace.
  @_silgen_name("apus_rt_ended") static func ended(_ task: TaskRef)
}
