// Metrics+Time: interrupts, deadlines, and the timer queue.
import Latency
import TaskRuntime
import Tasks

/// F4: the handler's first instruction until the interrupted code goes on.
final class BareInterrupt: LatencyMetric {
  let number: UInt8 = 4
  let key = "F4"
  let title = "floor: interrupt handler's first instruction to the interrupted code"
  var canBeCounted: Bool { false }
  var sampleLimit: UInt64 { 20_000 }
  func missing(_ host: LatencyHost) -> String? { host.interrupt == nil ? "no interrupt to raise" : nil }
  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    guard let interrupt = bench.host.interrupt, let stamp = bench.host.interruptStamp else { return }
    for _ in 0..<count {
      interrupt()
      let now = Stamp.now()
      bench.recorder.record(now &- stamp())
      // What the handler posted is nobody's.
      await Leaf.yield()
    }
    await InterruptToRun.drain()
  }
}

/// L4: the handler's first instruction until the task that waits for the interrupt runs.
final class InterruptToRun: LatencyMetric {
  let number: UInt8 = 4
  let key = "L4"
  let title = "interrupt handler's first instruction to the waiting task"
  var floor: String { "F4" }
  var canBeCounted: Bool { false }
  var sampleLimit: UInt64 { 20_000 }
  func missing(_ host: LatencyHost) -> String? { host.interrupt == nil ? "no interrupt to raise" : nil }
  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    guard let interrupt = bench.host.interrupt, let stamp = bench.host.interruptStamp else { return }
    let own = TaskRef.running
    await Self.drain()
    try spawn("handler") {
      for _ in 0..<count {
        do throws(WaitError) { try await Executor.waitForInterrupt(0) } catch { return }
        let now = Stamp.now()
        bench.recorder.record(now &- stamp())
        own.unpark()
      }
    }
    for _ in 0..<count {
      await Leaf.yield()
      interrupt()
      await Leaf.park()
    }
  }
  /// Takes a post that nobody waited for.
  static nonisolated(nonsending) func drain() async {
    for _ in 0..<4 { await Leaf.yield() }
    ThisCPU.postPending(1)
    _ = try? await Executor.waitForInterrupt(0)
  }
}

/// F7: the bare deadline: a rest that ends at a tick, without executor or timer queue.
final class BareDeadline: LatencyMetric {
  let number: UInt8 = 7
  let key = "F7"
  let title = "floor: deadline to behind the halt that it ends, no executor"
  var isSlow: Bool { true }
  var canBeCounted: Bool { false }
  func missing(_ host: LatencyHost) -> String? { host.rest == nil || !host.hasTimer ? "no timer" : nil }
  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    guard let rest = bench.host.rest else { return }
    var phase = Phase()
    for _ in 0..<count {
      let deadline = Stamp.now() &+ phase.ticks(bench.host)
      while Stamp.now() < deadline { rest(deadline) { Stamp.now() >= deadline } }
      bench.start = deadline
      bench.stop()
    }
  }
}

/// Deadlines at random phases, 50 to 150 µs away.
struct Phase {
  private var state: UInt64 = 0x9E37_79B9_7F4A_7C15
  mutating func ticks(_ host: LatencyHost) -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return host.kilohertz &* (50 &+ state % 100) / 1000
  }
}

/// L7: the CPU is halted; the deadline's interrupt ends that, and the idle task gives way to the sleeper.
final class IdleExit: LatencyMetric {
  let number: UInt8 = 7
  let key = "L7"
  let title = "idle exit: deadline to the task it wakes, CPU halted"
  var floor: String { "F7" }
  var isSlow: Bool { true }
  var canBeCounted: Bool { false }
  func missing(_ host: LatencyHost) -> String? { host.hasTimer ? nil : "no timer" }
  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    var phase = Phase()
    for _ in 0..<count {
      let deadline = ThisCPU.now &+ phase.ticks(bench.host)
      try? await Executor.sleep(until: deadline)
      let now = Stamp.now()
      if now < deadline { ThisCPU.fatal("a sleeper woke early") }
      bench.start = deadline
      bench.stop()
    }
  }
}

