// Semaphore: a count of permits that tasks take and give back.
import Tasks

/// Permits of one CPU, handed out in the order of asking.
///
/// *May be called from*: tasks of the CPU that made it.
public final class Semaphore: @unchecked Sendable {
  private var permits: UInt32
  private let limit: UInt32
  private var waiters = NodeList<TaskRef>()
  private let home = ThisCPU.index

  /// A semaphore with `permits` of at most `limit` permits.
  public init(permits: UInt32, limit: UInt32 = .max) {
    self.permits = min(permits, limit)
    self.limit = limit
  }

  /// Permits nobody holds.
  public var available: UInt32 { permits }

  /// Takes a permit if one is free; says so at once.
  public func tryAcquire() -> Bool {
    LeafWait.check(home)
    guard permits > 0 else { return false }
    permits &-= 1
    return true
  }

  /// Takes a permit, suspending until there is one.
  ///
  /// Throws `cancelled` or `timedOut`, then without one.
  public nonisolated(nonsending) func acquire() async throws(WaitError) {
    LeafWait.check(home)
    try LeafWait.enter()
    if waiters.isEmpty, tryAcquire() { return await LeafWait.spend() }
    let task = TaskRef.running
    try LeafWait.begin(task)
    waiters.append(task)
    if await LeafWait.park() { return }
    _ = waiters.remove(task)
    throw LeafWait.reason(task)
  }

  /// Gives a permit back; it goes straight to the first waiter.
  ///
  /// Throws `full` beyond the limit.
  public func release() throws(WaitError) {
    LeafWait.check(home)
    if let task = waiters.popFirst() { return LeafWait.grant(task) }
    guard permits < limit else { throw .full }
    permits &+= 1
  }
}
