// Metrics+Load: many tasks, several CPUs, hogs, memory.
import Latency
import TaskRuntime
import Tasks

/// L11: one yield beside a task that works in slices: the wait is one slice, however long the work is.
final class WakeBesideSlices: LatencyMetric {
  let number: UInt8 = 11
  let key = "L11"
  let title = "yield beside long work in slices of 10,000 steps"
  var sampleLimit: UInt64 { 2_000 }
  var canBeCounted: Bool { false }
  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    let flag = Flag()
    try spawn("slices") {
      while !flag.isSet {
        for _ in 0..<10_000 { _ = ThisCPU.hasPending }
        await Leaf.yield()
      }
    }
    await Leaf.yield()
    for _ in 0..<count {
      bench.start = Stamp.now()
      await Leaf.yield()
      bench.stop()
    }
    flag.isSet = true
    await Leaf.yield()
  }
}

/// L12: a ring of N tasks, each wakes the next: a reading is one turn of the ring over N.
final class Ring: LatencyMetric {
  let number: UInt8 = 12
  private let tasks: Int
  init(_ tasks: Int) { self.tasks = tasks }
  var key: String { "L12/\(tasks)" }
  var title: String { "wake in a ring of \(tasks) tasks" }
  var canBeCounted: Bool { false }
  var sampleLimit: UInt64 { max(10, 500_000 / UInt64(tasks)) }
  func missing(_ host: LatencyHost) -> String? {
    tasks <= host.taskLimit ? nil : "memory for \(host.taskLimit) tasks"
  }

  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    bench.recorder.divisor = UInt64(tasks)
    let flag = Flag()
    var first = TaskRef.running
    for _ in 1..<tasks {
      let next = first
      first = try spawn("ring") { await flag.pass(to: next) }
    }
    for _ in 0..<4 { await Leaf.yield() }
    for turn in 0...count {
      // The last turn, which is no reading, ends the tasks as it passes them.
      flag.isSet = turn == count
      bench.start = Stamp.now()
      first.unpark()
      await Leaf.park()
      if turn < count { bench.stop() }
    }
    for _ in 0..<4 { await Leaf.yield() }
  }
}

/// L12: how much of one CPU's throughput each of all CPUs has when they work at once; no line is shared.
final class Scaling: LatencyMetric {
  let number: UInt8 = 12
  let key = "L12/scaling"
  let title = "throughput of each CPU when all work, of one alone"
  var unit: LatencyUnit { .basisPoints }
  var canBeCounted: Bool { false }
  var sampleLimit: UInt64 { 1 }
  var isSlow: Bool { true }
  func missing(_ host: LatencyHost) -> String? { host.cpus < 2 ? "one CPU" : nil }

  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    let host = bench.host
    // The best of ten turns each: whatever else the machine does only ever makes one slower.
    var alone = UInt64.max
    var together = UInt64.max
    for _ in 0..<10 {
      alone = min(alone, await Together.work())
      let words = host.shared
      // Word 8: CPUs that are ready; word 16: go; word 24: CPUs that have ended; word 25: the slowest's ticks.
      for word in [8, 16, 24, 25] { words[word].storeRelease(0) }
      for cpu in 1..<host.cpus {
        try spawn("load", on: UInt16(truncatingIfNeeded: cpu)) {
          Together.add(1, words[8])
          while words[16].loadAcquire() == 0 { AtomicCell.pause() }
          let ticks = await Together.work()
          Together.raise(ticks, words[25])
          Together.add(1, words[24])
        }
      }
      let others = UInt64(host.cpus &- 1)
      while words[8].loadAcquire() != others { AtomicCell.pause() }
      words[16].storeRelease(1)
      Together.raise(await Together.work(), words[25])
      while words[24].loadAcquire() != others { AtomicCell.pause() }
      together = min(together, max(1, words[25].loadAcquire()))
    }
    bench.recorder.record(alone &* 10_000 / together)
  }
}

/// What the CPUs of `Scaling` do.
enum Together {
  static func add(_ count: UInt64, _ cell: AtomicCell) {
    var old = cell.loadRelaxed()
    while true {
      let seen = cell.compareExchange(expected: old, desired: old &+ count)
      if seen == old { return }
      old = seen
    }
  }

  static func raise(_ value: UInt64, _ cell: AtomicCell) {
    var old = cell.loadRelaxed()
    while value > old {
      let seen = cell.compareExchange(expected: old, desired: value)
      if seen == old { return }
      old = seen
    }
  }

  /// Ticks of 400,000 yields of this CPU, its only task.
  static nonisolated(nonsending) func work() async -> UInt64 {
    for _ in 0..<1000 { await Leaf.yield() }
    let start = Stamp.now()
    for _ in 0..<400_000 { await Leaf.yield() }
    return Stamp.now() &- start
  }
}

