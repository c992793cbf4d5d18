// AsyncLet: the entry points of `async let`: the child lives in its parent's frame.
import AsyncEntry

/// The head of the 640-byte buffer that the compiler sets aside for one `async let`.
@unsafe struct AsyncLetHeader {
  var record: apus_record
  var child: UnsafeMutablePointer<apus_task>?
  /// The child's first record: what its parent's scopes were.
  var inherited: apus_record
}

private let bufferSize = 640
private let headerSize = 96

/// Starts the child task of an `async let` inside the buffer; its value goes straight to `result`.
@c(apus_abi_asyncLet_begin)
func swiftAsyncLetBegin(
  _ buffer: UnsafeMutableRawPointer, _ options: UnsafeMutableRawPointer?, _ resultType: UnsafeRawPointer?,
  _ function: UnsafeRawPointer, _ closure: UnsafeMutableRawPointer?, _ result: UnsafeMutableRawPointer?
) {
  let layout = unsafe Creation.layout(options?.assumingMemoryBound(to: apus_task_option.self))
  let record = unsafe function.assumingMemoryBound(to: AsyncFunctionRecord.self)
  let parent = unsafe apus_running_task()  // async let exists only inside a task
  var block = unsafe buffer + headerSize
  var size = UInt64(bufferSize - headerSize)
  var flags = TaskFlags.isChild | TaskFlags.borrowedBlock
  let needed = unsafe Creation.needed(layout, record)
  if needed > size {
    guard let (pooled, pooledSize) = unsafe Pools.takeOrDrawReserve(needed) else {
      ThisCPU.fatal("out of memory for an async let")
    }
    unsafe block = UnsafeMutableRawPointer(pooled)
    size = pooledSize
    flags = TaskFlags.isChild
  }
  let child = unsafe Creation.make(
    in: block, size: size, layout: layout, result: result ?? block, function: record,
    closure: closure, level: parent.pointee.level, flags: flags)
  // The creator's and the runtime's.
  unsafe child.pointee.references = 2
  // The closure is the parent's: not released at the end; the word names the parent instead.
  unsafe child.pointee.closure = UnsafeMutableRawPointer(parent)
  let head = unsafe buffer.assumingMemoryBound(to: AsyncLetHeader.self)
  unsafe head.pointee.record.kind = RecordKind.child
  unsafe head.pointee.record.payload = UnsafeMutableRawPointer(child)
  unsafe head.pointee.child = unsafe child
  if let records = unsafe parent.pointee.records {
    unsafe head.pointee.inherited.kind = RecordKind.inherited
    unsafe head.pointee.inherited.payload = UnsafeMutableRawPointer(records)
    unsafe Records.push(&head.pointee.inherited, on: child)
  }
  unsafe Records.push(&head.pointee.record, on: parent)
  if unsafe parent.pointee.cancelled != 0 { unsafe child.pointee.cancelled = 1 }
  unsafe RuntimeHooks.spawned(TaskRef(child))
}

/// Waits until the value is in the buffer that `begin` was given.
@c(apus_task_async_let_get)
func asyncLetGet(_ buffer: UnsafeMutableRawPointer) -> UnsafeMutablePointer<apus_task>? {
  unsafe taskWait(buffer.assumingMemoryBound(to: AsyncLetHeader.self).pointee.child.unsafelyUnwrapped)
}

/// Leaves the scope: a child still running is cancelled and waited for, then its value destroyed.
@c(apus_task_async_let_finish)
func asyncLetFinish(_ buffer: UnsafeMutableRawPointer) -> UnsafeMutablePointer<apus_task>? {
  let child = unsafe buffer.assumingMemoryBound(to: AsyncLetHeader.self).pointee.child.unsafelyUnwrapped
  let current = unsafe apus_running_task()
  let isDone = unsafe apus_load_acquire8(&child.pointee.state) == TaskState.done.rawValue
  if isDone, unsafe !isCancellationOnItsWay(child) {
    unsafe asyncLetEnd(buffer)
    return unsafe current
  }
  // The rest runs when the child is done: a second stop on the way to the caller's resume function.
  let head = unsafe buffer.assumingMemoryBound(to: AsyncLetHeader.self)
  unsafe head.pointee.record.words.0 = unsafe UInt64(UInt(bitPattern: current.pointee.resume))
  unsafe head.pointee.record.words.1 = unsafe UInt64(UInt(bitPattern: current.pointee.context))
  unsafe apus_set_continuation(current, apus_async_let_finish_address(), buffer)
  if isDone { return unsafe RuntimeHooks.yield(TaskRef(current)) }
  unsafe cancelTask(child)
  return unsafe taskWait(child)
}

/// Whether a cancellation of the child is in an inbox: it holds a reference, and links the child's header,
/// which is in the parent's frame.
private func isCancellationOnItsWay(_ child: UnsafeMutablePointer<apus_task>) -> Bool {
  // The creator's and the runtime's references stand until the scope's end.
  unsafe apus_load_acquire_references(child) > 2
}

/// Second half of `finish`, when the child is done: restores the continuation that finish was given.
@c(apus_task_async_let_finished)
func asyncLetFinished(_ buffer: UnsafeMutableRawPointer) -> UnsafeMutablePointer<apus_task>? {
  let head = unsafe buffer.assumingMemoryBound(to: AsyncLetHeader.self)
  let current = unsafe apus_running_task()
  if let child = unsafe head.pointee.child, unsafe isCancellationOnItsWay(child) {
    return unsafe RuntimeHooks.yield(TaskRef(current))  // and then here again
  }
  unsafe apus_set_continuation(
    current, UnsafeMutableRawPointer(bitPattern: UInt(head.pointee.record.words.0)),
    UnsafeMutableRawPointer(bitPattern: UInt(head.pointee.record.words.1)))
  unsafe asyncLetEnd(buffer)
  return unsafe current
}

private func asyncLetEnd(_ buffer: UnsafeMutableRawPointer) {
  let head = unsafe buffer.assumingMemoryBound(to: AsyncLetHeader.self)
  let child = unsafe head.pointee.child.unsafelyUnwrapped
  unsafe Records.remove(&head.pointee.record, from: apus_running_task())
  unsafe taskDestroy(child)
}
