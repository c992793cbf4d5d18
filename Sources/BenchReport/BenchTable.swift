// BenchTable: a run as a table of text.
import Foundation

/// Numbers as a run's readers see them.
public struct BenchNumbers: Sendable {
  private let file: BenchFile

  /// The numbers of a run.
  public init(_ file: BenchFile) { self.file = file }

  /// Ticks as nanoseconds, or as they are where they count instructions or something else.
  public func value(_ ticks: Double, unit: String) -> Double {
    unit == "ticks" && file.counter != .instructions
      ? ticks * 1_000_000 / Double(file.ticksPerMillisecond) : unit == "basisPoints" ? ticks / 100 : ticks
  }

  /// What `value` counts.
  public func unit(_ unit: String) -> String {
    switch unit {
    case "ticks": file.counter == .instructions ? "instr" : file.counter == .tcg ? "TCG-ns" : "ns"
    case "instructions": "instr"
    case "basisPoints": "%"
    default: unit
    }
  }

  /// A number with as many digits as it deserves.
  public static func text(_ value: Double) -> String {
    if value.rounded() == value, value < 1e15 { return String(Int64(value)) }
    return String(format: value < 100 ? "%.1f" : "%.0f", value)
  }
}

/// The table of a run.
public enum BenchTable {
  /// The heading of each column.
  public static let heading = [
    "metric", "n", "min", "p50", "p90", "p99", "p99.9", "p99.99", "max", "mean", "sd", "batch", "unit",
    "floor +", "instr", "locked", "cold p50", "cold p99", "what",
  ]

  /// A line of cells for each metric.
  public static func rows(_ file: BenchFile) -> [[String]] {
    let numbers = BenchNumbers(file)
    return file.metrics.map { metric in
      let warm = metric.warm
      func text(_ value: UInt64) -> String {
        BenchNumbers.text(numbers.value(Double(value), unit: metric.unit))
      }
      func text(_ value: Double) -> String { BenchNumbers.text(numbers.value(value, unit: metric.unit)) }
      let floor = metric.floor.flatMap { file[$0] }
      let above = floor.map { (Double(warm.p50) - Double($0.warm.p50)) }
      return [
        metric.key, String(warm.n), text(warm.min), text(warm.p50), text(warm.p90), text(warm.p99),
        text(warm.p99_9),
        text(warm.p99_99), text(warm.max), text(warm.mean), text(warm.sd),
        metric.batch.map { text($0) } ?? "-", numbers.unit(metric.unit),
        above.map { text($0) } ?? "-", metric.instructions.map(BenchNumbers.text) ?? "-",
        metric.lockedInstructions.map(BenchNumbers.text) ?? "-", metric.cold.map { text($0.p50) } ?? "-",
        metric.cold.map { text($0.p99) } ?? "-", metric.title,
      ]
    }
  }

  /// The whole report of a run as text.
  public static func text(_ file: BenchFile) -> String {
    var out =
      "\(file.board), \(file.cpus) CPUs, \(file.cpuModel), commit \(file.commit)\n\(file.statement)\n\n"
    out += render([heading] + rows(file))
    if !file.skipped.isEmpty {
      out += "\nNot measured:\n" + render(file.skipped.map { ["  " + $0.key, $0.reason] })
    }
    if !file.peers.isEmpty {
      out += "\nPeers, nanoseconds per operation, best of several processes of the same run:\n"
      out += render(
        file.peers.map {
          [
            "  " + $0.metric, $0.peer, String(format: "%.2f", $0.nanoseconds),
            $0.apus_by_peer.map { String(format: "Apus ÷ peer %.3f", $0) } ?? "",
          ]
        })
    }
    let targets = BenchTargets.judge(file)
    if !targets.isEmpty {
      out += "\nTargets:\n"
      out += render(targets.map { ["  " + ($0.isMet ? "met" : "MISSED"), $0.what, $0.figure] })
    }
    return out
  }

  private static func render(_ rows: [[String]]) -> String {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in
      rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        let isText = column == 0 || column == row.count - 1 || Double(row[column]) == nil && row.count < 6
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        line += (column == 0 ? "" : "  ") + (isText ? cell + padding : padding + cell)
      }
      while line.last == " " { line.removeLast() }
      return line + "\n"
    }.joined()
  }
}
