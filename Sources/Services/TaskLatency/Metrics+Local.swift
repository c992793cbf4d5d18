// Metrics+Local: one CPU: the empty probe, spawns, yields, wakes, cancellation.
import Latency
import TaskRuntime
import Tasks

/// L0: two readings of the counter with nothing between.
final class EmptyProbe: LatencyMetric {
  let number: UInt8 = 0
  let key = "L0"
  let title = "empty probe: two readings of the counter"
  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    for _ in 0..<count {
      bench.start = Stamp.now()
      bench.stop()
    }
  }
  nonisolated(nonsending) func operations(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    for _ in 0..<count {
      bench.start = Stamp.now()
      _ = Stamp.now()
    }
  }
}

/// L1: the call of spawn until the child's first instruction; the spawner yields at once.
final class SpawnToRun: LatencyMetric {
  let number: UInt8 = 1
  let key = "L1"
  let title = "spawn to the child's first instruction"
  var canBeCold: Bool { true }
  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    for _ in 0..<count {
      bench.cool()
      bench.start = Stamp.now()
      try spawn("child") { bench.stop() }
      await Leaf.yield()
    }
  }
  nonisolated(nonsending) func operations(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    for _ in 0..<count {
      try spawn("child") { bench.start = 0 }
      await Leaf.yield()
    }
  }
}

/// L1: a static task started, run and ended, seen by its spawner: its memory is free again.
final class SpawnRunEnd: LatencyMetric {
  let number: UInt8 = 1
  let key = "L1/static"
  let title = "static task: spawn, run, end, back in the spawner"
  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    for _ in 0..<count {
      bench.start = Stamp.now()
      try spawn("static") {}
      await Leaf.yield()
      bench.stop()
    }
  }
  nonisolated(nonsending) func operations(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    for _ in 0..<count {
      try spawn("static") {}
      await Leaf.yield()
    }
  }
}

/// Tells tasks to end.
final class Flag: @unchecked Sendable {
  var isSet = false
  nonisolated(nonsending) func yieldUntilSet() async { while !isSet { await Leaf.yield() } }
  /// Passes every wake on, until one comes when the flag is set.
  nonisolated(nonsending) func pass(to next: TaskRef) async {
    while !isSet {
      await Leaf.park()
      next.unpark()
    }
  }
}

/// L2: one yield among N tasks that all yield; a reading is a round over N.
final class Yield: LatencyMetric {
  let number: UInt8 = 2
  private let tasks: UInt64
  init(_ tasks: UInt64) { self.tasks = tasks }
  var key: String { "L2/\(tasks)" }
  var title: String { "yield among \(tasks)" }
  var sampleLimit: UInt64 { max(100, 1_000_000 / tasks) }

  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    bench.recorder.divisor = tasks
    let flag = try await ring()
    for _ in 0..<count {
      bench.start = Stamp.now()
      await Leaf.yield()
      bench.stop()
    }
    await stop(flag)
  }

  nonisolated(nonsending) func operations(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    let flag = try await ring()
    for _ in 0..<max(1, count / tasks) { await Leaf.yield() }
    await stop(flag)
  }
  // 64 and 128 operations are no whole rounds; and a reading of a thousand yields is fine enough by itself.
  var canBeCounted: Bool { tasks <= 2 }
  var canBeBatched: Bool { tasks <= 10 }

  private nonisolated(nonsending) func ring() async throws(SpawnError) -> Flag {
    let flag = Flag()
    for _ in 1..<tasks { try spawn("yielder") { await flag.yieldUntilSet() } }
    for _ in 0..<4 { await Leaf.yield() }
    return flag
  }

  private nonisolated(nonsending) func stop(_ flag: Flag) async {
    flag.isSet = true
    for _ in 0..<4 { await Leaf.yield() }
  }
}

/// L3: a task wakes another and parks; the other's first instruction behind its park ends the reading.
final class WakeToRun: LatencyMetric, @unchecked Sendable {
  let number: UInt8 = 3
  let key = "L3"
  let title = "wake to run, same CPU"
  var canBeCold: Bool { true }

  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    let own = TaskRef.running
    let partner = try spawn("partner") {
      for _ in 0..<count {
        await Leaf.park()
        bench.stop()
        own.unpark()
      }
    }
    await Leaf.yield()
    let runs = own.runs
    for _ in 0..<count {
      bench.cool()
      bench.start = Stamp.now()
      partner.unpark()
      await Leaf.park()
    }
    // The entry code and the executor count runs, each its own.
    if TraceLevel.current != .off, own.runs &- runs != UInt32(truncatingIfNeeded: count) {
      ThisCPU.fatal("a run was not counted")
    }
    await Leaf.yield()
  }

  // An operation is one wake and its run: two tasks wake each other.
  nonisolated(nonsending) func operations(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    let own = TaskRef.running
    let partner = try spawn("partner") {
      for _ in 0..<count / 2 {
        await Leaf.park()
        own.unpark()
      }
    }
    await Leaf.yield()
    for _ in 0..<count / 2 {
      partner.unpark()
      await Leaf.park()
    }
    await Leaf.yield()
  }
}
