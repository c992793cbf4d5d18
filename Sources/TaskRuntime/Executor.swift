// Executor: one CPU's scheduler: ready tasks, what to run next, when a round is over.
import Tasks

extension TaskRef: ReadyNode {}

/// The scheduler of one CPU. Everything in it is that CPU's alone (owner rule, I1).
public struct Executor: ~Copyable {
  /// Ready tasks.
  @usableFromInline var ready = ReadyQueue<TaskRef>()
  /// Counters that are kept at every trace level.
  public internal(set) var counts = Counts()
  /// Leaf operations that a task may complete without suspending, per run (then it yields).
  public var budgetPerRun: Int

  /// Totals of one CPU.
  public struct Counts {
    /// Tasks started here.
    public var spawned: UInt64 = 0
    /// Tasks ended here.
    public var ended: UInt64 = 0
    /// Rounds begun.
    public var rounds: UInt64 = 0
    /// An empty set of counters.
    public init() {}
  }

  /// An executor with nothing to run.
  public init(budgetPerRun: Int = 128) {
    self.budgetPerRun = budgetPerRun
  }

  /// Puts a task into the ready queue.
  @inline(__always) @usableFromInline mutating func makeReady(_ task: TaskRef) {
    task.state = .ready
    ready.push(task)
  }

  /// Makes the next task of the round the current one, or none when the round is over.
  @inline(__always) @usableFromInline mutating func chooseNext() {
    guard let task = ready.pop() else { return TaskRef.choose(nil) }
    task.state = .running
    ThisCPU.setBudget(budgetPerRun)
    TaskRef.choose(task)
  }
}

extension Executor {
  /// A new task of this CPU.
  @usableFromInline mutating func spawned(_ task: TaskRef) {
    counts.spawned &+= 1
    makeReady(task)
  }

  /// The current task's function has returned.
  @usableFromInline mutating func ended(_ task: TaskRef) {
    counts.ended &+= 1
  }

  @usableFromInline mutating func send(_ task: TaskRef, to cpu: UInt16) {}
  @usableFromInline mutating func sendCancellation(of task: TaskRef, to cpu: UInt16) {}

  /// Runs rounds until nothing is ready.
  public static func runUntilIdle() {
    while true {
      ThisCPU.withExecutor(Executor.self) {
        $0.ready.beginRound()
        $0.chooseNext()
      }
      if TaskRef.current == nil { return }
      ThisCPU.runChosen()
    }
  }
}
