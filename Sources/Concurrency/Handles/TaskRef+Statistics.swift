// TaskRef+Statistics: what is counted for each task, and the list of all tasks of a CPU.
import AsyncEntry

extension TaskRef {
  // Each accessor touches words of a header that is always mapped and this CPU's own.

  /// Names the task and says where it was started.
  public func describe(name: StaticString, file: StaticString, line: UInt32) {
    // Static strings live as long as the image and end with a NUL.
    unsafe pointer.pointee.name = UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
    unsafe pointer.pointee.file = UnsafeRawPointer(file.utf8Start).assumingMemoryBound(to: CChar.self)
    unsafe pointer.pointee.line = line
  }

  /// The task's name, and where it was started.
  public var label: TaskLabel {
    // Set by `describe`; the file only with a name.
    guard let name = unsafe pointer.pointee.name else { return TaskLabel() }
    return unsafe TaskLabel(name: name, file: pointer.pointee.file, line: pointer.pointee.line)
  }

  /// Calls `body` with each byte of the name (nothing for a task without one), at most 64 of them.
  public func forEachNameByte(_ body: (UInt8) -> Void) { label.forEachNameByte(body) }

  /// Calls `body` with each byte of the file's name (nothing for a task without a name), at most 64 of them.
  public func forEachFileByte(_ body: (UInt8) -> Void) { label.forEachFileByte(body) }

  /// The line where the task was started; 0 for a task without a name.
  public var line: UInt32 { label.line }

  /// Sets every counter to zero: the task has never run.
  public func resetCounters() {
    wakes = 0
    runs = 0
    longestRun = 0
    longestWait = 0
  }

  /// How often the task was made ready.
  @inline(__always) public var wakes: UInt32 {
    get { unsafe pointer.pointee.wakes }
    nonmutating set { unsafe pointer.pointee.wakes = newValue }
  }

  /// How often it ran.
  @inline(__always) public var runs: UInt32 {
    get { unsafe pointer.pointee.runs }
    nonmutating set { unsafe pointer.pointee.runs = newValue }
  }

  /// The longest run, in ticks.
  @inline(__always) public var longestRun: UInt32 {
    get { unsafe pointer.pointee.longest_run }
    nonmutating set { unsafe pointer.pointee.longest_run = newValue }
  }

  /// The longest time from ready to running, in ticks.
  @inline(__always) public var longestWait: UInt32 {
    get { unsafe pointer.pointee.longest_wait }
    nonmutating set { unsafe pointer.pointee.longest_wait = newValue }
  }

  /// When the task was last made ready, in ticks.
  @inline(__always) public var readyAt: UInt64 {
    get { unsafe pointer.pointee.ready_at }
    nonmutating set { unsafe pointer.pointee.ready_at = newValue }
  }

  /// The next task in the CPU's list of all its tasks.
  @inline(__always) public var listed: TaskRef? {
    get { unsafe TaskRef(pointer.pointee.listed) }
    nonmutating set { unsafe pointer.pointee.listed = newValue?.pointer }
  }

  /// The previous one.
  @inline(__always) public var listedPrevious: TaskRef? {
    get { unsafe TaskRef(pointer.pointee.listed_previous) }
    nonmutating set { unsafe pointer.pointee.listed_previous = newValue?.pointer }
  }
}
