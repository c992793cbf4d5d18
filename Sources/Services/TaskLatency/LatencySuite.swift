// LatencySuite: the task that measures every metric the board can, one after the other, and sends what it found.
import Latency
import TaskRuntime
import Tasks

/// The suite of runtime.md §6.
///
/// Per metric: the empty probe in place (refused if unstable), warm-up, readings, readings with emptied caches, and
/// the exact instructions of one operation as the difference of two batches. Nothing is sent while anything is measured.
public final class LatencySuite: @unchecked Sendable {
  private let host: LatencyHost
  private let options: LatencyOptions
  private let bench: LatencyBench
  private let probe: LatencyBench
  /// For operations that are counted or timed as a whole: its readings are nobody's.
  private let spare: LatencyBench
  private var writer: LatencyWriter
  private var refused = 0

  /// A suite on `host`.
  public init(_ host: LatencyHost, _ options: LatencyOptions) {
    self.host = host
    self.options = options
    bench = LatencyBench(host)
    probe = LatencyBench(host)
    spare = LatencyBench(host)
    writer = LatencyWriter(host.put)
  }

  /// Measures everything that was selected; for a task of CPU 0.
  public nonisolated(nonsending) func run() async {
    let metrics = LatencyCatalog.all().filter { options.selects($0.number) }
    writer.begin(cpus: host.cpus, kilohertz: host.kilohertz, flags: host.flags)
    for (index, metric) in metrics.enumerated() {
      progress(index, metrics.count, metric)
      if let reason = metric.missing(host) {
        writer.skipped(key: metric.key, reason: reason)
        continue
      }
      do throws(SpawnError) {
        try await measure(metric)
      } catch {
        refuse(metric.key, "out of memory")
      }
    }
    for line in LatencyCatalog.elsewhere(host) where options.selects(line.number) {
      writer.skipped(key: line.key, reason: line.reason)
    }
    writer.end()
    host.end(refused == 0)
  }

  private func progress(_ index: Int, _ count: Int, _ metric: any LatencyMetric) {
    writer.line("bench: \(index &+ 1)/\(count) \(metric.key) \(metric.title)")
  }

  private func refuse(_ key: String, _ reason: String) {
    refused &+= 1
    writer.skipped(key: key, reason: reason)
    writer.line("bench: \(key) refused: \(reason)")
  }

  private nonisolated(nonsending) func measure(_ metric: any LatencyMetric) async throws(SpawnError) {
    guard await probeIsStable() else {
      return refuse(
        metric.key, "the empty probe is unstable: its 99th percentile is too far above its minimum")
    }
    // The empty probe itself is published as it is.
    bench.recorder.offset = metric.unit == .ticks && metric.number != 0 ? probe.recorder.minimum : 0
    bench.recorder.reset()
    if options.warmUp > 0, !metric.isSlow {
      try await metric.samples(min(options.warmUp, metric.sampleLimit), bench)
    }
    bench.recorder.reset()
    let samples = min(metric.isSlow ? options.slowSamples : options.samples, metric.sampleLimit)
    try await metric.samples(samples, bench)
    let counts = metric.canBeCounted ? try await count(metric) : nil
    let batch = metric.canBeBatched ? try await best(metric) : (0, 0)
    writer.metric(
      key: metric.key, title: metric.title, floor: metric.floor, unit: metric.unit,
      probe: probe.recorder.minimum,
      instructions: counts?.instructions, locked: counts?.locked, operations: Self.counted, batch: batch)
    writer.series(.warm, bench.recorder)
    writer.series(.probe, probe.recorder)
    if let cool = host.cool, metric.canBeCold, options.coldSamples > 0 {
      bench.recorder.reset()
      bench.cool = cool
      try await metric.samples(options.coldSamples, bench)
      bench.cool = {}
      writer.series(.cold, bench.recorder)
    }
  }

  /// The distribution of an empty reading, at most five times until it is stable (sel4bench's rule).
  private nonisolated(nonsending) func probeIsStable() async -> Bool {
    for _ in 0..<5 {
      for _ in 0..<2 {
        probe.recorder.reset()
        for _ in 0..<1000 {
          probe.start = Stamp.now()
          probe.stop()
        }
      }
      if probe.recorder.isStable(limitPercent: options.probeLimit) { return true }
      await Leaf.yield()
    }
    return false
  }

  /// Operations whose instructions are counted.
  private static var counted: UInt64 { 64 }

  /// The instructions of `counted` operations: those of 128 less those of 64, so that no set-up is in them.
  private nonisolated(nonsending) func count(
    _ metric: any LatencyMetric
  ) async throws(SpawnError) -> (instructions: UInt64, locked: UInt64?)? {
    let isExact = host.flags.contains(.exact)
    guard host.beginCount != nil || isExact else { return nil }
    if let counts = try await metric.counted(Self.counted, spare) { return counts }
    try await metric.operations(Self.counted, spare)
    let once = try await batch(metric, Self.counted)
    let twice = try await batch(metric, Self.counted &* 2)
    return LatencyBench.difference(twice, once)
  }

  private nonisolated(nonsending) func batch(
    _ metric: any LatencyMetric, _ count: UInt64
  ) async throws(SpawnError) -> (instructions: UInt64, locked: UInt64?) {
    spare.beginCount()
    let start = spare.start
    try await metric.operations(count, spare)
    spare.start = start
    return spare.endCount()
  }

  /// Ticks of the best of five batches of operations without a reading between them.
  private nonisolated(nonsending) func best(
    _ metric: any LatencyMetric
  ) async throws(SpawnError) -> (ticks: UInt64, operations: UInt64) {
    let operations = min(max(64, options.samples / 64 &* 64), 100_000)
    var best = UInt64.max
    for _ in 0..<5 {
      let start = Stamp.now()
      try await metric.operations(operations, spare)
      best = min(best, Stamp.now() &- start)
    }
    return (best, operations)
  }
}
