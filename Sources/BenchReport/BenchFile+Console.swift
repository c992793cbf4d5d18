// BenchFile+Console: from what a machine sent to a benchmark file: statistics and what is known of the run.
import Foundation
public import Latency

/// What the machine does not know of its own run.
public struct BenchContext: Sendable {
  /// The board.
  public var board: String
  /// What the counter counted.
  public var counter: BenchFile.Counter
  /// The source's commit.
  public var commit: String
  /// The compiler.
  public var toolchain: String
  /// Flags and options.
  public var flags: String
  /// The CPU.
  public var cpuModel: String

  /// A context.
  public init(
    board: String, counter: BenchFile.Counter, commit: String, toolchain: String, flags: String,
    cpuModel: String
  ) {
    self.board = board
    self.counter = counter
    self.commit = commit
    self.toolchain = toolchain
    self.flags = flags
    self.cpuModel = cpuModel
  }

  static func statement(_ counter: BenchFile.Counter) -> String {
    switch counter {
    case .hardware: "Times of a real CPU, in a Linux process; not SNP or TDX hardware."
    case .tcg: "Times are QEMU's TCG times: orders only, never to be compared with hardware."
    case .instructions:
      "Instructions, counted exactly by QEMU's icount on one CPU; the same on every repetition."
    }
  }
}

extension BenchFile {
  /// The file of a run.
  public init(_ console: LatencyFile, _ context: BenchContext) {
    let counter = console.flags.contains(.exact) ? .instructions : context.counter
    self.init(
      board: context.board, counter: counter, statement: BenchContext.statement(counter),
      commit: context.commit, toolchain: context.toolchain, flags: context.flags,
      cpuModel: context.cpuModel, ticksPerMillisecond: console.kilohertz, cpus: console.cpus,
      observability: console.flags.contains(.trace)
        ? "full" : console.flags.contains(.counters) ? "counters" : "off",
      metrics: console.metrics.compactMap(Metric.init),
      skipped: console.skipped.map { Skipped(key: $0.key, reason: $0.reason) }, peers: [])
  }

  private init(
    board: String, counter: Counter, statement: String, commit: String, toolchain: String, flags: String,
    cpuModel: String, ticksPerMillisecond: UInt64, cpus: Int, observability: String, metrics: [Metric],
    skipped: [Skipped], peers: [Peer]
  ) {
    self.board = board
    self.counter = counter
    self.statement = statement
    self.commit = commit
    self.toolchain = toolchain
    self.flags = flags
    self.cpuModel = cpuModel
    self.ticksPerMillisecond = ticksPerMillisecond
    self.cpus = cpus
    self.observability = observability
    self.metrics = metrics
    self.skipped = skipped
    self.peers = peers
  }

  /// Keeps, metric by metric, the better of this process's run and another's: the smaller median of what is better
  /// small, the larger of a share; of exact figures the larger, which is the worse.
  public mutating func keepBest(of other: BenchFile) {
    for index in metrics.indices {
      let own = metrics[index]
      guard let new = other[own.key] else { continue }
      let isBetter =
        switch own.unit {
        case "ticks": new.warm.p50 < own.warm.p50
        case "basisPoints": new.warm.p50 > own.warm.p50
        default: new.warm.max > own.warm.max
        }
      if isBetter { metrics[index] = new }
      metrics[index].batch = [own.batch, new.batch].compactMap { $0 }.min()
      metrics[index].instructions = [own.instructions, new.instructions].compactMap { $0 }.min()
      metrics[index].lockedInstructions = [own.lockedInstructions, new.lockedInstructions].compactMap { $0 }
        .max()
    }
  }

  /// Adds L14: what L3 and L10 take with emptied caches, beside what they take in steady state.
  public mutating func addCold() {
    for (from, key) in [("L3", "L14"), ("L10/core", "L14/request")] {
      guard let warm = self[from], let cold = warm.cold else { continue }
      skipped.removeAll { $0.key == "L14" }
      metrics.append(
        Metric(
          key: key, title: "with emptied caches: \(warm.title)", unit: warm.unit, floor: from,
          probeMinimum: warm.probeMinimum, batch: nil, instructions: nil, lockedInstructions: nil, warm: cold,
          cold: nil, probe: nil))
    }
  }

  /// Adds L15: L3 of an image with another trace level.
  public mutating func addLevel(of other: BenchFile) {
    guard var metric = other["L3"] else { return }
    metric.key = "L15/\(other.observability)"
    metric.title = "L3 with observability \(other.observability)"
    metric.cold = nil
    // Counted exactly beside times: no time.
    if other.counter == .instructions, counter != .instructions { metric.unit = "instructions" }
    skipped.removeAll { $0.key == "L15" }
    metrics.append(metric)
  }

  /// Adds the exact counts of another run to metrics that have none (the same operations under icount), and what only such
  /// a run can count (L18).
  public mutating func addInstructions(of exact: BenchFile) {
    for metric in exact.metrics where metric.unit == "count" && self[metric.key] == nil {
      skipped.removeAll { $0.key == metric.key }
      metrics.append(metric)
    }
    for index in metrics.indices where metrics[index].instructions == nil {
      metrics[index].instructions = exact[metrics[index].key]?.instructions
    }
  }
}

extension BenchFile.Metric {
  init?(_ metric: LatencyFile.Metric) {
    guard let warm = metric.warm else { return nil }
    let operations = Double(metric.operations)
    self.init(
      key: metric.key, title: metric.title, unit: Self.name(metric.unit),
      floor: metric.floor.isEmpty ? nil : metric.floor, probeMinimum: metric.probe,
      batch: metric.batchOperations > 0
        ? Self.rounded(Double(metric.batchTicks) / Double(metric.batchOperations)) : nil,
      instructions: metric.instructions.map { Self.rounded(Double($0) / operations) },
      lockedInstructions: metric.locked.map { Self.rounded(Double($0) / operations) },
      warm: BenchFile.Series(warm), cold: metric.cold.map(BenchFile.Series.init),
      probe: metric.emptyProbe.map(BenchFile.Series.init))
  }

  private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }

  private static func name(_ unit: LatencyUnit) -> String {
    switch unit {
    case .ticks: "ticks"
    case .bytes: "bytes"
    case .basisPoints: "basisPoints"
    default: "count"
    }
  }
}

extension BenchFile.Series {
  /// The statistics of what a machine sent.
  public init(_ series: LatencyFile.Series) {
    let histogram = series.histogram
    let mean = series.count > 0 ? Double(series.sum) / Double(series.count) : 0
    var squares = 0.0
    var bytes: [UInt8] = []
    histogram.forEach { index, count in
      let values = Histogram.values(of: index)
      let middle = (Double(values.lowerBound) + Double(values.upperBound)) / 2
      squares += (middle - mean) * (middle - mean) * Double(count)
      for word in [UInt32(index), count] {
        for shift in [0, 8, 16, 24] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
      }
    }
    func percentile(_ parts: UInt64) -> UInt64 {
      Swift.min(histogram.percentile(millionths: parts), series.maximum)
    }
    self.init(
      n: series.count, min: series.minimum, p50: percentile(500_000), p90: percentile(900_000),
      p99: percentile(990_000), p99_9: percentile(999_000), p99_99: percentile(999_900), max: series.maximum,
      maxIndex: series.maximumIndex, mean: mean,
      sd: series.count > 1 ? (squares / Double(series.count - 1)).squareRoot() : 0,
      histogram: Data(bytes).base64EncodedString())
  }
}
