// Priority: how urgent a task is, in the language's terms.
import Swift

/// The priority of a task; the runtime maps it to one of eight ready-queue levels.
@frozen public struct TaskPriority: RawRepresentable, Sendable, Equatable {
  /// The value as the language defines it: larger is more urgent.
  public var rawValue: UInt8
  /// The priority with this value.
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// Someone waits for it.
  @inlinable public static var high: TaskPriority { TaskPriority(rawValue: 0x19) }
  /// The same as high.
  @inlinable public static var userInitiated: TaskPriority { TaskPriority(rawValue: 0x19) }
  /// The default.
  @inlinable public static var medium: TaskPriority { TaskPriority(rawValue: 0x15) }
  /// Less than the default.
  @inlinable public static var low: TaskPriority { TaskPriority(rawValue: 0x11) }
  /// The same as low.
  @inlinable public static var utility: TaskPriority { TaskPriority(rawValue: 0x11) }
  /// When nothing else is ready.
  @inlinable public static var background: TaskPriority { TaskPriority(rawValue: 0x09) }
}
