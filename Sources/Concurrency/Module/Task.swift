// Task: a unit of asynchronous work, its value, and cancellation.
import Swift

/// Says that a task was cancelled. (A struct as in the language; thrown typed.)
@frozen public struct CancellationError: Error, Equatable {
  /// The only value.
  @inlinable public init() {}
}

/// A running or finished piece of asynchronous work.
///
/// The task starts on the calling CPU and stays its property (owner rule, I1). Memory comes from the
/// CPU's pools; when they are exhausted this initialiser ends the machine with a report, so kernel
/// rooms use `spawn`, which throws instead (a rule of the house; lint does not check it yet).
@frozen public struct Task<Success: Sendable, Failure: Error>: Sendable {
  @usableFromInline internal let _task: Builtin.NativeObject

  @usableFromInline internal init(_ task: Builtin.NativeObject) { _task = task }

  /// Starts `operation` as a task of its own, on this CPU, at `priority` (the current one if nil).
  @discardableResult @_alwaysEmitIntoClient
  public init(
    priority: TaskPriority? = nil,
    @_inheritActorContext @_implicitSelfCapture
    operation: sending @escaping @isolated(any) () async throws(Failure) -> Success
  ) {
    let flags = TaskCreateFlags.make(priority, enqueue: true)
    let (task, _) = Builtin.createTask(
      flags: flags,
      operation: { () async -> Result<Success, Failure> in
        do throws(Failure) { return .success(try await operation()) } catch { return .failure(error) }
      })
    _task = task
  }

  /// Starts `operation` as a task that takes over nothing from its creator.
  @discardableResult @_alwaysEmitIntoClient
  public static func detached(
    priority: TaskPriority? = nil,
    operation: sending @escaping @isolated(any) () async throws(Failure) -> Success
  ) -> Task {
    Task(priority: priority ?? .medium, operation: operation)
  }

  /// How the task ended, when it is done.
  @_alwaysEmitIntoClient
  public var result: Result<Success, Failure> {
    get async {
      await _waitForTask(_task)
      return UnsafePointer<Result<Success, Failure>>(_taskResult(_task)).pointee
    }
  }

  /// Sets the task's cancellation flag and runs its cancellation handlers, once.
  public func cancel() { _taskCancel(_task) }

  /// Whether the task was cancelled.
  public var isCancelled: Bool { _taskIsCancelled(_task) }
}

extension Task where Failure == Never {
  /// The task's value, when it is done; suspends until then.
  @_alwaysEmitIntoClient public var value: Success {
    get async {
      switch await result {
      case .success(let value): return value
      }
    }
  }
}

extension Task {
  /// The task's value, when it is done; suspends until then.
  ///
  /// Throws what the task threw.
  @_disfavoredOverload @_alwaysEmitIntoClient public var value: Success {
    get async throws(Failure) {
      switch await result {
      case .success(let value): return value
      case .failure(let error): throw error
      }
    }
  }
}

extension Task where Success == Never, Failure == Never {
  /// Whether the running task was cancelled.
  @_alwaysEmitIntoClient public static var isCancelled: Bool { _currentIsCancelled() }

  /// Throws if the running task was cancelled.
  @_alwaysEmitIntoClient public static func checkCancellation() throws(CancellationError) {
    if _currentIsCancelled() { throw CancellationError() }
  }

  /// Lets every other ready task of this CPU run before going on.
  @_alwaysEmitIntoClient public static func yield() async { await _yield() }

  /// The priority level of the running task as a priority.
  public static var currentPriority: TaskPriority { _currentPriority() }
}

@usableFromInline internal enum TaskCreateFlags {
  /// Bits of `swift_task_create`'s first argument: priority in the low byte, 0x1000 = enqueue.
  @usableFromInline static func make(_ priority: TaskPriority?, enqueue: Bool) -> Int {
    Int(priority?.rawValue ?? 0) | (enqueue ? 0x1000 : 0)
  }
}

// Leaves written in assembly (Entry.S) and the runtime's plain entry points.
@_silgen_name("apus_park") @usableFromInline
internal nonisolated(nonsending) func _park() async
@_silgen_name("apus_yield") @usableFromInline
internal nonisolated(nonsending) func _yield() async
@_silgen_name("apus_wait_for_task") @usableFromInline
internal nonisolated(nonsending) func _waitForTask(_ task: Builtin.NativeObject) async
@_silgen_name("apus_task_result") @usableFromInline
internal func _taskResult(_ task: Builtin.NativeObject) -> Builtin.RawPointer
@_silgen_name("apus_task_cancel") @usableFromInline
internal func _taskCancel(_ task: Builtin.NativeObject)
@_silgen_name("apus_task_is_cancelled") @usableFromInline
internal func _taskIsCancelled(_ task: Builtin.NativeObject) -> Bool
@_silgen_name("apus_current_is_cancelled") @usableFromInline
internal func _currentIsCancelled() -> Bool
@_silgen_name("apus_current_priority") @usableFromInline
internal func _currentPriority() -> TaskPriority

/// Creates a task that its creator will make ready, for `spawn`; 0 if there is no memory for it.
///
/// The word is the task's header. Nobody but the runtime holds a reference: there is no handle to await. A closure
/// without a result is passed as it is: `Builtin.createTask` would wrap it twice, each time on the heap.
@_silgen_name("apus_spawn_task")
public func _tryCreateTask(_ operation: __owned sending @escaping () async -> ()) -> Int
