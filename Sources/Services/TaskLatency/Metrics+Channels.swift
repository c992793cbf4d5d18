// Metrics+Channels: round trips through the leaf primitives.
import Latency
import TaskRuntime
import Tasks

/// L9: a word to a waiting task through a channel, and one back.
final class ChannelTrip: LatencyMetric {
  let number: UInt8 = 9
  let key = "L9"
  let title = "channel round trip, same CPU"
  var canBeCold: Bool { true }

  private final class Pair: @unchecked Sendable {
    let there = Channel<UInt64, 16>()
    let back = Channel<UInt64, 16>()
    nonisolated(nonsending) func echo() async {
      while let word = try? await there.receive() { try? back.send(word) }
    }
  }

  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    let pair = Pair()
    try spawn("echo") { await pair.echo() }
    await Leaf.yield()
    for turn in 0..<count {
      bench.cool()
      bench.start = Stamp.now()
      try? pair.there.send(turn)
      _ = try? await pair.back.receive()
      bench.stop()
    }
    pair.there.close()
    await Leaf.yield()
  }

  nonisolated(nonsending) func operations(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    let pair = Pair()
    try spawn("echo") { await pair.echo() }
    await Leaf.yield()
    for turn in 0..<count {
      try? pair.there.send(turn)
      _ = try? await pair.back.receive()
    }
    pair.there.close()
    await Leaf.yield()
  }
}

/// L9: four senders, one receiver; a reading is the four words of a round over four.
final class ManySenders: LatencyMetric {
  let number: UInt8 = 9
  let key = "L9/senders"
  let title = "channel, four senders and one receiver, each word"
  private static var senders: UInt64 { 4 }

  private final class Many: @unchecked Sendable {
    let words = Channel<UInt64, 16>()
    var isDone = false
    nonisolated(nonsending) func send() async {
      while !isDone {
        try? words.send(1)
        await Leaf.yield()
      }
    }
  }

  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    bench.recorder.divisor = Self.senders
    try await run(count) {
      bench.start = Stamp.now()
    } after: {
      bench.stop()
    }
  }
  nonisolated(nonsending) func operations(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    try await run(count / Self.senders) {
    } after: {
    }
  }
  private nonisolated(nonsending) func run(
    _ rounds: UInt64, _ before: () -> Void, after: () -> Void
  ) async throws(SpawnError) {
    let many = Many()
    for _ in 0..<Self.senders { try spawn("sender") { await many.send() } }
    for _ in 0..<rounds {
      before()
      for _ in 0..<Self.senders { _ = try? await many.words.receive() }
      after()
    }
    many.isDone = true
    for _ in 0..<4 { await Leaf.yield() }
  }
}

/// L9: a one-shot sent to the task that waits for it.
final class OneShotTrip: LatencyMetric {
  let number: UInt8 = 9
  let key = "L9/oneshot"
  let title = "one-shot: send to received, its task started and ended"
  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    for turn in 0..<count {
      let shot = OneShot<UInt64>()
      try spawn("waiter") { if (try? await shot.receive()) != nil { bench.stop() } }
      await Leaf.yield()
      bench.start = Stamp.now()
      try? shot.send(turn)
      await Leaf.yield()
    }
  }
  nonisolated(nonsending) func operations(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    for turn in 0..<count {
      let shot = OneShot<UInt64>()
      try spawn("waiter") { _ = try? await shot.receive() }
      await Leaf.yield()
      try? shot.send(turn)
      await Leaf.yield()
    }
  }
}

/// L9: a word to a task of another CPU that polls, and one back.
final class RemoteTrip: LatencyMetric {
  let number: UInt8 = 9
  let key = "L9/remote"
  let title = "mailbox round trip, other CPU polling"
  var canBeCounted: Bool { false }
  var sampleLimit: UInt64 { 50_000 }
  func missing(_ host: LatencyHost) -> String? { host.cpus < 2 ? "one CPU" : nil }

  private final class Boxes: @unchecked Sendable {
    let there = Mailbox<8>()
    let back = Mailbox<8>()
    nonisolated(nonsending) func echo() async {
      while let word = try? await there.receive() {
        try? back.send(word)
        if word == .max { return }
      }
    }
  }

  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    let boxes = Boxes()
    bench.host.setIdlePolls(true)
    defer { bench.host.setIdlePolls(false) }
    try spawn("echo", on: 1) { await boxes.echo() }
    for turn in 0..<count {
      bench.start = Stamp.now()
      try? boxes.there.send(turn)
      _ = try? await boxes.back.receive()
      bench.stop()
    }
    try? boxes.there.send(.max)
    _ = try? await boxes.back.receive()
  }
}