/// L13: what the pools take for each of a thousand suspended tasks with closures.
final class TaskMemory: LatencyMetric {
  let number: UInt8 = 13
  let key = "L13"
  let title = "memory of a suspended task with a closure"
  var unit: LatencyUnit { .bytes }
  var canBeCounted: Bool { false }
  var isSlow: Bool { true }
  var sampleLimit: UInt64 { 1 }
  private static var tasks: UInt64 { 1024 }
  func missing(_ host: LatencyHost) -> String? {
    if host.taskBytes == nil { return "the host does not say" }
    return host.taskLimit < 2 &* Int(Self.tasks) ? "memory for \(host.taskLimit) tasks" : nil
  }
  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    guard let bytes = bench.host.taskBytes else { return }
    let gate = Event()
    let tasks = Self.tasks
    // More than any pool keeps, so that the blocks come from the host.
    for _ in 0..<tasks { try spawn("pool") { try? await gate.wait() } }
    await Leaf.yield()
    let before = bytes()
    for _ in 0..<tasks { try spawn("waiter") { try? await gate.wait() } }
    await Leaf.yield()
    bench.recorder.record((bytes() &- before) / tasks)
    gate.set()
    for _ in 0..<4 { await Leaf.yield() }
  }
}

/// L13: calls of the heap and of the pools' source while 10,000 wakes, messages and timers go by.
final class SteadyHeap: LatencyMetric {
  let number: UInt8 = 13
  let key = "L13/heap"
  let title = "heap and pool calls in 10,000 wakes, channel words and static tasks"
  var unit: LatencyUnit { .count }
  var canBeCounted: Bool { false }
  var isSlow: Bool { true }
  var sampleLimit: UInt64 { 3 }
  func missing(_ host: LatencyHost) -> String? {
    host.heapCalls == nil ? "this host does not count the calls of its heap" : nil
  }
  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    guard let calls = bench.host.heapCalls else { return }
    let channel = Channel<UInt64, 16>()
    let own = TaskRef.running
    for round in 0...count {
      let partner = try spawn("partner") {
        for _ in 0..<10_000 {
          await Leaf.park()
          own.unpark()
        }
      }
      await Leaf.yield()
      let before = calls() &+ ThisCPU.poolMisses
      for turn in 0..<10_000 as Range<UInt64> {
        partner.unpark()
        await Leaf.park()
        try? channel.send(turn)
        _ = try? await channel.receive()
        try spawn("static") {}
        await Leaf.yield()
      }
      let made = calls() &+ ThisCPU.poolMisses &- before
      // The first round fills the pools.
      if round > 0 { bench.recorder.record(made) }
    }
  }
}

/// L17: how long a task waits to run beside eight hogs that use their whole budget in every run.
final class Fairness: LatencyMetric {
  let number: UInt8 = 17
  let key = "L17"
  let title = "ready to run beside eight hogs, each on its full budget"
  var sampleLimit: UInt64 { 5_000 }
  var canBeCounted: Bool { false }
  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    let flag = Flag()
    for _ in 0..<8 {
      try spawn("hog") {
        let channel = Channel<UInt64, 16>()
        // Never suspends by itself: the leaf's budget must do it (I3).
        while !flag.isSet {
          try? channel.send(1)
          _ = try? await channel.receive()
        }
      }
    }
    await Leaf.yield()
    for _ in 0..<count {
      bench.start = Stamp.now()
      await Leaf.yield()
      bench.stop()
    }
    flag.isSet = true
    for _ in 0..<4 { await Leaf.yield() }
  }
}

/// L17: the spread of five tasks' counters after a thousand rounds (Thread-Metric's check: at most 1).
final class Spread: LatencyMetric {
  let number: UInt8 = 17
  let key = "L17/spread"
  let title = "largest less smallest of five yielding tasks' counters"
  var unit: LatencyUnit { .count }
  var canBeCounted: Bool { false }
  var sampleLimit: UInt64 { 100 }
  private final class Counters: @unchecked Sendable {
    var counts = [UInt64](repeating: 0, count: 5)
    var isDone = false
  }
  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    for _ in 0..<count {
      let counters = Counters()
      for index in 0..<5 {
        try spawn("counter") {
          while !counters.isDone {
            counters.counts[index] &+= 1
            await Leaf.yield()
          }
        }
      }
      for _ in 0..<1000 { await Leaf.yield() }
      let largest = counters.counts.max() ?? 0
      let smallest = counters.counts.min() ?? 0
      bench.recorder.record(largest &- smallest)
      counters.isDone = true
      for _ in 0..<4 { await Leaf.yield() }
    }
  }
}

/// L18: instructions from the machine's entry until the suite began.
final class BootInstructions: LatencyMetric {
  let number: UInt8 = 18
  let key = "L18"
  let title = "instructions from entry to the suite's first"
  var unit: LatencyUnit { .count }
  var canBeCounted: Bool { false }
  var isSlow: Bool { true }
  var sampleLimit: UInt64 { 1 }
  func missing(_ host: LatencyHost) -> String? {
    host.bootInstructions == nil ? "instructions are counted with --icount only" : nil
  }
  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    bench.recorder.record(bench.host.bootInstructions ?? 0)
  }
}
