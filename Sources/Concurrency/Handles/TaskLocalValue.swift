// TaskLocalValue: a value that a task and its async-let children see while a scope lasts: our substitute for `TaskLocal`.
import AsyncEntry

/// A value bound to the running task for the time of a scope (`with`).
///
/// The innermost scope holds. Children started by `async let` see what their parent saw when they began; a task of its own
/// (`spawn`, `Task {}`) sees nothing: hand the value to it. (The language's `@TaskLocal` needs metadata that Embedded Swift does
/// not have, and copies its values into every task.) Looking one up walks the task's open scopes.
@safe public final class TaskLocalValue<Value: Sendable>: Sendable {
  private final class Box {
    let value: Value
    init(_ value: Value) { self.value = value }
  }

  /// A value that no scope has set yet.
  public init() {}

  /// The value of the innermost scope that the running task is in; nil outside all of them, and outside tasks.
  public var value: Value? {
    guard let task = TaskRef.current else { return nil }
    var record = unsafe task.pointer.pointee.records
    // Records lie in frames and boxes that their scopes keep until they have removed them.
    while let entry = unsafe record {
      if unsafe entry.pointee.kind == RecordKind.inherited {
        unsafe record = unsafe entry.pointee.payload?.assumingMemoryBound(to: apus_record.self)
        continue
      }
      if unsafe entry.pointee.kind == RecordKind.local, unsafe entry.pointee.payload == key,
        let box = unsafe UnsafeRawPointer(bitPattern: UInt(entry.pointee.words.0))
      {
        return unsafe Unmanaged<Box>.fromOpaque(box)._withUnsafeGuaranteedRef { $0.value }
      }
      unsafe record = unsafe entry.pointee.next
    }
    return nil
  }

  /// Runs `operation`, in which this has `value`.
  public nonisolated(nonsending) func with<Result, Failure: Error>(
    _ value: Value, _ operation: nonisolated(nonsending) () async throws(Failure) -> Result
  ) async throws(Failure) -> Result {
    let scope = open(value)
    do throws(Failure) {
      let result = try await operation()
      close(scope)
      return result
    } catch {
      close(scope)
      throw error
    }
  }

  private var key: UnsafeMutableRawPointer { unsafe Unmanaged.passUnretained(self).toOpaque() }

  private func open(_ value: Value) -> UInt {
    let record = UnsafeMutablePointer<apus_record>.allocate(capacity: 1)
    unsafe record.initialize(to: apus_record())
    unsafe record.pointee.kind = RecordKind.local
    unsafe record.pointee.payload = unsafe key
    unsafe record.pointee.words.0 = unsafe UInt64(
      UInt(bitPattern: Unmanaged.passRetained(Box(value)).toOpaque()))
    unsafe Records.push(record, on: TaskRef.running.pointer)
    return UInt(bitPattern: record)
  }

  private func close(_ scope: UInt) {
    guard let record = unsafe UnsafeMutablePointer<apus_record>(bitPattern: scope) else { return }
    unsafe Records.remove(record, from: TaskRef.running.pointer)
    if let box = unsafe UnsafeRawPointer(bitPattern: UInt(record.pointee.words.0)) {
      unsafe Unmanaged<Box>.fromOpaque(box).release()
    }
    unsafe record.deallocate()
  }
}
