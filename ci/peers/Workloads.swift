// Workloads: the measured programs on the toolchain's concurrency; the same source for its hosted and embedded library.
import _Concurrency

/// A place where one task waits for another.
final class Baton: @unchecked Sendable {
  var waiter: UnsafeContinuation<Void, Never>?
  var count = 0

  /// Ends the wait of the task that stands here.
  @inline(__always) func wake() {
    let waiter = self.waiter
    self.waiter = nil
    waiter?.resume()
  }
}

/// The batches, all of whose tasks run on one thread.
///
/// Each says whether everything arrived.
enum Workloads {
  static let turns = 100_000

  /// Two tasks wake each other; `turns` wakes in all.
  static func wakeToRun(_ start: (@escaping @Sendable () async -> Void) -> Void) async -> Bool {
    let left = Baton()
    let right = Baton()
    start {
      for _ in 0..<turns / 2 {
        await withUnsafeContinuation { right.waiter = $0 }
        left.wake()
      }
    }
    while right.waiter == nil { await Task.yield() }
    for _ in 0..<turns / 2 {
      right.wake()
      await withUnsafeContinuation { left.waiter = $0 }
      left.count += 1
    }
    return left.count == turns / 2
  }

  /// `count` tasks that all yield; `turns` yields in all.
  static func yields(_ count: Int, _ start: (@escaping @Sendable () async -> Void) -> Void) async -> Bool {
    let baton = Baton()
    for _ in 1..<count {
      start {
        for _ in 0..<turns / count { await Task.yield() }
        baton.count += 1
      }
    }
    for _ in 0..<turns / count { await Task.yield() }
    while baton.count != count - 1 { await Task.yield() }
    return true
  }

  /// A hundred tasks at a time, started, run and ended.
  static func spawns(_ start: (@escaping @Sendable () async -> Void) -> Void) async -> Bool {
    let baton = Baton()
    for round in 0..<turns / 1000 {
      for _ in 0..<100 { start { baton.count += 1 } }
      while baton.count != (round + 1) * 100 { await Task.yield() }
    }
    return true
  }

  /// A word there and a word back through two streams.
  static func roundTrips(_ start: (@escaping @Sendable () async -> Void) -> Void) async -> Bool {
    let (there, toThere) = AsyncStream<Int>.makeStream()
    let (back, toBack) = AsyncStream<Int>.makeStream()
    start {
      for await word in there { toBack.yield(word) }
      toBack.finish()
    }
    var iterator = back.makeAsyncIterator()
    var sum = 0
    for turn in 0..<turns / 10 {
      toThere.yield(turn)
      sum += await iterator.next() ?? 0
    }
    toThere.finish()
    return sum == turns / 10 * (turns / 10 - 1) / 2
  }

  /// Everything, best of five batches each.
  static func all(
    _ peer: String, now: () -> UInt64, _ start: @escaping (@escaping @Sendable () async -> Void) -> Void
  ) async {
    await measure(peer, "wake to run", turns, now) { await wakeToRun(start) }
    await measure(peer, "yield (1)", turns, now) { await yields(1, start) }
    await measure(peer, "yield (1000)", turns, now) { await yields(1000, start) }
    await measure(peer, "spawn, run, end", turns / 10, now) { await spawns(start) }
    await measure(peer, "channel round trip", turns / 10, now) { await roundTrips(start) }
  }

  static func measure(
    _ peer: String, _ metric: String, _ operations: Int, _ now: () -> UInt64, _ batch: () async -> Bool
  ) async {
    var best = UInt64.max
    for turn in 0..<6 {
      let start = now()
      let isComplete = await batch()
      let taken = now() - start
      if !isComplete { fatalError("something was lost") }
      if turn > 0 { best = min(best, taken) }
    }
    let picoseconds = best * 1000 / UInt64(operations)
    print(
      "{\"peer\":\"\(peer)\",\"metric\":\"\(metric)\",\"operations\":\(operations),\"picoseconds\":\(picoseconds)}"
    )
  }
}
