// BenchCommand: `apus bench` and its subcommands: record, table, compare, report.
import BenchReport
import Foundation
import Latency
import TraceFormat

extension Commands {
  static let bench = Command(
    name: "bench", summary: "Records, compares and reports task latency.", usage: "apus bench COMMAND ...",
    subcommands: [benchRecord, benchTable, benchCompare, benchReport, benchCalls])

  static let benchRecord = Command(
    name: "record", summary: "Makes BOARD.json and BOARD.svg of what a machine sent.",
    usage: "apus bench record CONSOLE... --board NAME --out DIR [OPTIONS]",
    options: [
      .init("--board", value: "NAME", "the board that ran"),
      .init("--out", short: "-o", value: "DIR", "where the files go; made if it is missing"),
      .init("--counter", value: "KIND", "what the counter counted: hardware (default) or tcg"),
      .init("--commit", value: "ID", "the source's commit"),
      .init("--toolchain", value: "TEXT", "the compiler"),
      .init("--flags", value: "TEXT", "flags and options of the run"),
      .init("--cpu", value: "TEXT", "the CPU's model"),
      .init("--name", value: "TEXT", "the files' name, instead of the board's"),
      .init("--level", value: "CONSOLE", repeats: true, "L3 of an image with another trace level (L15)"),
      .init("--exact", value: "CONSOLE", "the same metrics under icount: their instructions"),
      .init("--calls", value: "FILE", "the plugin's marks of a guest's calls (L10)"),
      .init("--peers", value: "FILE", "lines of `ci/peers/measure --json`"),
    ],
    run: { arguments throws(Failure) in
      guard let first = arguments.operands.first else {
        throw Failure("no console output is named", fix: "name one, or one of each process")
      }
      let counter = try counter(arguments["--counter"])
      var file = try console(first, arguments, counter: counter)
      for path in arguments.operands.dropFirst() {
        file.keepBest(of: try console(path, arguments, counter: counter))
      }
      for path in arguments.all("--level") {
        file.addLevel(of: try console(path, arguments, counter: file.counter))
      }
      if let path = arguments["--exact"] {
        file.addInstructions(of: try console(path, arguments, counter: .instructions))
      }
      file.addCold()
      if let path = arguments["--calls"] { file.addCalls(try calls(path)) }
      if let path = arguments["--peers"] { file.peers = try peers(path) }
      guard let directory = arguments["--out"] else {
        throw Failure("no directory is named", fix: "add --out DIR")
      }
      do {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
      } catch {
        throw Failure(
          "cannot make \(directory): \(Files.reason(error))", fix: "name a directory that can be written")
      }
      let name = "\(directory)/\(arguments["--name"] ?? file.board)"
      let json: [UInt8]
      do throws(BenchError) { json = try file.json() } catch { throw Failure(error, in: name) }
      try Files.write(json, to: name + ".json")
      try Files.write([UInt8](BenchPlot(file).svg.utf8), to: name + ".svg")
      try Output.write(BenchTable.text(file))
      return 0
    })

  static let benchCalls = Command(
    name: "calls", summary: "Prints what a guest's calls took of the kernel.", usage: "apus bench calls FILE",
    details:
      "FILE holds the lines of ci/plugin/count.c; `boards/run BOARD --guest bench --exact` makes it and calls this.",
    run: { arguments throws(Failure) in
      try Output.write(try calls(arguments.operand("file")).text)
      return 0
    })

  static let benchTable = Command(
    name: "table", summary: "Prints a run as a table.", usage: "apus bench table FILE.json",
    run: { arguments throws(Failure) in
      try Output.write(BenchTable.text(try benchFile(arguments.operand("file"))))
      return 0
    })

  static let benchCompare = Command(
    name: "compare", summary: "Says what changed between two runs beyond noise.",
    usage: "apus bench compare A.json B.json [--tolerance PERCENT]",
    options: [.init("--tolerance", value: "PERCENT", "growth of a time that is still noise (10)")],
    details: """
      Instructions, locked instructions, bytes and counts are exact: any growth is a regression. Times are compared only
      between runs of the same board, the same kind of counter and the same CPU.
      Exit codes: 0 no regression, 1 a regression, 2 usage or a file that cannot be used.
      """,
    run: { arguments throws(Failure) in
      guard arguments.operands.count == 2 else {
        throw Failure(
          "\(arguments.operands.count) files are given, two are wanted", fix: "name A.json and B.json")
      }
      let tolerance = try arguments.number("--tolerance", limit: 1000) ?? 10
      let before = try benchFile(arguments.operands[0])
      let after = try benchFile(arguments.operands[1])
      let comparison: BenchComparison
      do throws(BenchError) {
        comparison = try BenchComparison(before, after, tolerance: Double(tolerance) / 100)
      } catch {
        throw Failure(
          "the runs cannot be compared: \(error.reason)", fix: "compare runs of one board and kind")
      }
      try Output.write(comparison.text)
      return comparison.hasRegression ? 1 : 0
    })

