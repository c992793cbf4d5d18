// Completion: how a task ends, how others wait for its value, and when its memory is given back.
import AsyncEntry

/// The current task's function returned: wakes its waiters and drops the runtime's reference.
///
/// A task that is away from home ends at home, so that `waiters` is touched by one CPU only (I1).
@c(apus_task_completed)
func taskCompleted(_ task: UnsafeMutablePointer<apus_task>) -> UnsafeMutablePointer<apus_task>? {
  let here = ThisCPU.index
  if unsafe task.pointee.home != here {
    unsafe task.pointee.resume = unsafe apus_task_end_address()
    unsafe task.pointee.place = unsafe task.pointee.home
    unsafe task.pointee.state = TaskState.moving.rawValue
    unsafe RuntimeHooks.send(TaskRef(task), task.pointee.home)
    return unsafe RuntimeHooks.next()
  }
  unsafe RuntimeHooks.ended(TaskRef(task))
  let flags = unsafe task.pointee.flags
  if flags & TaskFlags.isChild == 0, unsafe task.pointee.waiters == nil {
    unsafe apus_store_release8(&task.pointee.state, TaskState.done.rawValue)
    unsafe releaseEnded(task, flags)
  } else {
    unsafe endAwaited(task, flags, here)
  }
  return unsafe RuntimeHooks.next()
}

/// The end of a task that others wait for, or of an async let's.
@inline(never)
private func endAwaited(_ task: UnsafeMutablePointer<apus_task>, _ flags: UInt8, _ here: UInt16) {
  var waiter = unsafe task.pointee.waiters
  unsafe task.pointee.waiters = nil
  unsafe task.pointee.flags = flags | TaskFlags.hasResult
  unsafe apus_store_release8(&task.pointee.state, TaskState.done.rawValue)
  // An async let's block is its parent's frame: not touched once the parent may run.
  let isChild = flags & TaskFlags.isChild != 0
  if isChild { unsafe releaseChainedBlocks(task) }
  while let next = unsafe waiter {
    unsafe waiter = unsafe next.pointee.next
    unsafe wakeWaiter(next, here)
  }
  if !isChild { unsafe releaseEnded(task, flags) }
}

/// Drops a done task's closure and the runtime's reference; `flags` are those that it had before its end.
@inline(__always)
private func releaseEnded(_ task: UnsafeMutablePointer<apus_task>, _ flags: UInt8) {
  unsafe releaseClosure(task.pointee.closure)
  // A task without a handle, and without a cancellation on its way: nobody can take a reference any more.
  if unsafe apus_load_acquire_references(task) == 1 {
    unsafe destroyTask(task, flags | TaskFlags.hasResult)
  } else {
    unsafe task.pointee.flags = flags | TaskFlags.hasResult
    unsafe releaseTask(task)
  }
}

/// Makes a task that waited in a list on this CPU ready where it belongs.
@inline(__always)
private func wakeWaiter(_ waiter: UnsafeMutablePointer<apus_task>, _ here: UInt16) {
  if unsafe waiter.pointee.place == here {
    unsafe RuntimeHooks.ready(TaskRef(waiter))
  } else {
    unsafe waiter.pointee.state = TaskState.moving.rawValue
    unsafe RuntimeHooks.send(TaskRef(waiter), waiter.pointee.place)
  }
}

/// The current task waits until `task` is done (leaf; `Task.value`, `async let`, group).
@c(apus_task_wait)
func taskWait(_ task: UnsafeMutablePointer<apus_task>) -> UnsafeMutablePointer<apus_task>? {
  guard unsafe apus_load_acquire8(&task.pointee.state) != TaskState.done.rawValue else {
    return unsafe apus_running_task()
  }
  let current = unsafe apus_running_task()  // a leaf is called by a task
  unsafe current.pointee.wait_kind = WaitKind.task
  unsafe current.pointee.wait_object = UnsafeMutableRawPointer(task)
  let home = unsafe task.pointee.home
  if home == ThisCPU.index {
    unsafe current.pointee.state = TaskState.parked.rawValue
    unsafe current.pointee.next = unsafe task.pointee.waiters
    unsafe task.pointee.waiters = unsafe current
  } else {
    // The header travels to the CPU that will see the end; it comes back as a wake.
    unsafe current.pointee.state = TaskState.moving.rawValue
    unsafe RuntimeHooks.send(TaskRef(current), home)
  }
  return unsafe RuntimeHooks.next()
}

