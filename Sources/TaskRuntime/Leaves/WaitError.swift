// WaitError: why a leaf wait ended without what it waited for.

/// Why a wait ended without what it waited for.
public enum WaitError: Error, Equatable, Sendable {
  /// The task was cancelled.
  case cancelled
  /// The deadline of an enclosing `withDeadline` came.
  case timedOut
  /// The other side is gone for good.
  case closed
  /// There is no room: nothing was queued.
  case full
  /// The mutex is another task's, or nobody's: nothing was changed.
  case notHolder
}
