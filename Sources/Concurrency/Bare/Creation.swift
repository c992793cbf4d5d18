// Creation: makes a task: header, result, first context, all in one block.
import AsyncEntry

/// The record by which compiled code names an async function: offset to its code, size of its context.
struct AsyncFunctionRecord {
  var codeOffset: Int32
  var contextSize: UInt32
}

/// What a task is made from, besides its operation.
@unsafe struct TaskLayout {
  var resultSize: UInt64 = 0
  var resultAlignmentMask: UInt64 = 0
  var destroy: UnsafeRawPointer?
}

enum Creation {
  static let headerSize = unsafe UInt64(MemoryLayout<apus_task>.size)
  static let prefixSize = UInt64(APUS_PREFIX_SIZE)

  /// Finds the result type among the option records of a creation call; other kinds change nothing here.
  static func layout(_ options: UnsafeMutablePointer<apus_task_option>?) -> TaskLayout {
    var layout = unsafe TaskLayout()
    var next = unsafe options
    while let option = unsafe next {
      if unsafe option.pointee.flags & 0xFF == 4 {
        unsafe layout.resultSize = unsafe option.pointee.words.0
        unsafe layout.resultAlignmentMask = unsafe option.pointee.words.1
        unsafe layout.destroy = unsafe UnsafeRawPointer(bitPattern: UInt(option.pointee.words.4))
      }
      unsafe next = unsafe option.pointee.parent
    }
    return unsafe layout
  }

  /// Bytes that a task needs before its first frame.
  @inline(__always)
  static func needed(_ layout: TaskLayout, _ function: UnsafePointer<AsyncFunctionRecord>) -> UInt64 {
    let result = unsafe (layout.resultSize &+ layout.resultAlignmentMask &+ 15) & ~15
    return unsafe headerSize &+ result &+ prefixSize &+ ((UInt64(function.pointee.contextSize) &+ 15) & ~15)
  }

  /// Writes a task into `block` of `size` bytes, which is at least `needed`.
  ///
  /// `result`, if given, is where the value goes instead of the block. The task starts as `new` on this CPU; its
  /// references are the caller's to set.
  @inline(__always)
  static func make(
    in block: UnsafeMutableRawPointer, size: UInt64, layout: TaskLayout,
    result: UnsafeMutableRawPointer?, function: UnsafePointer<AsyncFunctionRecord>,
    closure: UnsafeMutableRawPointer?, level: UInt8, flags: UInt8
  ) -> UnsafeMutablePointer<apus_task> {
    let task = unsafe block.assumingMemoryBound(to: apus_task.self)
    unsafe apus_prepare_task(task)
    unsafe task.pointee.metadata = unsafe apus_metadata_address()
    unsafe task.pointee.level = level & 7
    unsafe task.pointee.flags = flags
    let cpu = ThisCPU.index
    unsafe task.pointee.home = cpu
    unsafe task.pointee.place = cpu
    var cursor = unsafe block + Int(headerSize)
    if let result = unsafe result {
      unsafe task.pointee.result = unsafe result
    } else if unsafe layout.resultSize > 0 {
      let mask = unsafe UInt(layout.resultAlignmentMask)
      let aligned = unsafe UnsafeMutableRawPointer(bitPattern: (UInt(bitPattern: cursor) &+ mask) & ~mask)
        .unsafelyUnwrapped
      unsafe task.pointee.result = unsafe aligned
      unsafe cursor = unsafe UnsafeMutableRawPointer(
        bitPattern: (UInt(bitPattern: aligned) &+ UInt(layout.resultSize) &+ 15) & ~15
      ).unsafelyUnwrapped
    } else {
      unsafe task.pointee.result = unsafe cursor
    }
    unsafe task.pointee.closure = closure
    unsafe task.pointee.result_destroy = unsafe layout.destroy
    // Prefix of the first context, as apus_task_start reads it.
    let prefix = unsafe cursor.assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
    let code =
      unsafe UnsafeMutableRawPointer(mutating: UnsafeRawPointer(function))
      + Int(function.pointee.codeOffset)
    unsafe prefix[0] = unsafe code
    unsafe prefix[1] = unsafe closure
    let context = unsafe cursor + Int(prefixSize)
    unsafe prefix[2] = nil
    unsafe prefix[3] = unsafe apus_task_end_address()
    unsafe task.pointee.resume = unsafe apus_task_start_address()
    unsafe task.pointee.context = unsafe context
    let first = unsafe context + Int((function.pointee.contextSize &+ 15) & ~15)
    unsafe task.pointee.bump = unsafe first.assumingMemoryBound(to: UInt8.self)
    unsafe task.pointee.base = unsafe task.pointee.bump
    unsafe task.pointee.limit = unsafe (block + Int(size & ~Pools.reserveMark)).assumingMemoryBound(
      to: UInt8.self)
    unsafe task.pointee.block_size = UInt32(truncatingIfNeeded: size)
    return unsafe task
  }
}

/// Creates a task for compiled code; flags: priority in the low byte, 0x1000 = make it ready at once.
@c(apus_abi_task_create)
func swiftTaskCreate(
  _ flags: Int, _ options: UnsafeMutableRawPointer?, _ resultType: UnsafeRawPointer?,
  _ function: UnsafeRawPointer, _ closure: UnsafeMutableRawPointer?
) -> apus_task_and_context {
  let layout = unsafe Creation.layout(options?.assumingMemoryBound(to: apus_task_option.self))
  let record = unsafe function.assumingMemoryBound(to: AsyncFunctionRecord.self)
  guard let (block, size) = unsafe Pools.takeOrDrawReserve(Creation.needed(layout, record)) else {
    ThisCPU.fatal("out of memory for a task (use spawn, which throws)")
  }
  let priority = UInt8(truncatingIfNeeded: flags)
  let level: UInt8
  if priority != 0 {
    level = TaskLevel.of(priority: priority)
  } else if let current = unsafe apus_current() {
    level = unsafe current.pointee.level
  } else {
    level = TaskLevel.normal
  }
  let task = unsafe Creation.make(
    in: UnsafeMutableRawPointer(block), size: size, layout: layout, result: nil, function: record,
    closure: closure, level: level, flags: 0)
  // The creator's and the runtime's.
  unsafe task.pointee.references = 2
  if flags & 0x1000 != 0 { RuntimeHooks.spawned(unsafe TaskRef(task)) }
  return unsafe apus_task_and_context(task: task, context: task.pointee.context)
}

/// Creates a task for `spawn`, which nobody awaits and whose creator makes it ready; null if there is no memory.
///
/// Draws on no reserve (I6); `closure`, which may be null, is the task's from now on, or released.
@c(apus_spawn_task)
func spawnTask(
  _ function: UnsafeRawPointer, _ closure: UnsafeMutableRawPointer?
) -> UnsafeMutablePointer<apus_task>? {
  let record = unsafe function.assumingMemoryBound(to: AsyncFunctionRecord.self)
  let layout = unsafe TaskLayout()
  guard apus_is_memory_low() == 0, let (block, size) = unsafe Pools.take(Creation.needed(layout, record))
  else {
    if let closure = unsafe closure { unsafe Unmanaged<AnyObject>.fromOpaque(closure).release() }
    return nil
  }
  let task = unsafe Creation.make(
    in: UnsafeMutableRawPointer(block), size: size, layout: layout, result: nil, function: record,
    closure: closure, level: TaskLevel.normal, flags: 0)
  unsafe task.pointee.references = 1
  return unsafe task
}
