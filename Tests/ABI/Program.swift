// Program: the conformance sources as a program that is compiled against the toolchain's embedded _Concurrency.
import _Concurrency

@_extern(c, "abi_record") func abiRecord(_ task: Int, _ event: Int)
@_extern(c, "abi_done") func abiDone()

final class Events: Recorder, @unchecked Sendable {
  func record(_ task: Int, _ event: Int) { abiRecord(task, event) }
}

/// Starts the conformance sources; returns at once.
@_cdecl("abi_start") public func start() {
  Task {
    await conformance(Events())
    abiDone()
  }
}