/// A task came out of this CPU's inbox.
///
/// True: it belongs here and is to be made ready.
/// False: it was a waiter in custody and has been dealt with.
func taskArrived(_ task: UnsafeMutablePointer<apus_task>) -> Bool {
  let here = ThisCPU.index
  if unsafe task.pointee.place == here { return true }
  guard unsafe task.pointee.wait_kind == WaitKind.task, let object = unsafe task.pointee.wait_object else {
    unsafe RuntimeHooks.send(TaskRef(task), task.pointee.place)
    return false
  }
  let target = unsafe object.assumingMemoryBound(to: apus_task.self)
  let home = unsafe target.pointee.home
  if home != here {
    unsafe RuntimeHooks.send(TaskRef(task), home)  // it got a new home meanwhile: the waiter follows
    return false
  }
  if unsafe target.pointee.state == TaskState.done.rawValue {
    unsafe RuntimeHooks.send(TaskRef(task), task.pointee.place)
  } else {
    unsafe task.pointee.state = TaskState.parked.rawValue
    unsafe task.pointee.next = unsafe target.pointee.waiters
    unsafe target.pointee.waiters = unsafe task
  }
  return false
}

/// Where a done task's value lies.
@c(apus_task_result)
func taskResult(_ task: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
  unsafe task.assumingMemoryBound(to: apus_task.self).pointee.result
}

/// Drops one reference to a task object; the last one gives its memory back.
@inline(__always)
func releaseTask(_ task: UnsafeMutablePointer<apus_task>) {
  unsafe Unmanaged<AnyObject>.fromOpaque(UnsafeRawPointer(task)).release()
}

/// Drops the reference that a task holds to its closure's context, if it has one.
@inline(__always)
private func releaseClosure(_ closure: UnsafeMutableRawPointer?) {
  guard let closure = unsafe closure else { return }
  // Almost always the task alone has its closure, and then nobody can take a reference any more: no locked instruction.
  if unsafe apus_is_last_reference(closure) != 0 {
    unsafe apus_destroy_object(closure)
  } else {
    unsafe Unmanaged<AnyObject>.fromOpaque(closure).release()
  }
}

/// Called through the task object's metadata when the last reference is gone.
@c(apus_task_destroy)
func taskDestroy(_ task: UnsafeMutablePointer<apus_task>) { unsafe destroyTask(task, task.pointee.flags) }

@inline(__always)
private func destroyTask(_ task: UnsafeMutablePointer<apus_task>, _ flags: UInt8) {
  if flags & TaskFlags.hasResult != 0, let witness = unsafe task.pointee.result_destroy {
    unsafe apus_destroy_value(witness, task.pointee.result)
  }
  unsafe releaseChainedBlocks(task)
  if flags & TaskFlags.borrowedBlock == 0 {
    let size = unsafe UInt64(task.pointee.block_size)
    unsafe Pools.give(UnsafeMutableRawPointer(task).assumingMemoryBound(to: apus_block.self), size)
  }
}

/// Gives back the frame blocks chained behind a task that has ended.
@inline(__always)
func releaseChainedBlocks(_ task: UnsafeMutablePointer<apus_task>) {
  while let block = unsafe task.pointee.blocks {
    unsafe task.pointee.blocks = unsafe block.pointee.next
    unsafe Pools.give(block, block.pointee.size)
  }
}
