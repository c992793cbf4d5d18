// ThisCPU: what belongs to the running CPU: its number, its executor, its budget.
import AsyncEntry

/// The running CPU, as far as the runtime knows it.
///
/// *May be called from* tasks and the executor. The answer holds until the next `await`.
public enum ThisCPU {
  /// The CPU's number, 0 for the first.
  @inline(__always) public static var index: UInt16 {
    UInt16(truncatingIfNeeded: apus_cpu_index())  // reads the CPU's own block
  }

  /// Whether the CPU has an executor yet.
  public static var hasExecutor: Bool { apus_has_executor() != 0 }

  /// Lends the CPU's executor to `body`.
  ///
  /// `E` must be the type that `install` was given.
  @inline(__always) public static func withExecutor<E: ~Copyable, R>(
    _ type: E.Type, _ body: (inout E) -> R
  ) -> R {
    // The block names the value that `install` placed; only this CPU reaches it.
    unsafe body(&apus_this_executor().assumingMemoryBound(to: E.self).pointee)
  }

  /// Takes one leaf operation off the running task's budget; false when it is used up.
  @inline(__always) public static func spendBudget() -> Bool {
    apus_spend_budget() >= 0  // the CPU's own word
  }

  /// Leaf operations that a task may complete in one run without suspending.
  public static var budgetPerRun: Int { Int(APUS_BUDGET_PER_RUN) }

  /// Gives the task that runs next its budget.
  @inline(__always) public static func setBudget(_ operations: Int) {
    apus_set_budget(Int64(operations))  // the CPU's own word
  }

  /// What the entry code finds in this CPU's executor: hand-overs until its next pass, the only ready task, the lists that
  /// hold one, the levels that overtake the round under way, and whom that takes next.
  package static var handover: (turns: Int, lone: TaskRef?, mask: UInt32, urgent: UInt32, next: TaskRef?) {
    let words = unsafe apus_this_handover()  // the executor's first words
    let next = unsafe words.urgent == .max ? nil : TaskRef(words.place.pointee.first)
    return unsafe (Int(words.turns), TaskRef(words.lone), words.mask, words.urgent, next)
  }

  /// Whether an interrupt handler has posted something since `takePending`.
  @inline(__always) public static var hasPending: Bool { apus_has_pending() != 0 }

  /// Takes all bits that interrupt handlers have posted; a plain load when there are none.
  @inline(__always) public static func takePending() -> UInt64 { apus_take_pending() }

  /// Posts `bits` for the executor's next pass; for interrupt handlers of this CPU.
  @inline(__always) public static func postPending(_ bits: UInt64) { apus_post_pending(bits) }

  /// Ticks of the host's clock per microsecond.
  @inline(__always) public static var ticksPerMicrosecond: UInt64 { apus_tick_rate() }

  /// Ticks of the host's clock.
  @inline(__always) public static var now: UInt64 { apus_host_now() }

  /// Blocks of task memory that had to come from the host since boot: none in steady state (L13).
  public static var poolMisses: UInt64 {
    unsafe apus_this_cpu().pointee.pool_misses  // the CPU's own word
  }

  /// Says whether memory set aside for the worst is in use; `spawn` throws then.
  ///
  /// For the host; any CPU.
  public static func setMemoryLow(_ isLow: Bool) { apus_set_memory_low(isLow ? 1 : 0) }

  /// Ends the machine with a report that says `reason`.
  public static func fatal(_ reason: StaticString) -> Never {
    unsafe apus_host_fatal(reason.utf8Start)  // a static string is NUL-terminated
  }

  /// Asks CPU `index` to look at its inbox.
  @inline(__always) public static func kick(_ index: UInt16) {
    apus_host_kick(UInt32(index))
  }
}
