// Executor: one CPU's scheduler: ready tasks, messages, timers, and what to run next.
import Tasks

extension TaskRef: ReadyNode {}
extension TaskLists: ReadyLists {}
extension TaskRef: TimerNode {}

/// The scheduler of one CPU.
///
/// Everything in it is that CPU's alone (owner rule, I1).
///
/// Life of a CPU: `step` makes a pass (messages, interrupts, timers), then runs rounds of ready tasks;
/// when nothing is ready it resumes the idle task, if the board selected one.
public struct Executor: ~Copyable {
  /// Leaf operations that a task may complete in one run without suspending; then it yields.
  public static var budgetPerRun: Int { ThisCPU.budgetPerRun }
  /// Turns between two passes: a round of one task is a turn, a round of more is `turnsPerRound`.
  static var turnsPerPass: Int { 64 }
  static var turnsPerRound: Int { 4 }
  /// Timers handed out in one pass.
  static var timersPerPass: Int { 64 }
  /// Bits of the CPU's pending word that tasks can wait for.
  public static var interruptSources: Int { 16 }

  /// The run under way; nothing at `TraceLevel.off`.
  ///
  /// This, the next word and the queue's first two are the entry code's too (`apus_handover`).
  var clock: RunClock
  /// Turns until the next pass; below zero, it is due.
  var turnsLeft = 0
  var ready: ReadyQueue<TaskLists>
  var timers: TimerQueue<TaskRef>
  var idleTask: TaskRef?
  /// Whether the idle task is parked where `step` may resume it.
  var idleIsParked = false
  var isResting = false
  var interruptWaiters: InlineArray<16, TaskRef?>
  /// Sources that were posted while no task waited for them.
  var unclaimedInterrupts: UInt64 = 0
  /// Mutexes that tasks of this CPU hold: none may be held when the guest is entered.
  var heldMutexes = 0
  /// The first of this CPU's tasks, linked through `listed`.
  var tasks: TaskRef?
  var nextIdentifier: UInt32 = 1
  /// Counters kept at every trace level.
  public internal(set) var counts = ExecutorCounts()
  var trace: TraceState

  let memory = HardwareMemory()
  let table: OwnerTable
  let line: OwnerLine<HardwareMemory>
  let flushes: FlushGeneration<HardwareMemory>
  let index: UInt16

  /// The executor of CPU `index` with nothing to run; `table` is shared by all CPUs of the machine.
  public init(index: UInt16, table: OwnerTable, lists: (TaskLists, TaskLists), now: UInt64) {
    ready = ReadyQueue(lists.0, lists.1)
    self.index = index
    self.table = table
    line = OwnerLine(
      word: table.ownerWord(Int(index)), inbox: Inbox(head: table.inboxHead(Int(index))))
    flushes = FlushGeneration(cell: table.flushGeneration)
    timers = TimerQueue(now: now)
    interruptWaiters = InlineArray(repeating: nil)
    clock = RunClock(now: now)
    trace = TraceState()
  }

  /// Puts a task of this CPU into the ready queue.
  @inline(__always) mutating func makeReady(_ task: TaskRef) {
    task.state = .active
    trace.ready(task, clock)
    ready.push(task)
  }

  /// Puts the running task behind every other one of its level.
  @inline(__always) mutating func makeReadyLast(_ task: TaskRef) {
    trace.ready(task, clock)
    ready.pushToLists(task)
  }

  /// Puts the running task behind the others and chooses the next.
  @inline(__always) mutating func yield(_ task: TaskRef) -> TaskRef? {
    if !ready.isRoundOver {
      if ready.moreUrgent == 0 {
        trace.ready(task, clock)
        return run(ready.exchangeBatch(task))
      }
    } else if ready.isLoneRound, turnsLeft > 0, let next = ready.exchangeLone(task) {
      turnsLeft &-= 1
      trace.ready(task, clock)
      return run(next)
    }
    makeReadyLast(task)
    return chooseNext()
  }

  /// Makes the next task the current one, or none when the pass is over; returns it.
  ///
  /// The straight path is the hand-over of one task to the next; what is rare is a tail call.
  @inline(__always) mutating func chooseNext() -> TaskRef? {
    if _fastPath(ready.isLoneRound) {
      turnsLeft &-= 1
      guard turnsLeft >= 0, let task = ready.popLone() else { return Self.endPass() }
      return run(task)
    }
    if ready.isRoundOver {
      turnsLeft &-= Self.turnsPerRound
      if turnsLeft < 0 { return Self.endPass() }
      ready.beginRound()
    } else if ready.moreUrgent != 0 {
      return Self.chooseOvertaking()
    }
    return run(ready.popBatch())
  }

  @inline(__always) private mutating func run(_ task: TaskRef) -> TaskRef {
    ThisCPU.setBudget(Self.budgetPerRun)
    trace.runBegins(task, &clock)
    TaskRef.choose(task)
    return task
  }

  @inline(never) private static func chooseOvertaking() -> TaskRef? {
    ThisCPU.withExecutor(Executor.self) {
      $0.run($0.ready.canOvertake ? $0.ready.overtake() : $0.ready.popBatch())
    }
  }

  @inline(never) private static func endPass() -> TaskRef? {
    ThisCPU.withExecutor(Executor.self) { $0.trace.passEnds(&$0.clock) }
    TaskRef.choose(nil)
    return nil
  }
}

/// Totals of one CPU.
public struct ExecutorCounts: Sendable {
  /// Tasks started here.
  public internal(set) var spawned: UInt64 = 0
  /// Tasks ended here.
  public internal(set) var ended: UInt64 = 0
  /// Passes made.
  public internal(set) var passes: UInt64 = 0
  /// Messages taken from the inbox.
  public internal(set) var messages: UInt64 = 0
  /// Kicks sent to CPUs that rested.
  public internal(set) var kicks: UInt64 = 0
  /// Rests begun (halts or guest entries).
  public internal(set) var rests: UInt64 = 0
}
