// CancellationHandler: scopes in which a handler runs when the task is cancelled.
import Swift

/// Holds a cancellation handler's closure while its scope is open; the closure runs at most once.
public final class CancellationHandler {
  private let handler: () -> ()
  private var called = false

  init(_ handler: @escaping () -> ()) { self.handler = handler }

  /// Runs the closure, the first time.
  public func call() {
    if called { return }
    called = true
    handler()
  }
}

/// Runs `operation`; if the task is cancelled meanwhile (or already was), `handler` runs, once, on the
/// CPU that has the task.
@_alwaysEmitIntoClient
public nonisolated(nonsending) func withTaskCancellationHandler<Value, Failure: Error>(
  operation: nonisolated(nonsending) () async throws(Failure) -> Value,
  onCancel handler: @escaping @Sendable () -> ()
) async throws(Failure) -> Value {
  let box = _makeHandler(handler)
  let record = _pushHandler(Builtin.bridgeToRawPointer(box))
  defer {
    _popHandler(record)
    _fixLifetime(box)
  }
  return try await operation()
}

@usableFromInline internal func _makeHandler(_ handler: @escaping () -> ()) -> CancellationHandler {
  CancellationHandler(handler)
}

@_silgen_name("apus_push_cancellation_handler") @usableFromInline
internal func _pushHandler(_ handler: Builtin.RawPointer) -> Builtin.RawPointer
@_silgen_name("apus_pop_cancellation_handler") @usableFromInline
internal func _popHandler(_ record: Builtin.RawPointer)
