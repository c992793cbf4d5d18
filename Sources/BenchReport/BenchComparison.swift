// BenchComparison: what changed between two runs beyond noise.

/// One figure that changed.
public struct BenchChange: Sendable, Equatable {
  /// The metric's key.
  public let key: String
  /// Which of its figures.
  public let figure: String
  /// Before and after, in the metric's own unit.
  public let before: Double
  /// After.
  public let after: Double
  /// Whether it got worse.
  public let isRegression: Bool
}

/// Two runs held against each other.
public struct BenchComparison: Sendable {
  /// What changed, in the order of the metrics.
  public private(set) var changes: [BenchChange] = []
  /// What was not compared, and why.
  public private(set) var notes: [String] = []

  /// Whether anything got worse.
  public var hasRegression: Bool { changes.contains { $0.isRegression } }

  /// Compares `after` with `before`; `tolerance` is the part by which a time may grow and still be noise.
  ///
  /// Instructions, locked instructions, bytes and counts are exact: any growth is a regression. A time is one when its
  /// median grew by more than the tolerance and by more than 5 ns.
  public init(_ before: BenchFile, _ after: BenchFile, tolerance: Double) throws(BenchError) {
    guard before.board == after.board else {
      throw BenchError("one run is of board \(before.board), the other of \(after.board)")
    }
    guard before.counter == after.counter else {
      throw BenchError(
        "one run counts \(before.counter.rawValue), the other \(after.counter.rawValue): these are never compared"
      )
    }
    let times = before.counter != .hardware || before.cpuModel == after.cpuModel
    if !times { notes.append("times were measured on different CPUs and not compared") }
    for old in before.metrics {
      guard let new = after[old.key] else {
        changes.append(BenchChange(key: old.key, figure: "missing", before: 1, after: 0, isRegression: true))
        continue
      }
      guard old.unit == new.unit else { throw BenchError("\(old.key) is in \(old.unit) and in \(new.unit)") }
      exact(old.key, "instructions", old.instructions, new.instructions)
      exact(old.key, "locked instructions", old.lockedInstructions, new.lockedInstructions)
      switch old.unit {
      case "ticks" where before.counter == .instructions:
        exact(old.key, "p50", Double(old.warm.p50), Double(new.warm.p50))
        exact(old.key, "max", Double(old.warm.max), Double(new.warm.max))
      case "ticks":
        let factor = before.counter == .tcg ? 5.0 : 1.0
        if times { time(old, new, tolerance * factor, before.ticksPerMillisecond, after.ticksPerMillisecond) }
      case "basisPoints":
        share(old.key, Double(old.warm.p90), Double(new.warm.p90), tolerance)
      default:
        // The empty probe and the instructions of boot are published, not held.
        if old.key != "L0" { exact(old.key, old.unit, Double(old.warm.max), Double(new.warm.max)) }
      }
    }
    for new in after.metrics where before[new.key] == nil { notes.append("\(new.key) is new") }
  }

  private mutating func exact(_ key: String, _ figure: String, _ before: Double?, _ after: Double?) {
    guard let before, let after, abs(before - after) > 0.02 else { return }
    changes.append(
      BenchChange(key: key, figure: figure, before: before, after: after, isRegression: after > before))
  }

  private mutating func time(
    _ old: BenchFile.Metric, _ new: BenchFile.Metric, _ tolerance: Double, _ oldRate: UInt64,
    _ newRate: UInt64
  ) {
    let before = Double(old.warm.p50) * 1_000_000 / Double(oldRate)
    let after = Double(new.warm.p50) * 1_000_000 / Double(newRate)
    let difference = after - before
    if abs(difference) > 5, abs(difference) > before * tolerance {
      changes.append(
        BenchChange(
          key: old.key, figure: "p50 ns", before: before, after: after, isRegression: difference > 0))
    }
    // A batch is finer: what is below a reading's resolution shows here.
    guard let oldBatch = old.batch, let newBatch = new.batch else { return }
    let batchBefore = oldBatch * 1_000_000 / Double(oldRate)
    let batchAfter = newBatch * 1_000_000 / Double(newRate)
    guard abs(batchAfter - batchBefore) > max(1, batchBefore * tolerance) else { return }
    changes.append(
      BenchChange(
        key: old.key, figure: "batch ns", before: batchBefore, after: batchAfter,
        isRegression: batchAfter > batchBefore))
  }

  private mutating func share(_ key: String, _ before: Double, _ after: Double, _ tolerance: Double) {
    guard abs(after - before) > before * tolerance else { return }
    changes.append(
      BenchChange(
        key: key, figure: "share %", before: before / 100, after: after / 100, isRegression: after < before))
  }

  /// The result as text, a line for each change.
  public var text: String {
    var out = ""
    for change in changes {
      let part = change.before > 0 ? " (x \(Self.two(change.after / change.before)))" : ""
      out +=
        "\(change.isRegression ? "WORSE " : "better")  \(change.key)  \(change.figure): "
        + "\(BenchNumbers.text(change.before)) -> \(BenchNumbers.text(change.after))\(part)\n"
    }
    for note in notes { out += "note: \(note)\n" }
    let worse = changes.filter(\.isRegression).count
    out += "\(worse) worse, \(changes.count - worse) better\n"
    return out
  }

  private static func two(_ value: Double) -> String { String(Double(Int64((value * 100).rounded())) / 100) }
}