/// L8: lateness of a periodic task.
///
/// The schedule is fixed beforehand and never moved by a late wake-up, so that one long
/// delay counts for every period it swallows (no coordinated omission).
final class TimerLateness: LatencyMetric {
  let number: UInt8 = 8
  let key = "L8"
  let title = "periodic deadline (250 µs) to its task, schedule never moved"
  var floor: String { "F7" }
  var isSlow: Bool { true }
  var canBeCounted: Bool { false }
  func missing(_ host: LatencyHost) -> String? { host.hasTimer ? nil : "no timer" }
  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    let period = bench.host.kilohertz / 4
    var deadline = ThisCPU.now &+ period
    for _ in 0..<count {
      try? await Executor.sleep(until: deadline)
      let now = Stamp.now()
      if now < deadline { ThisCPU.fatal("a sleeper woke early") }
      bench.start = deadline
      bench.stop()
      deadline = deadline &+ period
    }
  }
}

/// L8: one timer put into the queue and taken out, beside N that are armed.
final class TimerQueueCost: LatencyMetric {
  let number: UInt8 = 8
  private let armed: Int
  init(_ armed: Int) { self.armed = armed }
  var key: String { "L8/\(armed)" }
  var title: String { "timer insert and cancel beside \(armed) armed" }
  var sampleLimit: UInt64 { 50_000 }
  var canBeBatched: Bool { false }
  func missing(_ host: LatencyHost) -> String? {
    armed <= host.timerLimit ? nil : "memory for \(host.timerLimit) tasks"
  }

  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    _ = try await run { nodes in
      Self.turn(nodes, [count], before: { bench.start = Stamp.now() }, after: { bench.stop() }, bench: nil)
    }
  }

  // The tasks and the armed timers are made outside what is counted: single steps are slow.
  nonisolated(nonsending) func counted(
    _ count: UInt64, _ bench: LatencyBench
  ) async throws(SpawnError) -> (instructions: UInt64, locked: UInt64?)? {
    let counts = try await run { Self.turn($0, [count, count &* 2], before: {}, after: {}, bench: bench) }
    guard counts.count == 2 else { return nil }
    return LatencyBench.difference(counts[1], counts[0])
  }

  private nonisolated(nonsending) func run(
    _ body: ([TaskRef]) -> [(instructions: UInt64, locked: UInt64?)]
  ) async throws(SpawnError) -> [(instructions: UInt64, locked: UInt64?)] {
    let gate = Event()
    // The nodes are in task headers, as in the executor's own queue.
    var nodes: [TaskRef] = []
    nodes.reserveCapacity(armed &+ 1)
    for _ in 0...armed { nodes.append(try spawn("armed") { try? await gate.wait() }) }
    for _ in 0..<4 { await Leaf.yield() }
    let counts = body(nodes)
    gate.set()
    for _ in 0..<4 { await Leaf.yield() }
    return counts
  }

  private static func turn(
    _ nodes: [TaskRef], _ batches: [UInt64], before: () -> Void, after: () -> Void, bench: LatencyBench?
  ) -> [(instructions: UInt64, locked: UInt64?)] {
    var queue = TimerQueue<TaskRef>(now: 0)
    var random: UInt64 = 0x9E37_79B9_7F4A_7C15
    func next() -> UInt64 {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return random >> 34
    }
    let own = nodes[0]
    for node in nodes.dropFirst() { queue.insert(node, deadline: next()) }
    var counts: [(instructions: UInt64, locked: UInt64?)] = []
    counts.reserveCapacity(2)
    for batch in batches {
      bench?.beginCount()
      for _ in 0..<batch {
        let deadline = next()
        before()
        queue.insert(own, deadline: deadline)
        _ = queue.cancel(own)
        after()
      }
      if let bench { counts.append(bench.endCount()) }
    }
    for node in nodes.dropFirst() { _ = queue.cancel(node) }
    return counts
  }
}
