// Event: a flag that tasks wait for; setting it wakes them all.
import Tasks

/// A flag of one CPU.
///
/// Waiting returns at once while it is set.
///
/// *May be called from*: tasks of the CPU that made it. Waiters are served in the order they came.
public final class Event: @unchecked Sendable {
  private var flag: Bool
  private var waiters = NodeList<TaskRef>()
  private let home = ThisCPU.index

  /// An event, not set unless said otherwise.
  public init(isSet: Bool = false) { flag = isSet }

  /// Whether the event is set.
  public var isSet: Bool { flag }

  /// Sets the event and makes every waiter ready.
  public func set() {
    LeafWait.check(home)
    flag = true
    while let task = waiters.popFirst() { LeafWait.grant(task) }
  }

  /// Takes the event back: later waits suspend again.
  public func reset() { flag = false }

  /// Suspends until the event is set.
  ///
  /// Throws `cancelled` or `timedOut`.
  public nonisolated(nonsending) func wait() async throws(WaitError) {
    LeafWait.check(home)
    try LeafWait.enter()
    if flag { return await LeafWait.spend() }
    let task = TaskRef.running
    try LeafWait.begin(task)
    waiters.append(task)
    if await LeafWait.park() { return }
    _ = waiters.remove(task)
    throw LeafWait.reason(task)
  }
}
