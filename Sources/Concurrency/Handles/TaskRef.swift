// TaskRef: the safe handle of a task, by which the scheduler and the leaf primitives speak of it.
import AsyncEntry

/// Where a task is in its life.
///
/// ```
///        spawn             park()
///  new ─────────▶ active ─────────────▶ parked
///                  │  ▲                   │
///        end       │  └───── unpark() ────┘
///  done ◀──────────┤
///                  └── hand-over to another CPU ──▶ moving ──▶ active (there)
/// ```
public enum TaskState: UInt8, Sendable {
  /// Created, not yet in a queue.
  case new = 0
  /// In its CPU's ready queue, or running.
  case active = 1
  /// Suspended in a leaf, in no queue.
  case parked = 3
  /// Ended; its result can be read.
  case done = 4
  /// In another CPU's inbox.
  case moving = 5
}

/// A reference to a task's header, without ownership.
///
/// Valid while the task has not ended or while someone holds the task object; a leaf primitive may
/// keep it exactly while the task is parked in that primitive. Fields are the owner CPU's alone (I1).
@safe public struct TaskRef: Equatable, @unchecked Sendable {
  package let pointer: UnsafeMutablePointer<apus_task>

  @inline(__always) package init(_ pointer: UnsafeMutablePointer<apus_task>) {
    unsafe self.pointer = pointer  // a header stays mapped for ever: pools never unmap
  }

  @inline(__always) package init?(_ pointer: UnsafeMutablePointer<apus_task>?) {
    guard let pointer = unsafe pointer else { return nil }  // null is no task
    unsafe self.pointer = pointer
  }

  /// Two handles are equal when they name the same header.
  @inline(__always) public static func == (left: TaskRef, right: TaskRef) -> Bool {
    unsafe left.pointer == right.pointer  // compares addresses only
  }

  /// The running task of this CPU; nil in the executor itself and in interrupt handlers.
  @inline(__always) public static var current: TaskRef? {
    unsafe TaskRef(unsafe apus_current())  // GS base points to the CPU block on every host
  }

  /// The running task, for code that only tasks call (leaves and what they are made of).
  @inline(__always) public static var running: TaskRef {
    unsafe TaskRef(unsafe apus_running_task())
  }

  /// Makes `task` the one that the entry code resumes next (nil: back to the executor).
  @inline(__always) public static func choose(_ task: TaskRef?) {
    unsafe apus_set_current(task?.pointer)  // the word is this CPU's own
  }

  // Every accessor below touches one word of a header that is always mapped and this CPU's own.

  /// The link of ready queues, waiter lists and free lists; a task is in one of them at a time.
  @inline(__always) public var next: TaskRef? {
    get { unsafe TaskRef(unsafe pointer.pointee.next) }
    nonmutating set { unsafe pointer.pointee.next = newValue?.pointer }
  }

  /// Where the task is in its life.
  @inline(__always) public var state: TaskState {
    get { TaskState(rawValue: unsafe pointer.pointee.state) ?? .new }
    nonmutating set { unsafe pointer.pointee.state = newValue.rawValue }
  }

  /// Whether the task is in `state` (a compare without decoding the word).
  @inline(__always) public func isIn(_ state: TaskState) -> Bool {
    unsafe pointer.pointee.state == state.rawValue
  }

  /// The ready-queue level, 0 (most urgent) to 7: every writer masks it.
  @inline(__always) public var level: UInt8 {
    get { unsafe pointer.pointee.level }
    nonmutating set { unsafe pointer.pointee.level = newValue & 7 }
  }

  /// The CPU the task belongs to: it starts and ends there.
  @inline(__always) public var home: UInt16 {
    get { unsafe pointer.pointee.home }
    nonmutating set { unsafe pointer.pointee.home = newValue }
  }

  /// The CPU whose executor may resume the task now.
  @inline(__always) public var place: UInt16 {
    get { unsafe pointer.pointee.place }
    nonmutating set { unsafe pointer.pointee.place = newValue }
  }

