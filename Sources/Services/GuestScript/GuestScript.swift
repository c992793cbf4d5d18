// GuestScript: who plays a guest: told when it is entered and what its request passes on the way.

/// Where the parts of a request meet (runtime.md §6, L10).
public enum RequestPoint: UInt64, Sendable {
  /// The guest has come back with a call.
  case exit = 1
  /// Its registers are copied.
  case decoded
  /// Its protocol's handler begins.
  case handling
  /// The handler has its reply.
  case handled
  /// The reply is in the registers.
  case replied
  /// The guest may be entered again.
  case entry
}

/// What stands in for a guest's own instructions.
public protocol GuestScript: Sendable {
  /// The guest is entered, and comes back with the call that is in its registers then.
  func enter()
  /// The CPU would halt: no guest is left to enter.
  func halt()
  /// The present request passes `point`; `exit`, `handling`, `handled` and `entry` are told by who drives the loop.
  func pass(_ point: RequestPoint)
}
