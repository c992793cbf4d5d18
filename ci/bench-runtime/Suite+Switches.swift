// Suite+Switches: wakes, yields and the lives of tasks.
import TaskRuntime
import Tasks

/// Tells tasks to end.
private final class Flag: @unchecked Sendable {
  var isSet = false

  nonisolated(nonsending) func yieldUntilSet() async {
    while !isSet { await Leaf.yield() }
  }
}

/// The measuring task's share of the rounds: the same loop as the others'.
@inline(never)
private nonisolated(nonsending) func yieldTimes(_ rounds: UInt64) async {
  var left = rounds
  while left > 0 {
    left &-= 1
    await Leaf.yield()
  }
}

/// What closure tasks write to.
private final class Sink: @unchecked Sendable {
  var sum: UInt64 = 0
}

/// The other side of a hand-over.
private nonisolated(nonsending) func answer(_ partner: TaskRef, _ turns: UInt64) async {
  for _ in 0..<turns {
    await Leaf.park()
    partner.unpark()
  }
}

extension Suite {
  // Two tasks wake each other: an iteration is two wakes, each followed by its run.
  nonisolated(nonsending) func wakes() async throws(SpawnError) {
    try await wakes(10_000, reports: false)
    try await wakes(100_000, reports: true)
  }

  private nonisolated(nonsending) func wakes(_ turns: UInt64, reports: Bool) async throws(SpawnError) {
    let own = TaskRef.running
    let partner = try spawn("partner") { await answer(own, turns) }
    // The partner stands in its first park.
    await Leaf.yield()
    let batch = Batch(host)
    for _ in 0..<turns {
      partner.unpark()
      await Leaf.park()
    }
    if reports { batch.end("wake to run", operations: turns &* 2) }
    await settle()
  }

  // One round of `count` tasks that all yield is `count` operations.
  nonisolated(nonsending) func yields(_ count: UInt64) async throws(SpawnError) {
    let flag = Flag()
    for _ in 1..<count { try spawn("yielder") { await flag.yieldUntilSet() } }
    await settle()
    let rounds = 200_000 / count
    let batch = Batch(host)
    await yieldTimes(rounds)
    batch.end("yield", count: count, operations: rounds &* count)
    flag.isSet = true
    await settle()
  }

  // A hundred tasks at a time: started, run, ended; one yield of ours for each hundred.
  nonisolated(nonsending) func spawns() async throws(SpawnError) {
    try await spawns(10, reports: false)
    try await spawns(1000, reports: true)
  }

  private nonisolated(nonsending) func spawns(_ rounds: UInt64, reports: Bool) async throws(SpawnError) {
    let batch = Batch(host)
    for _ in 0..<rounds {
      for _ in 0..<100 { try spawn("static") {} }
      await Leaf.yield()
    }
    if reports { batch.end("spawn, static", operations: rounds &* 100) }
  }

  nonisolated(nonsending) func closures() async throws(SpawnError) {
    try await closures(10, reports: false)
    try await closures(1000, reports: true)
  }

  private nonisolated(nonsending) func closures(_ rounds: UInt64, reports: Bool) async throws(SpawnError) {
    let sink = Sink()
    let batch = Batch(host)
    for round in 0..<rounds {
      for _ in 0..<100 { try spawn("closure") { sink.sum &+= round } }
      await Leaf.yield()
    }
    if reports { batch.end("spawn, closure", operations: rounds &* 100) }
    if sink.sum != 100 &* (rounds &* (rounds &- 1) / 2) { host.write("a task did not run\n") }
  }
}
