// AsyncMutex: one task at a time, in the order of asking, across awaits.
import Tasks

/// A fair lock of one CPU's tasks, which may be held across awaits but never across guest entry.
///
/// While any is held on a CPU, `Executor.prepareToRest(as: .inGuest)` answers `.stay`.
public final class AsyncMutex: @unchecked Sendable {
  private var isHeld = false
  private var waiters = NodeList<TaskRef>()
  private let home = ThisCPU.index

  /// A free mutex.
  public init() {}

  /// Runs `body` while holding the mutex.
  ///
  /// Throws `cancelled` or `timedOut` if it was not had.
  public nonisolated(nonsending) func withLock<Value>(
    _ body: nonisolated(nonsending) () async -> Value
  ) async throws(WaitError) -> Value {
    try await lock()
    let value = await body()
    unlock()
    return value
  }

  /// Takes the mutex, suspending until it is free.
  public nonisolated(nonsending) func lock() async throws(WaitError) {
    LeafWait.check(home)
    if !isHeld {
      isHeld = true
      count(1)
      return await LeafWait.spend()
    }
    let task = TaskRef.running
    try LeafWait.begin(task)
    waiters.append(task)
    if await LeafWait.park(task) { return }
    _ = waiters.remove(task)
    throw LeafWait.reason(task)
  }

  /// Takes the mutex if it is free; says so at once.
  public func tryLock() -> Bool {
    LeafWait.check(home)
    if isHeld { return false }
    isHeld = true
    count(1)
    return true
  }

  /// Hands the mutex to the first waiter, or frees it.
  ///
  /// *Requires*: the caller holds it.
  public func unlock() {
    LeafWait.check(home)
    if let task = waiters.popFirst() { return LeafWait.grant(task) }
    isHeld = false
    count(-1)
  }

  private func count(_ change: Int) {
    ThisCPU.withExecutor(Executor.self) { $0.heldMutexes &+= change }
  }
}
