// Suite+Leaves: channels, events and timers.
import TaskRuntime
import Tasks

private final class Pair: @unchecked Sendable {
  let there = Channel<UInt64, 16>()
  let back = Channel<UInt64, 16>()
  let first = Event()
  let second = Event()

  nonisolated(nonsending) func echo() async {
    while let word = try? await there.receive() { try? back.send(word) }
  }

  nonisolated(nonsending) func answer(_ turns: UInt64) async {
    for _ in 0..<turns {
      try? await first.wait()
      first.reset()
      second.set()
    }
  }
}

extension Suite {
  // A send and a receive that need not wait, by one task.
  nonisolated(nonsending) func channel() async {
    let operations: UInt64 = 100_000
    let channel = Channel<UInt64, 16>()
    let batch = Batch(host)
    for turn in 0..<operations {
      try? channel.send(turn)
      _ = try? await channel.receive()
    }
    batch.end("channel send and receive", operations: operations)
  }

  // A message to a waiting task, and its answer: two sends, two receives, two wakes.
  nonisolated(nonsending) func roundTrips() async throws(SpawnError) {
    let operations: UInt64 = 100_000
    let pair = Pair()
    try spawn("echo") { await pair.echo() }
    await settle()
    let batch = Batch(host)
    for turn in 0..<operations {
      try? pair.there.send(turn)
      _ = try? await pair.back.receive()
    }
    batch.end("channel round trip", operations: operations)
    pair.there.close()
    await settle()
  }

  // An iteration is two sets, each of which ends another task's wait.
  nonisolated(nonsending) func events() async throws(SpawnError) {
    let turns: UInt64 = 100_000
    let pair = Pair()
    try spawn("event") { await pair.answer(turns) }
    await settle()
    let batch = Batch(host)
    for _ in 0..<turns {
      pair.first.set()
      try? await pair.second.wait()
      pair.second.reset()
    }
    batch.end("event set to run", operations: turns &* 2)
    await settle()
  }

  // One timer put in and taken out beside 1 to 100,000 that are armed.
  nonisolated(nonsending) func timers() async throws(SpawnError) {
    var nodes: [TaskRef] = []
    nodes.reserveCapacity(100_001)
    for _ in 0..<100_001 { nodes.append(try spawn("armed") { await Leaf.park() }) }
    await settle()
    timers(nodes, 1)
    timers(nodes, 10)
    timers(nodes, 100)
    timers(nodes, 1000)
    timers(nodes, 10_000)
    timers(nodes, 100_000)
    for node in nodes { node.unpark() }
    await settle()
  }

  private func timers(_ nodes: [TaskRef], _ armed: Int) {
    let operations: UInt64 = 100_000
    var queue = TimerQueue<TaskRef>(now: 0)
    var random: UInt64 = 0x9E37_79B9_7F4A_7C15
    let own = nodes[0]
    for index in 1...armed {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      queue.insert(nodes[index], deadline: random >> 34)
    }
    let batch = Batch(host)
    for _ in 0..<operations {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      queue.insert(own, deadline: random >> 34)
      queue.cancel(own)
    }
    batch.end("timer insert and cancel", count: UInt64(armed), operations: operations)
    for index in 1...armed { queue.cancel(nodes[index]) }
  }
}
