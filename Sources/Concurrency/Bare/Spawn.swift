// Spawn: starting a task in kernel rooms: named, at a level, on a CPU, and able to fail.
import AsyncEntry
import _Concurrency

/// Why a task could not be started.
public enum SpawnError: Error, Equatable, Sendable {
  /// The CPU's pools and the host have no block for it.
  case outOfMemory
}

/// Starts `operation` as a task of this CPU.
///
/// - Parameters:
///   - name: shown in traces and reports.
///   - level: ready-queue level, 0 (most urgent) to 7; 2 is normal.
///   - cpu: the CPU the task belongs to; nil for the calling one.
/// - Throws: `outOfMemory`; then nothing was started and `operation` is dropped.
@discardableResult
public func spawn(
  _ name: StaticString, level: UInt8 = TaskLevel.normal, on cpu: UInt16? = nil,
  file: StaticString = #fileID, line: UInt32 = #line,
  _ operation: sending @escaping () async -> Void
) throws(SpawnError) -> TaskRef {
  guard let task = unsafe UnsafeMutablePointer<apus_task>(bitPattern: _tryCreateTask(operation)) else {
    throw .outOfMemory
  }
  let reference = unsafe TaskRef(task)
  reference.level = level
  reference.describe(name: name, file: file, line: line)
  if let cpu, cpu != ThisCPU.index {
    reference.home = cpu
    reference.place = cpu
    reference.state = .moving
    RuntimeHooks.send(reference, cpu)
  } else {
    RuntimeHooks.spawned(reference)
  }
  return reference
}
