// TimerNode: what a timer queue needs of the record it links, which is a task header.

/// A record that can be armed in one `TimerQueue`: a handle whose fields live elsewhere.
///
/// On bare metal this is a pointer-sized handle of a task header, so arming a timer allocates nothing; in
/// hosted tests it is a class. Only the queue writes the fields while the node is armed.
///
/// *Requires*: `timerSlot` starts as `TimerSlot.unarmed`; a node is armed in at most one queue.
public protocol TimerNode: Equatable {
  /// The node after this one in its slot's ring; nil while unarmed.
  var timerNext: Self? { get nonmutating set }
  /// The node before this one in its slot's ring; nil while unarmed.
  var timerPrevious: Self? { get nonmutating set }
  /// The tick at which the node is due, in the unit of the queue's clock.
  var deadline: UInt64 { get nonmutating set }
  /// The slot that holds the node, or `TimerSlot.unarmed`.
  var timerSlot: UInt32 { get nonmutating set }
}

/// Values of `TimerNode.timerSlot` that name no slot.
public enum TimerSlot {
  /// The node is in no queue.
  public static var unarmed: UInt32 { .max }
}
