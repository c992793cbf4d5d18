// Executor+Tasks: a task's beginning and end, and messages to other CPUs.
import Tasks

extension Executor {
  /// A new task of this CPU.
  @inline(__always) mutating func spawned(_ task: TaskRef) {
    counts.spawned &+= 1
    task.identifier = nextIdentifier
    nextIdentifier = nextIdentifier == .max ? 1 : nextIdentifier &+ 1
    list(task)
    trace.spawned(task, clock)
    task.state = .active
    trace.ready(task, clock)
    // Tasks are started in numbers: the lists at once, unless it is the only one.
    if ready.isEmpty { ready.push(task) } else { ready.pushToLists(task) }
  }

  @inline(__always) private mutating func list(_ task: TaskRef) {
    task.listed = tasks
    task.listedPrevious = nil
    if let first = tasks { first.listedPrevious = task }
    tasks = task
  }

  @inline(__always) private mutating func unlist(_ task: TaskRef) {
    if let before = task.listedPrevious { before.listed = task.listed } else { tasks = task.listed }
    if let after = task.listed { after.listedPrevious = task.listedPrevious }
  }

  /// Lists a task that arrived at its home, unless it is listed there already.
  mutating func adopt(_ task: TaskRef) {
    if task.listedPrevious == nil, tasks != task { list(task) }
  }

  /// Takes a task out of this CPU's list for its new home to list.
  mutating func disown(_ task: TaskRef) {
    unlist(task)
    task.listed = nil
    task.listedPrevious = nil
  }

  /// The current task's function has returned, at its home.
  @inline(__always) mutating func ended(_ task: TaskRef) {
    counts.ended &+= 1
    trace.ended(task, clock)
    unlist(task)
  }

  /// Hands a suspended task, or the wake of one, to CPU `cpu`: one locked push, a kick only if it rests.
  mutating func send(_ task: TaskRef, to cpu: UInt16) {
    post(.wake, task, cpu)
  }

  /// Tells CPU `cpu` to look at a task's cancellation.
  mutating func sendCancellation(of task: TaskRef, to cpu: UInt16) {
    post(.cancel, task, cpu)
  }

  @inline(__always)
  private mutating func post(_ kind: InboxMessage.Kind, _ task: TaskRef, _ cpu: UInt16) {
    guard let message = InboxMessage(kind, node: task.word) else { return }
    let target = OwnerLine<HardwareMemory>(
      word: table.ownerWord(Int(cpu)), inbox: Inbox(head: table.inboxHead(Int(cpu))))
    if target.post(message, in: memory) == .kick {
      counts.kicks &+= 1
      ThisCPU.kick(cpu)
    }
  }

  /// Calls `body` with every task of the calling CPU, at most `limit` of them.
  public static func forEachTask(limit: Int, _ body: (TaskRef) -> Void) {
    var next = ThisCPU.withExecutor(Executor.self) { $0.tasks }
    var left = limit
    while let task = next, left > 0 {
      body(task)
      next = task.listed
      left &-= 1
    }
  }

  /// Whether the calling CPU has no task but the running one.
  public static var livesAlone: Bool {
    var count = 0
    forEachTask(limit: 2) { _ in count &+= 1 }
    return count < 2
  }

  /// The calling CPU's counters.
  public static var currentCounts: ExecutorCounts {
    ThisCPU.withExecutor(Executor.self) { $0.counts }
  }
}

extension TaskRef {
  /// Changes the CPU that the running task belongs to; it moves there at its next hop, at its end at the latest.
  ///
  /// False, and nothing changed, unless the task runs at its home and there is a CPU `cpu`. On its way the
  /// task is in no CPU's list of tasks.
  public func setHome(_ cpu: UInt16) -> Bool {
    guard self == TaskRef.current, home == ThisCPU.index else { return false }
    if cpu == home { return true }
    return ThisCPU.withExecutor(Executor.self) {
      guard Int(cpu) < $0.table.count else { return false }
      $0.disown(self)
      home = cpu
      return true
    }
  }
}
