// TaskGroup: child tasks whose values are awaited as they come.
import Swift

/// Child tasks of one scope.
///
/// Values come in the order in which children end. Children that can fail yield a `Result`: Embedded Swift has
/// no `any Error`, so there is no throwing group.
@frozen public struct TaskGroup<ChildTaskResult: Sendable>: AsyncSequence, AsyncIteratorProtocol {
  /// What a child returns.
  public typealias Element = ChildTaskResult
  /// Awaiting a child does not fail.
  public typealias Failure = Never

  @usableFromInline internal let state: GroupState<ChildTaskResult>

  @usableFromInline internal init(_ state: GroupState<ChildTaskResult>) { self.state = state }

  /// Starts `operation` as a child.
  @_alwaysEmitIntoClient
  public mutating func addTask(
    priority: TaskPriority? = nil, operation: sending @escaping @isolated(any) () async -> ChildTaskResult
  ) {
    let state = state
    state.started()
    let child = Task(priority: priority) { () async -> () in
      let value = await operation()
      // The books are the group's home CPU's (I1).
      await _visit(state.home)
      state.ended(value)
    }
    state.keep(child)
  }

  /// The next value, or nil when no child is left.
  @_alwaysEmitIntoClient
  public mutating func next() async -> ChildTaskResult? {
    await _visit(state.home)
    while true {
      if let value = state.take() { return value }
      if state.isEmpty { return nil }
      state.waiter = _currentTask()
      await _groupPark()
    }
  }

  /// The same, for `for await`.
  @_alwaysEmitIntoClient
  public mutating func next(isolation actor: isolated (any Actor)?) async -> ChildTaskResult? {
    await next()
  }

  /// The group itself.
  public func makeAsyncIterator() -> TaskGroup { self }

  /// Waits for every child and drops their values.
  @_alwaysEmitIntoClient
  public mutating func waitForAll() async { while await next() != nil {} }

  /// Cancels every child, present and future.
  public func cancelAll() { state.cancelAll() }

  /// Whether no child runs and no value waits.
  public var isEmpty: Bool { state.isEmpty }
}

/// Runs `body` with a group and waits for all children before it returns; cancellation of the task reaches them.
@_alwaysEmitIntoClient
public func withTaskGroup<ChildTaskResult: Sendable, GroupResult>(
  of childTaskResultType: ChildTaskResult.Type = ChildTaskResult.self,
  returning returnType: GroupResult.Type = GroupResult.self,
  body: (inout TaskGroup<ChildTaskResult>) async -> GroupResult
) async -> GroupResult {
  let state = GroupState<ChildTaskResult>()
  var group = TaskGroup(state)
  return await withTaskCancellationHandler(
    operation: {
      let result = await body(&group)
      await group.waitForAll()
      return result
    }, onCancel: { state.cancelAll() })
}

/// A group's books; touched only on its home CPU, but for children being added.
@usableFromInline
internal final class GroupState<Value: Sendable>: @unchecked Sendable {
  private final class Node {
    let value: Value
    var next: Node?
    init(_ value: Value) { self.value = value }
  }
  private final class Child {
    let task: Task<(), Never>
    let next: Child?
    init(_ task: Task<(), Never>, _ next: Child?) {
      self.task = task
      self.next = next
    }
  }

  @usableFromInline let home: UInt32 = _thisCPU()
  @usableFromInline var waiter: Int = 0
  private var first: Node?
  private var last: Node?
  private var running = 0
  private var children: Child?
  private var isCancelled = false

  @usableFromInline init() {}

  @usableFromInline func started() { running += 1 }

  @usableFromInline func keep(_ task: Task<(), Never>) {
    children = Child(task, children)
    if isCancelled { task.cancel() }
  }

  @usableFromInline func ended(_ value: Value) {
    running -= 1
    let node = Node(value)
    if let tail = last { tail.next = node } else { first = node }
    last = node
    let task = waiter
    waiter = 0
    if task != 0 { _unparkTask(task) }
  }

  @usableFromInline func take() -> Value? {
    guard let node = first else { return nil }
    first = node.next
    if first == nil { last = nil }
    return node.value
  }

  @usableFromInline var isEmpty: Bool { running == 0 && first == nil }

  @usableFromInline func cancelAll() {
    isCancelled = true
    var child = children
    while let here = child {
      here.task.cancel()
      child = here.next
    }
  }
}

@_silgen_name("apus_visit") @usableFromInline
internal nonisolated(nonsending) func _visit(_ cpu: UInt32) async
@_silgen_name("apus_group_park") @usableFromInline
internal nonisolated(nonsending) func _groupPark() async
@_silgen_name("apus_this_cpu_number") @usableFromInline
internal func _thisCPU() -> UInt32
@_silgen_name("apus_current_task_word") @usableFromInline
internal func _currentTask() -> Int
@_silgen_name("apus_unpark_task_word") @usableFromInline
internal func _unparkTask(_ task: Int)
