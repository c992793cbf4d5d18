// CommandLineOptions: swtpm's and the simulator's command lines.

/// Reads `serve --port P …`, `socket --tpm2 --server …` (swtpm) or `PORT [-m]` (simulator).
public enum CommandLineOptions {
  /// A command line that is not understood.
  public struct Usage: Error, CustomStringConvertible {
    /// What is wrong.
    public let description: String
  }

  /// The options of a command line.
  public static func parse(_ arguments: [String]) throws -> TPMServer.Options {
    var options = TPMServer.Options()
    var rest = arguments[...]
    if let first = rest.first, let port = UInt16(first) {
      options.port = port
      options.isSimulator = true
      return options
    }
    let verb = rest.popFirst() ?? ""
    guard verb == "serve" || verb == "socket" else {
      throw Usage(description: "serve --port P [--tpmstate dir=D] [--ctrl …]")
    }
    options.needsNoInit = verb == "serve"
    options.isSimulator = verb == "serve"
    while let flag = rest.popFirst() {
      switch flag {
      case "--tpm2", "-d", "--daemon": break
      case "-t", "--terminate": options.terminates = true
      case "--port":
        guard let text = rest.popFirst(), let port = UInt16(text) else {
          throw Usage(description: "--port needs a number")
        }
        options.port = port
      case "--tpmstate": options.stateDirectory = fields(rest.popFirst())["dir"]
      case "--server", "-p":
        let fields = fields(rest.popFirst())
        if let port = fields["port"].flatMap({ UInt16($0) }) { options.port = port }
        if let address = fields["bindaddr"] { options.address = address }
      case "--ctrl":
        let fields = fields(rest.popFirst())
        options.isSimulator = false
        if let path = fields["path"] {
          options.controlPath = path
        } else {
          options.controlPort = fields["port"].flatMap { UInt16($0) }
        }
      case "--flags":
        let fields = fields(rest.popFirst())
        if fields["not-need-init"] != nil { options.needsNoInit = true }
        if fields["startup-clear"] != nil {
          options.startsClear = true
          options.needsNoInit = true
        }
      case "--pid": options.pidFile = fields(rest.popFirst())["file"]
      case "--log", "--key", "--migration-key", "--seccomp", "--locality": _ = rest.popFirst()
      default: throw Usage(description: "unknown option \(flag)")
      }
    }
    return options
  }

  private static func fields(_ text: String?) -> [String: String] {
    var out: [String: String] = [:]
    for part in (text ?? "").split(separator: ",") {
      let halves = part.split(separator: "=", maxSplits: 1)
      out[String(halves[0])] = halves.count > 1 ? String(halves[1]) : ""
    }
    return out
  }
}
