// Commands: the tool's top-level commands; a new one is a file and a line here.

enum Commands {
  static let all: [Command] = [
    igvm,
    trace,
    bench,
    tpm,
  ]
}
