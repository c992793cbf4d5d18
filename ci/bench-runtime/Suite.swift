// Suite: what is measured of the task runtime, in this order, by one task on one CPU.
import TaskRuntime
import Tasks

/// The measuring task (runtime.md §5: batches, warmed up, in-line readings on both sides).
///
/// Every figure is the batch's whole cost over its operations, the executor's passes included.
public final class Suite: @unchecked Sendable {
  let host: BenchHost

  /// A suite on `host`.
  public init(_ host: BenchHost) { self.host = host }

  /// Measures everything and prints it between two lines.
  public nonisolated(nonsending) func run() async {
    host.write("-----BEGIN APUS BENCH-----\n")
    do throws(SpawnError) {
      emptyLoop()
      try await memoryOfTasks()
      try await wakes()
      try await yields(1)
      try await yields(2)
      try await yields(10)
      try await yields(100)
      try await yields(1000)
      try await spawns()
      try await closures()
      await channel()
      try await roundTrips()
      try await events()
      try await timers()
      await calls()
      await children()
      await actorCalls()
      host.write("-----END APUS BENCH-----\n")
    } catch {
      host.write("out of memory\n")
    }
    host.end()
  }

  // The loop whose cost is subtracted; one load of it keeps the compiler from removing it.
  private func emptyLoop() {
    let operations: UInt64 = 100_000
    let batch = Batch(host)
    var turn: UInt64 = 0
    while turn < operations {
      turn &+= 1
      _ = ThisCPU.hasPending
    }
    batch.end("empty loop", operations: operations)
  }

  /// Lets the tasks that were started run to their first suspension, or to their end.
  nonisolated(nonsending) func settle() async {
    for _ in 0..<4 { await Leaf.yield() }
  }

  // Bytes that the pools take for a thousand suspended tasks with closures.
  private nonisolated(nonsending) func memoryOfTasks() async throws(SpawnError) {
    let before = host.taskBytes()
    let gate = Event()
    for _ in 0..<1000 { try spawn("waiter") { try? await gate.wait() } }
    await settle()
    let bytes = host.taskBytes() &- before
    gate.set()
    await settle()
    host.write("{\"metric\":\"memory per task\",\"count\":1000,\"operations\":1000,\"bytes\":")
    host.write(bytes)
    host.write("}\n")
  }
}
