// Executors: the declarations that the compiler looks up for isolation: executors and actors.
import Swift

/// A reference to the serial executor that an actor runs on (frozen: the compiler knows its layout,
/// runtime.md §9).
///
/// Here an actor's executor is the CPU where the actor was initialised.
@frozen public struct UnownedSerialExecutor: Sendable {
  /// The identity word (the actor, or null for "anywhere") and the implementation word (null).
  public var executor: Builtin.Executor

  /// Wraps what the compiler built.
  @inlinable public init(_ executor: Builtin.Executor) { self.executor = executor }
}

/// A unit of work as the compiler names it; on this runtime, a suspended task.
@frozen public struct UnownedJob: Sendable {
  internal var context: Builtin.Job
}

/// Something that runs jobs.
///
/// Custom executors are not supported: an actor runs on its home CPU.
public protocol Executor: AnyObject, Sendable {}

/// An executor that runs one job at a time.
public protocol SerialExecutor: Executor {}

/// Declared because the compiler looks it up; task executors are the CPUs.
public protocol TaskExecutor: Executor {}

/// A type whose state only one task touches at a time.
///
/// A default actor has a home CPU, the one that initialised it; a task that enters the actor from
/// another CPU is handed over to the home CPU and handed back afterwards (invariant I4).
public protocol Actor: AnyObject, Sendable {
  /// The executor of the actor, synthesised by the compiler.
  nonisolated var unownedExecutor: UnownedSerialExecutor { get }
}

/// An actor shared by everything marked with its type's name.
public protocol GlobalActor {
  /// The type of the shared actor.
  associatedtype ActorType: Actor
  /// The shared actor.
  static var shared: ActorType { get }
}

/// The isolation of the calling function, as the default value of an `isolated` parameter.
@freestanding(expression)
public macro isolation<T>() -> T = Builtin.IsolationMacro

/// Remembers the actor's home CPU.
@_silgen_name("swift_defaultActor_initialize")
public func _defaultActorInitialize(_ actor: AnyObject)

/// Nothing to undo.
@_silgen_name("swift_defaultActor_destroy")
public func _defaultActorDestroy(_ actor: AnyObject)

/// Called where code built for dynamic isolation checks enters; nothing to check: see I4.
@_transparent
public func _checkExpectedExecutor(
  _filenameStart: Builtin.RawPointer, _filenameLength: Builtin.Word,
  _filenameIsASCII: Builtin.Int1, _line: Builtin.Word, _executor: Builtin.Executor
) {}
