// BenchPage: one self-contained HTML page of all runs: tables, plots, targets, history.

/// A page about several runs.
public struct BenchPage: Sendable {
  /// A run and the name of the file it came from.
  public struct Run: Sendable {
    let name: String
    let file: BenchFile
    /// A run.
    public init(name: String, file: BenchFile) {
      self.name = name
      self.file = file
    }
  }
  private let runs: [Run]

  /// A page about `runs`, in the order given; the last run of a board is its present one, the others are its history.
  public init(_ runs: [Run]) { self.runs = runs }

  /// The page; it refers to nothing outside itself.
  public var html: String {
    var boards: [String] = []
    for run in runs where !boards.contains(run.title) { boards.append(run.title) }
    var out = """
      <!DOCTYPE html>
      <html lang="en"><head><meta charset="utf-8"><title>Apus: task latency</title><style>
      body { font-family: sans-serif; margin: 2em; color: #111; }
      table { border-collapse: collapse; margin: 1em 0; font-size: 13px; }
      th, td { padding: 2px 8px; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
      td:first-child, th:first-child, td:last-child, th:last-child { text-align: left; }
      .missed { color: #b00; font-weight: bold; } svg { max-width: 1400px; width: 100%; }
      </style></head><body><h1>Apus: task latency</h1>

      """
    out +=
      "<p>"
      + boards.map { "<a href=\"#\(Markup.escaped($0))\">\(Markup.escaped($0))</a>" }.joined(separator: " ")
      + "</p>\n"
    for board in boards { out += section(board, runs.filter { $0.title == board }) }
    return out + "</body></html>\n"
  }

  private func section(_ board: String, _ runs: [Run]) -> String {
    guard let present = runs.last?.file else { return "" }
    var out = "<h2 id=\"\(Markup.escaped(board))\">\(Markup.escaped(board))</h2>\n"
    out += "<p>\(Markup.escaped(present.statement)) "
    out += Markup.escaped(
      "Commit \(present.commit); \(present.toolchain); \(present.flags); \(present.cpuModel); \(present.cpus) CPUs; "
        + "\(present.ticksPerMillisecond) ticks per ms; observability \(present.observability).")
    out += "</p>\n" + table([BenchTable.heading] + BenchTable.rows(present))
    let targets = BenchTargets.judge(present)
    if !targets.isEmpty {
      out += "<h3>Targets</h3><table>\n"
      for target in targets {
        out +=
          "<tr><td class=\"\(target.isMet ? "met" : "missed")\">\(target.isMet ? "met" : "MISSED")</td>"
          + "<td>\(Markup.escaped(target.figure))</td><td>\(Markup.escaped(target.what))</td></tr>\n"
      }
      out += "</table>\n"
    }
    if !present.peers.isEmpty {
      out += "<h3>Peers of the same run, nanoseconds per operation</h3>\n"
      out += table(
        [["metric", "ns", "Apus ÷ peer", "peer"]]
          + present.peers.map {
            [
              $0.metric, BenchNumbers.text($0.nanoseconds),
              $0.apus_by_peer.map { String(describing: $0) } ?? "-",
              $0.peer,
            ]
          })
    }
    if !present.skipped.isEmpty {
      out += "<h3>Not measured</h3>\n" + table(present.skipped.map { [$0.key, $0.reason] })
    }
    if runs.count > 1 { out += history(runs) }
    return out + BenchPlot(present).svg
  }

  private func history(_ runs: [Run]) -> String {
    guard let present = runs.last?.file else { return "" }
    var rows = [["p50 of"] + runs.map { "\($0.name) (\($0.file.commit))" } + ["what"]]
    for metric in present.metrics {
      rows.append(
        [metric.key]
          + runs.map { run in
            guard let old = run.file[metric.key] else { return "-" }
            return BenchNumbers.text(BenchNumbers(run.file).value(Double(old.warm.p50), unit: old.unit))
          } + [metric.title])
    }
    return "<h3>History</h3>\n" + table(rows)
  }

  private func table(_ rows: [[String]]) -> String {
    var out = "<table>\n"
    for (index, row) in rows.enumerated() {
      let cell = index == 0 ? "th" : "td"
      out += "<tr>" + row.map { "<\(cell)>\(Markup.escaped($0))</\(cell)>" }.joined() + "</tr>\n"
    }
    return out + "</table>\n"
  }
}

extension BenchPage.Run {
  /// Runs whose figures belong in one history: the same board, the same kind of counter.
  fileprivate var title: String { "\(file.board) (\(file.counter.rawValue))" }
}
