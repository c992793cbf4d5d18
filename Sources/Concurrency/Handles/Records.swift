// Records: what a task keeps of its scopes: cancellation handlers, children, task-local values.
import AsyncEntry

/// What a status record of a task stands for.
enum RecordKind {
  /// A cancellation handler; the payload is a box that holds the closure.
  static let handler: UInt32 = 1
  /// A child task (async let); the payload is its header.
  static let child: UInt32 = 2
  /// A value of a `TaskLocalValue`; the payload is that object, the first word the box with the value.
  static let local: UInt32 = 3
  /// The records that a child task's parent had when the child began; the payload is the first of them.
  static let inherited: UInt32 = 4
}

/// The list of records of a task; pushed and removed in nested order by the task itself.
enum Records {
  static func push(_ record: UnsafeMutablePointer<apus_record>, on task: UnsafeMutablePointer<apus_task>) {
    unsafe record.pointee.next = unsafe task.pointee.records
    unsafe task.pointee.records = unsafe record
  }

  static func remove(_ record: UnsafeMutablePointer<apus_record>, from task: UnsafeMutablePointer<apus_task>)
  {
    if unsafe task.pointee.records == record {
      unsafe task.pointee.records = unsafe record.pointee.next
      return
    }
    var previous = unsafe task.pointee.records
    while let entry = unsafe previous {
      if unsafe entry.pointee.next == record {
        unsafe entry.pointee.next = unsafe record.pointee.next
        return
      }
      unsafe previous = unsafe entry.pointee.next
    }
  }
}
