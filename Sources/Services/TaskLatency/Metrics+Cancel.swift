// Metrics+Cancel: the time from a cancellation to the throw of the leaf that it ends.
import Latency
import TaskRuntime
import Tasks
import _Concurrency

/// A task that waits for what never comes, until it is cancelled.
enum Cancelled {
  /// Starts it; its end is a reading. (`Task`, because only that has `cancel`.)
  static func start(_ bench: LatencyBench) -> Task<Bool, Never> {
    Task { () -> Bool in
      let never = Event()
      do throws(WaitError) { try await never.wait() } catch {
        bench.stop()
        return error == .cancelled
      }
      return false
    }
  }
}

/// L16: cancel() until the cancelled leaf has thrown and its task runs.
final class CancelToThrow: LatencyMetric {
  let number: UInt8 = 16
  let key = "L16"
  let title = "cancel to the leaf's throw in its task"
  var sampleLimit: UInt64 { 20_000 }
  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    for _ in 0..<count {
      let waiter = Cancelled.start(bench)
      await Leaf.yield()
      bench.start = Stamp.now()
      waiter.cancel()
      await Leaf.yield()
    }
  }
  nonisolated(nonsending) func operations(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    for _ in 0..<count {
      let waiter = Cancelled.start(bench)
      await Leaf.yield()
      waiter.cancel()
      await Leaf.yield()
    }
  }
}
