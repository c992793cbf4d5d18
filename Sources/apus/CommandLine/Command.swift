// Command: a name on the command line, its help, and what it runs.

/// A command or a group of commands.
struct Command: Sendable {
  /// What the user types.
  let name: String
  /// One line on what it does.
  let summary: String
  /// How it is called.
  let usage: String
  /// The options it takes.
  var options: [CommandOption] = []
  /// What follows the options in its help: explanations and examples.
  var details = ""
  /// The commands below it.
  var subcommands: [Command] = []
  /// Runs it; returns the exit status.
  var run: (@Sendable (Arguments) throws(Failure) -> Int32)?

  /// Runs the command that `words` name below this one, or prints help.
  func dispatch(_ words: [String], path: [String]) throws(Failure) -> Int32 {
    let full = path + [name]
    if let run {
      if words.contains("--help") || words.contains("-h") {
        try Output.write(help(full))
        return 0
      }
      do throws(Failure) {
        return try run(try Arguments(words, options: options))
      } catch {
        throw error.named(full.joined(separator: " "))
      }
    }
    guard let first = words.first else {
      try Output.write(help(full))
      return Failure.usageStatus
    }
    if first == "--help" || first == "-h" || first == "help" {
      try Output.write(help(full))
      return 0
    }
    guard let next = subcommands.first(where: { $0.name == first }) else {
      let known = subcommands.map(\.name).joined(separator: ", ")
      throw Failure("there is no command \(first)", fix: "choose one of: \(known)")
        .named(full.joined(separator: " "))
    }
    return try next.dispatch(Array(words.dropFirst()), path: full)
  }

  /// The help text.
  private func help(_ path: [String]) -> String {
    var text = "\(summary)\n\nUsage: \(usage)\n"
    if !subcommands.isEmpty {
      text += "\nCommands:\n" + Self.columns(subcommands.map { ($0.name, $0.summary) })
      text += "\n`\(path.joined(separator: " ")) COMMAND --help` tells more.\n"
    }
    if run != nil {
      text +=
        "\nOptions:\n" + Self.columns(options.map { ($0.heading, $0.help) } + [("-h, --help", "this text")])
    }
    return details.isEmpty ? text : text + "\n" + details + "\n"
  }

  private static func columns(_ rows: [(String, String)]) -> String {
    let width = min(rows.map(\.0.count).max() ?? 0, 30)
    return rows.map { left, right in
      let gap = String(repeating: " ", count: max(1, width + 2 - left.count))
      return left.count > width
        ? "  \(left)\n\(String(repeating: " ", count: width + 4))\(right)\n" : "  \(left)\(gap)\(right)\n"
    }.joined()
  }
}
