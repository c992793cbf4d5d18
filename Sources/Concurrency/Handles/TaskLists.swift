// TaskLists: eight first-in first-out lists of task headers in a table of the CPU.
import AsyncEntry

/// A handle of a CPU's table of eight lists, linked through the tasks' `next` words.
///
/// A list is two words: the first task, and the place of the last link (the first word itself while the
/// list is empty), so that appending has no branch. Only the owning CPU touches the table (I1).
@safe public struct TaskLists: @unchecked Sendable {
  private let table: UnsafeMutableRawPointer

  /// Lists in a table.
  public static var count: Int { 8 }
  /// Bytes of a table.
  public static var bytes: Int { 128 }

  /// Eight empty lists in `bytes` bytes at `address`, which stay mapped and are nobody else's.
  @unsafe public init(address: UnsafeMutableRawPointer) {
    unsafe table = address
    for index in 0..<Self.count {
      let list = unsafe address + index &* 16
      unsafe list.storeBytes(of: 0, as: UInt.self)
      unsafe (list + 8).storeBytes(of: UInt(bitPattern: list), as: UInt.self)
    }
  }

  /// A list of a table.
  @safe public struct Place: @unchecked Sendable {
    fileprivate let list: UnsafeMutablePointer<apus_list>
  }

  // The index is masked, as every task's level is by whoever writes it, and every task header is always mapped: the
  // accesses stay inside both.

  /// List `index`.
  @inline(__always) public func place(of index: Int) -> Place { unsafe Place(list: list(index & 7)) }

  @inline(__always) private func list(_ index: Int) -> UnsafeMutablePointer<apus_list> {
    unsafe (table + index &* 16).assumingMemoryBound(to: apus_list.self)
  }

  /// Puts a task, which is in no list, at the end of its level's.
  @inline(__always) public func append(_ task: TaskRef) {
    let list = unsafe list(Int(task.level))
    unsafe list.pointee.last.pointee = task.pointer
    unsafe list.pointee.last = apus_link(task.pointer)
  }

  /// Takes the first task of a list, which is not empty; true with the last one.
  @inline(__always) public func popFirst(of place: Place) -> (task: TaskRef, wasLast: Bool) {
    let list = unsafe place.list
    let first = unsafe list.pointee.first
    let isLast = unsafe list.pointee.last == apus_link(first)
    if isLast {
      unsafe list.pointee.last = apus_list_start(list)
    } else {
      unsafe list.pointee.first = first.pointee.next.unsafelyUnwrapped
    }
    return unsafe (TaskRef(first), isLast)
  }
}
