// Frames: memory for async frames: a bump pointer in the task's block, further blocks chained behind.
import AsyncEntry

/// Frame memory of the running task, strictly last-in first-out (runtime.md §2.4).
///
/// A leaf's context, whose size its record gives as none, is two words of the header: a suspension stores nothing
/// besides, and what resumes the task finds the caller's context without a look at another.
@c(apus_abi_task_alloc)
func swiftTaskAlloc(_ size: Int) -> UnsafeMutableRawPointer {
  let bytes = (size &+ 15) & ~15
  // A leaf's is on every path from a wake to its run. Compiled code runs only inside a task.
  if _fastPath(bytes == 0) { return unsafe UnsafeMutableRawPointer(apus_running_leaf_context()) }
  let task = unsafe apus_running_task()
  let start = unsafe task.pointee.bump
  let end = unsafe start + bytes
  guard unsafe end <= task.pointee.limit else { return unsafe growFrames(size, task) }
  unsafe task.pointee.bump = unsafe end
  return UnsafeMutableRawPointer(start)
}

/// Frees the newest allocation of the running task.
@c(apus_abi_task_dealloc)
func swiftTaskDealloc(_ frame: UnsafeMutableRawPointer) {
  // The words of the header lie between two multiples of 16, as no frame does.
  if _fastPath(UInt(bitPattern: frame) & 8 != 0) { return }
  let task = unsafe apus_running_task()  // compiled code runs only inside a task
  let bytes = unsafe frame.assumingMemoryBound(to: UInt8.self)
  if unsafe bytes == task.pointee.base { return unsafe shrinkFrames(task, bytes) }
  unsafe task.pointee.bump = unsafe bytes
}

/// Chains another block behind `task` for a frame of `size` bytes that did not fit.
///
/// When the pools and the host have none left the block comes from the reserve, which spawning may not draw on
/// (I6). Compiled code calls this where it can neither suspend nor fail, so only when that too is used up does the
/// machine end, with a report.
@inline(never)
private func growFrames(_ size: Int, _ task: UnsafeMutablePointer<apus_task>) -> UnsafeMutableRawPointer {
  let header = unsafe UInt64(MemoryLayout<apus_block>.size)
  let need = header &+ UInt64((size &+ 15) & ~15)
  guard let (block, bytes) = unsafe Pools.takeOrDrawReserve(need) else {
    ThisCPU.fatal("out of memory for async frames")
  }
  unsafe block.pointee.saved_bump = unsafe task.pointee.bump
  unsafe block.pointee.saved_limit = unsafe task.pointee.limit
  unsafe block.pointee.saved_base = unsafe task.pointee.base
  unsafe block.pointee.size = bytes
  unsafe block.pointee.next = unsafe task.pointee.blocks
  unsafe task.pointee.blocks = unsafe block
  let raw = unsafe UnsafeMutableRawPointer(block).assumingMemoryBound(to: UInt8.self)
  let first = unsafe raw + Int(header)
  unsafe task.pointee.base = unsafe first
  unsafe task.pointee.bump = unsafe first + ((size &+ 15) & ~15)
  unsafe task.pointee.limit = unsafe raw + Int(bytes & ~Pools.reserveMark)
  return UnsafeMutableRawPointer(first)
}

/// Frees the first frame of the present block: of a chained block, the block goes with it.
@inline(never)
private func shrinkFrames(_ task: UnsafeMutablePointer<apus_task>, _ frame: UnsafeMutablePointer<UInt8>) {
  guard let block = unsafe task.pointee.blocks else {
    unsafe task.pointee.bump = unsafe frame
    return
  }
  unsafe task.pointee.bump = unsafe block.pointee.saved_bump
  unsafe task.pointee.limit = unsafe block.pointee.saved_limit
  unsafe task.pointee.base = unsafe block.pointee.saved_base
  unsafe task.pointee.blocks = unsafe block.pointee.next
  unsafe Pools.give(block, block.pointee.size)
}