  static let benchReport = Command(
    name: "report", summary: "Writes one HTML page of all runs in a directory.",
    usage: "apus bench report DIR [-o FILE]",
    options: [.init("--output", short: "-o", value: "FILE", "the page (DIR/index.html)")],
    details: """
      Every .json file below DIR is a run; those of one board are its history, in the order of their paths, but DIR/BOARD.json
      is the present one. The page refers to nothing outside itself.
      """,
    run: { arguments throws(Failure) in
      let directory = try arguments.operand("directory")
      let kind = (try? FileManager.default.attributesOfItem(atPath: directory))?[.type] as? FileAttributeType
      guard kind == .typeDirectory else {
        throw Failure("\(directory) is not a directory", fix: "name the directory of --out")
      }
      let names = (FileManager.default.enumerator(atPath: directory)?.compactMap { $0 as? String } ?? [])
        .filter { $0.hasSuffix(".json") }
        .sorted { ($0.contains("/") ? 0 : 1, $0) < ($1.contains("/") ? 0 : 1, $1) }
      guard !names.isEmpty else {
        throw Failure("\(directory) holds no run", fix: "`boards/run BOARD --bench` makes one")
      }
      var runs: [BenchPage.Run] = []
      for name in names { runs.append(.init(name: name, file: try benchFile("\(directory)/\(name)"))) }
      let output = arguments["--output"] ?? "\(directory)/index.html"
      try Files.write([UInt8](BenchPage(runs).html.utf8), to: output)
      try Output.write(output + "\n")
      return 0
    })

  private static func counter(_ text: String?) throws(Failure) -> BenchFile.Counter {
    guard let text else { return .hardware }
    guard let counter = BenchFile.Counter(rawValue: text) else {
      throw Failure("there is no counter \(text)", fix: "hardware, tcg or instructions")
    }
    return counter
  }

  private static func console(
    _ path: String, _ arguments: Arguments, counter: BenchFile.Counter
  ) throws(Failure) -> BenchFile {
    guard let board = arguments["--board"] else {
      throw Failure("no board is named", fix: "add --board NAME")
    }
    let bytes = try Files.read(path, what: "the console output")
    do throws(TraceError) {
      let context = BenchContext(
        board: board, counter: counter, commit: arguments["--commit"] ?? "unknown",
        toolchain: arguments["--toolchain"] ?? "unknown", flags: arguments["--flags"] ?? "",
        cpuModel: arguments["--cpu"] ?? "unknown")
      return BenchFile(try LatencyFile(bytes), context)
    } catch {
      throw Failure(
        "\(path) holds no whole measurement: line \(error.line) \(error.reason)", fix: "measure again")
    }
  }

  private static func peers(_ path: String) throws(Failure) -> [BenchFile.Peer] {
    let text = String(decoding: try Files.read(path, what: "the peers' figures"), as: UTF8.self)
    var peers: [BenchFile.Peer] = []
    for line in text.split(separator: "\n") {
      guard let peer = try? JSONDecoder().decode(BenchFile.Peer.self, from: Data(line.utf8)) else {
        throw Failure("\(path) holds a line that is no figure", fix: "use `ci/peers/measure --json`")
      }
      peers.append(peer)
    }
    return peers
  }

  private static func calls(_ path: String) throws(Failure) -> BenchCalls {
    let bytes = try Files.read(path, what: "the plugin's marks")
    do throws(BenchError) { return try BenchCalls(bytes) } catch { throw Failure(error, in: path) }
  }

  private static func benchFile(_ path: String) throws(Failure) -> BenchFile {
    let bytes = try Files.read(path, what: "the benchmark file")
    do throws(BenchError) { return try BenchFile(json: bytes) } catch { throw Failure(error, in: path) }
  }
}

extension Failure {
  fileprivate init(_ error: BenchError, in file: String) {
    self.init("\(file) cannot be used: \(error.reason)", fix: "measure again with this tool")
  }
}
