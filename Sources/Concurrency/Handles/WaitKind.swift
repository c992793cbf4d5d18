// WaitKind: what a parked task waits for, as the number in its header.

/// What a parked task waits for, for reports and for the hand-over of waiters.
public enum WaitKind {
  /// A bare `park`.
  public static let park: UInt8 = 0
  /// Another task's end.
  public static let task: UInt8 = 1
  /// A deadline.
  public static let timer: UInt8 = 2
  /// A leaf primitive that looks at the cancellation flag when it wakes.
  public static let leaf: UInt8 = 3
}

/// The ready-queue levels.
public enum TaskLevel {
  /// The level of a task created without a priority outside any task.
  public static let normal: UInt8 = 2
  /// The level for a priority in the language's terms (larger is more urgent).
  public static func of(priority: UInt8) -> UInt8 { priority >= 32 ? 0 : 7 &- (priority >> 2) }
}
