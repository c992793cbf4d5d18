// Metrics+Remote: wakes from one CPU to another, and the bare kick below them.
import Latency
import TaskRuntime
import Tasks

/// L5 and L6: CPU 0 wakes a parked task of CPU 1, which polls or is halted.
final class RemoteWake: LatencyMetric {
  /// What CPU 1 does when the wake comes.
  enum Target { case polling, halted }
  private let target: Target
  init(_ target: Target) { self.target = target }

  var number: UInt8 { target == .polling ? 5 : 6 }
  var key: String { target == .polling ? "L5" : "L6" }
  var title: String {
    target == .polling ? "wake to run, other CPU polling" : "wake to run, other CPU halted"
  }
  var floor: String { target == .polling ? "" : "F6" }
  var isSlow: Bool { target == .halted }
  var sampleLimit: UInt64 { 50_000 }
  func missing(_ host: LatencyHost) -> String? { host.cpus < 2 ? "one CPU" : nil }

  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    let host = bench.host
    host.setIdlePolls(target == .polling)
    defer { host.setIdlePolls(false) }
    let partner = try await start(count, bench)
    for _ in 0..<count {
      if target == .halted { await Other.waitUntilHalted(host) }
      bench.start = Stamp.now()
      partner.unparkRemotely()
      await Leaf.park()
    }
  }

  // What is counted is the sending CPU's part: one push and one look at the owner word. The other CPU takes as long as
  // it likes, so that a whole round cannot be counted.
  var canBeCounted: Bool { target == .polling }
  var canBeBatched: Bool { false }
  nonisolated(nonsending) func counted(
    _ count: UInt64, _ bench: LatencyBench
  ) async throws(SpawnError) -> (instructions: UInt64, locked: UInt64?)? {
    guard let begin = bench.host.beginCount, let end = bench.host.endCount else { return nil }
    bench.host.setIdlePolls(true)
    defer { bench.host.setIdlePolls(false) }
    begin()
    let empty = end()
    let partner = try await start(count, bench)
    var instructions: UInt64 = 0
    var locked: UInt64 = 0
    for _ in 0..<count {
      begin()
      partner.unparkRemotely()
      let counts = end()
      instructions &+= counts.instructions &- empty.instructions
      locked &+= counts.locked &- empty.locked
      await Leaf.park()
    }
    return (instructions, locked)
  }

  private nonisolated(nonsending) func start(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError)
    -> TaskRef
  {
    let own = TaskRef.running
    let partner = try spawn("partner", on: 1) {
      // Out of the inbox: from now on its link is free for wakes (I5).
      own.unparkRemotely()
      for _ in 0..<count {
        await Leaf.park()
        bench.stop()
        own.unparkRemotely()
      }
    }
    await Leaf.park()
    return partner
  }
}

/// What CPU 0 must know of CPU 1.
enum Other {
  /// Until CPU 1 has published that it halts, and some 20 µs more, so that it does.
  static nonisolated(nonsending) func waitUntilHalted(_ host: LatencyHost) async {
    while Executor.state(of: 1, in: host.table) != .halting { await Leaf.yield() }
    pass(host, microseconds: 20)
  }

  /// Spins.
  static func pass(_ host: LatencyHost, microseconds: UInt64) {
    let end = Stamp.now() &+ host.kilohertz &* microseconds / 1000
    while Stamp.now() < end { AtomicCell.pause() }
  }
}

/// F6: the bare kick: CPU 1 rests without an executor, CPU 0 kicks it; its first instruction behind the rest ends it.
final class BareWake: LatencyMetric {
  let number: UInt8 = 6
  let key = "F6"
  let title = "floor: kick of a halted CPU to behind its halt, no executor"
  var isSlow: Bool { true }
  var canBeCounted: Bool { false }
  func missing(_ host: LatencyHost) -> String? {
    host.cpus < 2 ? "one CPU" : host.rest == nil ? "no bare halt" : nil
  }

  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    guard let rest = bench.host.rest else { return }
    let words = bench.host.shared
    // Word 8: which reading CPU 1 is ready for; word 16: which one it has ended.
    words[8].storeRelease(0)
    words[16].storeRelease(0)
    try spawn("bare", on: 1) {
      for turn in 1...count {
        words[8].storeRelease(turn)
        // A rest that ends for another reason is no reading.
        while words[24].loadAcquire() != turn { rest(nil) { words[24].loadAcquire() == turn } }
        bench.stop()
        words[16].storeRelease(turn)
      }
    }
    for turn in 1...count {
      while words[8].loadAcquire() != turn { AtomicCell.pause() }
      Other.pass(bench.host, microseconds: 20)
      bench.start = Stamp.now()
      words[24].storeRelease(turn)
      ThisCPU.kick(1)
      while words[16].loadAcquire() != turn { AtomicCell.pause() }
    }
  }
}
