// AsyncMutex: one task at a time, in the order of asking, across awaits.
import Tasks

/// A fair lock of one CPU's tasks, which may be held across awaits but never across guest entry.
///
/// While any is held on a CPU, `Executor.prepareToRest(as: .inGuest)` answers `.stay`.
public final class AsyncMutex: @unchecked Sendable {
  /// The holder's word (`asker`), or 0.
  private var holder: UInt64 = 0
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
    // The task that locked it is the one that runs here.
    try? unlock()
    return value
  }

  /// Takes the mutex, suspending until it is free.
  public nonisolated(nonsending) func lock() async throws(WaitError) {
    LeafWait.check(home)
    try LeafWait.enter()
    let task = TaskRef.running
    if holder == 0 {
      holder = task.word
      count(1)
      return await LeafWait.spend()
    }
    try LeafWait.begin(task)
    waiters.append(task)
    if await LeafWait.park() { return }
    _ = waiters.remove(task)
    throw LeafWait.reason(task)
  }

  /// Takes the mutex if it is free; says so at once.
  public func tryLock() -> Bool {
    LeafWait.check(home)
    if holder != 0 { return false }
    holder = Self.asker
    count(1)
    return true
  }

  /// Hands the mutex to the first waiter, or frees it.
  ///
  /// Throws `notHolder`, and changes nothing, if another task holds it or nobody does.
  public func unlock() throws(WaitError) {
    LeafWait.check(home)
    guard holder == Self.asker else { throw .notHolder }
    if let task = waiters.popFirst() {
      holder = task.word
      return LeafWait.grant(task)
    }
    holder = 0
    count(-1)
  }

  // The running task's word; 1 for code outside tasks, such as a board's task list.
  private static var asker: UInt64 { TaskRef.current?.word ?? 1 }

  private func count(_ change: Int) {
    ThisCPU.withExecutor(Executor.self) { $0.heldMutexes &+= change }
  }
}
