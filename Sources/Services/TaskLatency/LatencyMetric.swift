// LatencyMetric: one thing that is measured: single readings for the distribution, operations for exact counts.
import Latency
import Tasks

/// A metric of runtime.md §6.
protocol LatencyMetric: AnyObject {
  /// Its number there.
  var number: UInt8 { get }
  /// Number and variant.
  var key: String { get }
  /// What begins and ends a reading.
  var title: String { get }
  /// The key of the floor that it is seen beside; empty for none.
  var floor: String { get }
  /// What its readings count.
  var unit: LatencyUnit { get }
  /// Whether each reading waits for a halt or a deadline.
  var isSlow: Bool { get }
  /// Whether a reading may begin with emptied caches.
  var canBeCold: Bool { get }
  /// Whether `operations` is the same work each time, so that its instructions can be counted.
  var canBeCounted: Bool { get }
  /// Whether a batch of `operations` can be timed as a whole.
  var canBeBatched: Bool { get }
  /// How many readings make sense at most.
  var sampleLimit: UInt64 { get }
  /// What the board lacks for it; nil if nothing.
  func missing(_ host: LatencyHost) -> String?
  /// Takes `count` readings, each after `cool` was called.
  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError)
  /// Instructions and locked ones of `count` operations, for a metric that must count by itself; nil for all others.
  nonisolated(nonsending) func counted(
    _ count: UInt64, _ bench: LatencyBench
  ) async throws(SpawnError) -> (instructions: UInt64, locked: UInt64?)?
  /// Does `count` operations without a reading.
  nonisolated(nonsending) func operations(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError)
}

extension LatencyMetric {
  var floor: String { "" }
  var unit: LatencyUnit { .ticks }
  var isSlow: Bool { false }
  var canBeCold: Bool { false }
  var canBeCounted: Bool { true }
  var canBeBatched: Bool { canBeCounted }
  var sampleLimit: UInt64 { .max }
  func missing(_ host: LatencyHost) -> String? { nil }
  nonisolated(nonsending) func operations(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {}
  nonisolated(nonsending) func counted(
    _ count: UInt64, _ bench: LatencyBench
  ) async throws(SpawnError) -> (instructions: UInt64, locked: UInt64?)? { nil }
}

/// What a metric takes its readings with.
final class LatencyBench: @unchecked Sendable {
  let host: LatencyHost
  let recorder = Recorder()
  /// Called before each reading; does nothing unless the cold variant is measured.
  var cool: () -> Void = {}
  /// The start of the reading under way; one at a time.
  var start: UInt64 = 0

  init(_ host: LatencyHost) { self.host = host }

  /// Begins to count instructions: the host's way, or by the counter where that counts them.
  func beginCount() {
    if let begin = host.beginCount { begin() } else { start = Stamp.now() }
  }

  /// What was executed since.
  func endCount() -> (instructions: UInt64, locked: UInt64?) {
    if let end = host.endCount {
      let counts = end()
      return (counts.instructions, counts.locked)
    }
    return (Stamp.now() &- start, nil)
  }

  /// What the larger of two batches has more; nil if it has not.
  static func difference(
    _ large: (instructions: UInt64, locked: UInt64?), _ small: (instructions: UInt64, locked: UInt64?)
  ) -> (instructions: UInt64, locked: UInt64?)? {
    guard large.instructions >= small.instructions, small.instructions > 0 else { return nil }
    var locked: UInt64?
    if let more = large.locked, let less = small.locked { locked = more >= less ? more &- less : 0 }
    return (large.instructions &- small.instructions, locked)
  }

  /// Ends the reading under way.
  @inline(__always) func stop() {
    let now = Stamp.now()
    recorder.record(now &- start)
  }
}
