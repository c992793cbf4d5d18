// TraceCommand: `apus trace` and its subcommand `export`.
import TraceFormat

extension Commands {
  static let trace = Command(
    name: "trace", summary: "Converts what the kernel recorded about its tasks.",
    usage: "apus trace COMMAND ...", subcommands: [traceExport])

  static let traceExport = Command(
    name: "export", summary: "Writes a trace as Chrome/Perfetto JSON.",
    usage: "apus trace export IN -o OUT",
    options: [.init("--output", short: "-o", value: "FILE", "the file to write")],
    details: """
      IN holds the lines that the kernel sent between its trace markers. Open OUT with ui.perfetto.dev.

      Example:
        apus trace export console.txt -o trace.json
      """,
    run: { arguments throws(Failure) in
      let input = try arguments.operand("trace")
      guard let output = arguments["--output"] else {
        throw Failure("no output is named", fix: "add -o FILE")
      }
      let text = try Files.read(input, what: "the trace")
      let file: TraceFile
      do throws(TraceError) { file = try TraceFile(text) } catch { throw Failure(error, in: input) }
      try Files.write(TraceTimeline(file).json, to: output)
      return 0
    })
}

extension Failure {
  fileprivate init(_ error: TraceError, in file: String) {
    let what =
      switch error.reason {
      case .base64: "is not base64"
      case .checksum: "has a wrong checksum"
      case .malformed: "is not a frame of this version"
      case .order: "is out of order, or frames before it are missing"
      case .truncated: "is missing: the trace stops before its last frame"
      }
    self.init("\(file) is not a trace: line \(error.line) \(what)", fix: "record it again")
  }
}
