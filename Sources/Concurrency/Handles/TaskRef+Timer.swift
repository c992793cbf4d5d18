// TaskRef+Timer: the header words that a timer queue links a task by.
import AsyncEntry

extension TaskRef {
  // Each accessor touches one word of a header that is always mapped and this CPU's own.

  /// The next node of the same timer slot.
  @inline(__always) public var timerNext: TaskRef? {
    get { unsafe TaskRef(pointer.pointee.timer_next?.assumingMemoryBound(to: apus_task.self)) }
    nonmutating set { unsafe pointer.pointee.timer_next = UnsafeMutableRawPointer(newValue?.pointer) }
  }

  /// The previous node of the same timer slot.
  @inline(__always) public var timerPrevious: TaskRef? {
    get { unsafe TaskRef(pointer.pointee.timer_previous?.assumingMemoryBound(to: apus_task.self)) }
    nonmutating set { unsafe pointer.pointee.timer_previous = UnsafeMutableRawPointer(newValue?.pointer) }
  }

  /// The tick at which the node is due.
  @inline(__always) public var deadline: UInt64 {
    get { unsafe pointer.pointee.deadline }
    nonmutating set { unsafe pointer.pointee.deadline = newValue }
  }

  /// The slot that holds the node.
  @inline(__always) public var timerSlot: UInt32 {
    get { unsafe pointer.pointee.timer_slot }
    nonmutating set { unsafe pointer.pointee.timer_slot = newValue }
  }
}