  /// What the task waits for, as a small number for reports; 0 = nothing.
  @inline(__always) public var waitKind: UInt8 {
    get { unsafe pointer.pointee.wait_kind }
    nonmutating set { unsafe pointer.pointee.wait_kind = newValue }
  }

  /// A wake that came before the park it is for.
  @inline(__always) public var hasPermit: Bool {
    get { unsafe pointer.pointee.flags & TaskFlags.permit != 0 }
    nonmutating set {
      if newValue {
        unsafe pointer.pointee.flags |= TaskFlags.permit
      } else {
        unsafe pointer.pointee.flags &= ~TaskFlags.permit
      }
    }
  }

  /// Whether the wait was satisfied by whoever took the task out of its waiter list.
  @inline(__always) public var isGranted: Bool {
    get { unsafe pointer.pointee.flags & TaskFlags.granted != 0 }
    nonmutating set {
      if newValue {
        unsafe pointer.pointee.flags |= TaskFlags.granted
      } else {
        unsafe pointer.pointee.flags &= ~TaskFlags.granted
      }
    }
  }

  /// Whether the wake message that the task waits for has been taken from the inbox.
  @inline(__always) public var hasWakeArrived: Bool {
    get { unsafe pointer.pointee.flags & TaskFlags.wakeArrived != 0 }
    nonmutating set {
      if newValue {
        unsafe pointer.pointee.flags |= TaskFlags.wakeArrived
      } else {
        unsafe pointer.pointee.flags &= ~TaskFlags.wakeArrived
      }
    }
  }

  /// Ticks at which leaf waits of the task give up; all ones: never.
  @inline(__always) public var scopeDeadline: UInt64 {
    get { unsafe pointer.pointee.scope_deadline }
    nonmutating set { unsafe pointer.pointee.scope_deadline = newValue }
  }

  /// The per-CPU number of the task, for traces.
  @inline(__always) public var identifier: UInt32 {
    get { unsafe pointer.pointee.identifier }
    nonmutating set { unsafe pointer.pointee.identifier = newValue }
  }

  /// The handle as a word for inbox messages: a multiple of four.
  @inline(__always) public var word: UInt64 { unsafe UInt64(UInt(bitPattern: pointer)) }

  /// The handle that `word` gave.
  ///
  /// Only words that came from `word` may be passed: inbox messages.
  @inline(__always) package init(word: UInt64) {
    unsafe self.pointer = UnsafeMutablePointer<apus_task>(bitPattern: UInt(word)).unsafelyUnwrapped
  }

  /// The link word for a wake or an adoption in an inbox.
  @inline(__always) public var inboxLink: AtomicCell {
    unsafe AtomicCell(address: UnsafeMutableRawPointer(pointer) + 0x80)
  }

  /// The link word for a cancellation in an inbox.
  @inline(__always) public var cancelLink: AtomicCell {
    unsafe AtomicCell(address: UnsafeMutableRawPointer(pointer) + 0x88)
  }

  /// Whether the task was cancelled (any CPU may ask).
  @inline(__always) public var isCancelled: Bool {
    unsafe apus_load_acquire32(&pointer.pointee.cancelled) != 0
  }
}

/// Bits of a header's flag byte.
package enum TaskFlags {
  /// State and flag as the entry code has them.
  package static var entryCode: (parked: UInt8, permit: UInt8, ownContext: UInt8) {
    (UInt8(APUS_STATE_PARKED), UInt8(APUS_FLAG_PERMIT), UInt8(APUS_FLAG_OWN_CONTEXT))
  }

  /// A wake came before the park it is for.
  package static let permit: UInt8 = 1
  /// The block is not the pools': an async let's buffer or a static slot.
  package static let borrowedBlock: UInt8 = 2
  /// The result was stored and wants destroying with the task.
  package static let hasResult: UInt8 = 4
  /// Taken out of a waiter list by a waker.
  package static let granted: UInt8 = 16
  /// A wake message came out of the inbox.
  package static let wakeArrived: UInt8 = 32
  /// An async let's child: its parent's record owns it.
  package static let isChild: UInt8 = 8
  /// The task goes on with a context of its own and not behind a leaf.
  package static let ownContext: UInt8 = 64
}
