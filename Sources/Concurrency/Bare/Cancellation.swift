// Cancellation: the flag, the records that want to hear of it, and the wake of a waiting leaf.
import AsyncEntry
import _Concurrency

/// Sets the flag once; the first to do so tells the CPU that has the task.
func cancelTask(_ task: UnsafeMutablePointer<apus_task>) {
  guard unsafe apus_swap32(&task.pointee.cancelled, 1) == 0 else { return }
  let place = unsafe task.pointee.place
  if place == ThisCPU.index, unsafe task.pointee.state != TaskState.moving.rawValue {
    unsafe deliverCancellation(task)
  } else {
    unsafe apus_retain_object(task)
    unsafe RuntimeHooks.sendCancel(TaskRef(task), place)
  }
}

/// On the CPU that has the task: runs its handlers, cancels its children, wakes a cancellable leaf.
func deliverCancellation(_ task: UnsafeMutablePointer<apus_task>) {
  var record = unsafe task.pointee.records
  while let entry = unsafe record {
    unsafe record = unsafe entry.pointee.next
    if unsafe entry.pointee.kind == RecordKind.child {
      unsafe cancelTask(entry.pointee.payload.assumingMemoryBound(to: apus_task.self))
    } else if unsafe entry.pointee.kind == RecordKind.handler {
      unsafe callHandler(entry.pointee.payload)
    }
  }
  if unsafe task.pointee.state == TaskState.parked.rawValue, unsafe task.pointee.wait_kind >= WaitKind.timer {
    unsafe RuntimeHooks.ready(TaskRef(task))
  }
}

/// A cancellation came out of this CPU's inbox.
func taskCancelArrived(_ task: UnsafeMutablePointer<apus_task>) {
  let place = unsafe task.pointee.place
  if place == ThisCPU.index {
    if unsafe task.pointee.state != TaskState.done.rawValue { unsafe deliverCancellation(task) }
    unsafe releaseTask(task)
  } else {
    unsafe RuntimeHooks.sendCancel(TaskRef(task), place)  // it moved meanwhile: the message follows
  }
}

/// Runs a handler that its scope keeps alive.
private func callHandler(_ handler: UnsafeMutableRawPointer) {
  unsafe Unmanaged<CancellationHandler>.fromOpaque(handler)._withUnsafeGuaranteedRef { $0.call() }
}

/// Opens a scope in which `handler` (an object the scope keeps alive) is called if the current task is cancelled; at once if it already is.
@c(apus_push_cancellation_handler)
func pushCancellationHandler(_ handler: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
  let task = unsafe apus_running_task()  // called by the language's scope function, inside a task
  let record = unsafe swiftTaskAlloc(MemoryLayout<apus_record>.size).bindMemory(
    to: apus_record.self, capacity: 1)
  unsafe record.initialize(to: apus_record())
  unsafe record.pointee.kind = RecordKind.handler
  unsafe record.pointee.payload = handler
  unsafe Records.push(record, on: task)
  if unsafe task.pointee.cancelled != 0 { unsafe callHandler(handler) }
  return UnsafeMutableRawPointer(record)
}

/// Closes the scope that `pushCancellationHandler` opened.
@c(apus_pop_cancellation_handler)
func popCancellationHandler(_ raw: UnsafeMutableRawPointer) {
  let record = unsafe raw.assumingMemoryBound(to: apus_record.self)
  unsafe Records.remove(record, from: apus_running_task())
  unsafe swiftTaskDealloc(raw)
}

@c(apus_task_cancel)
func taskCancel(_ task: UnsafeMutableRawPointer) {
  unsafe cancelTask(task.assumingMemoryBound(to: apus_task.self))
}

@c(apus_task_is_cancelled)
func taskIsCancelled(_ task: UnsafeMutableRawPointer) -> Bool {
  unsafe apus_load_acquire32(&task.assumingMemoryBound(to: apus_task.self).pointee.cancelled) != 0
}

@c(apus_current_is_cancelled)
func currentIsCancelled() -> Bool { TaskRef.current?.isCancelled ?? false }

@c(apus_current_priority)
func currentPriority() -> UInt8 {
  guard let level = TaskRef.current?.level else { return 0x15 }
  return ((7 &- level) << 2) | 1
}
