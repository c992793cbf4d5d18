// TPMCommand: `apus tpm`: serves our TPM over sockets, as swtpm and the TCG simulator do, and prints what it can.
import TPM
import TPMServer

extension Commands {
  static let tpm = Command(
    name: "tpm", summary: "Serves a TPM 2.0 over sockets and prints what it can do.",
    usage: "apus tpm COMMAND ...", subcommands: [tpmServe, tpmSocket, tpmInfo])

  private static let serverOptions: [CommandOption] = [
    .init("--tpmstate", value: "dir=D", "keep the state in the directory D; without it the TPM forgets"),
    .init("--ctrl", value: "SOCKET", "open swtpm's control channel there"),
    .init("--flags", value: "LIST", "not-need-init, startup-clear"),
    .init("--pcr-banks", value: "LIST", "banks of a new TPM: sha1, sha256, sha384, sha512 (default all)"),
    .init("--pid", value: "file=F", "write the process id to F"),
    .init("--daemon", short: "-d", "go to the background when the sockets are open"),
    .init("--terminate", short: "-t", "end when the data connection closes"),
    .init("--log", value: "LIST", "taken for swtpm's sake; nothing is logged"),
    .init("--locality", value: "LIST", "taken for swtpm's sake; localities 0 to 4 can always be set"),
    .init("--seccomp", value: "LIST", "taken for swtpm's sake"),
    .init("--tpm2", "taken for swtpm's sake; there is no other TPM"),
  ]

  static let tpmServe = Command(
    name: "serve", summary: "Serves a TPM that is powered on.",
    usage: "apus tpm serve --port P [--tpmstate dir=D] [--ctrl SOCKET]",
    options: [.init("--port", value: "P", "the data port (default 2321)")] + serverOptions,
    details: """
      The data port takes raw commands and the TCG simulator's frames. Without --ctrl the port above it is the
      simulator's platform port. SOCKET is type=tcp,port=P[,bindaddr=A] or type=unixio,path=S.

      Example:
        apus tpm serve --port 2321 --tpmstate dir=state
        TPM2TOOLS_TCTI=mssim:host=localhost,port=2321 tpm2 getrandom 8 --hex
      """,
    run: { arguments throws(Failure) in
      var options = try options(arguments)
      if let port = try arguments.number("--port", limit: 65534) { options.port = UInt16(port) }
      options.needsNoInit = true
      options.isSimulator = options.controlPort == nil && options.controlPath == nil
      return try serve(options)
    })

  static let tpmSocket = Command(
    name: "socket", summary: "Serves a TPM with swtpm's command line: `apus tpm` for `swtpm`.",
    usage: "apus tpm socket --tpm2 --server SOCKET --ctrl SOCKET [--tpmstate dir=D] [--flags LIST]",
    options: [
      .init("--server", value: "SOCKET", "where commands come in"),
      .init("--port", short: "-p", value: "P", "the data port"),
    ] + serverOptions,
    details: """
      Commands are answered after CMD_INIT on the control channel, or at once with --flags not-need-init.

      Example: for programs that start `swtpm` themselves
        printf '#!/bin/sh\\nexec apus tpm "$@"\\n' > swtpm
      """,
    run: { arguments throws(Failure) in
      var options = try options(arguments)
      if let server = arguments["--server"] {
        let socket = try SocketName("--server", server)
        options.path = socket.path
        if let port = socket.port { options.port = port }
        if let address = socket.address { options.address = address }
      }
      if let port = try arguments.number("--port", limit: 65535) { options.port = UInt16(port) }
      return try serve(options)
    })

  static let tpmInfo = Command(
    name: "info", summary: "Prints the capabilities of the TPM.", usage: "apus tpm info",
    run: { _ throws(Failure) in
      try Output.write(TPMInfo.text() + "\n")
      return 0
    })

  private static func options(_ arguments: Arguments) throws(Failure) -> TPMServer.Options {
    guard arguments.operands.isEmpty else {
      throw Failure("\(arguments.operands[0]) is not an option", fix: "--help lists the options")
    }
    var options = TPMServer.Options()
    if let state = arguments["--tpmstate"] {
      guard let directory = fields(state)["dir"] else {
        throw Failure("--tpmstate \(state) names no directory", fix: "write dir=D")
      }
      options.stateDirectory = directory
    }
    if let control = arguments["--ctrl"] {
      let socket = try SocketName("--ctrl", control)
      options.controlPath = socket.path
      options.controlPort = socket.port
    }
    let flags = fields(arguments["--flags"] ?? "")
    options.startsClear = flags["startup-clear"] != nil
    options.needsNoInit = flags["not-need-init"] != nil || options.startsClear
    if let list = arguments["--pcr-banks"] {
      options.banks = []
      for name in list.split(separator: ",") { options.banks.insert(try bank(String(name))) }
    }
    options.pidFile = arguments["--pid"].flatMap { fields($0)["file"] }
    options.isDaemon = arguments.has("--daemon")
    options.terminates = arguments.has("--terminate")
    return options
  }

  private static func bank(_ name: String) throws(Failure) -> BankSet {
    switch name {
    case "sha1": return .sha1
    case "sha256": return .sha256
    case "sha384": return .sha384
    case "sha512": return .sha512
    default: throw Failure("there is no PCR bank \(name)", fix: "choose of sha1, sha256, sha384, sha512")
    }
  }

  private static func serve(_ options: TPMServer.Options) throws(Failure) -> Int32 {
    do throws(ServerFailure) {
      try TPMServer(options).run()
    } catch {
      throw Failure(error.cause, fix: error.fix, status: 1)
    }
    return 0
  }
}

/// `key=value,key,…` as swtpm's options are written.
private func fields(_ text: String) -> [String: String] {
  var out: [String: String] = [:]
  for part in text.split(separator: ",") {
    let halves = part.split(separator: "=", maxSplits: 1)
    out[String(halves[0])] = halves.count > 1 ? String(halves[1]) : ""
  }
  return out
}

/// `type=tcp,port=P[,bindaddr=A]` or `type=unixio,path=S`.
private struct SocketName {
  var port: UInt16?
  var path: String?
  var address: String?

  init(_ option: String, _ text: String) throws(Failure) {
    let fields = fields(text)
    path = fields["path"]
    address = fields["bindaddr"]
    port = fields["port"].flatMap { UInt16($0) }
    if path == nil && port == nil {
      throw Failure(
        "\(option) \(text) names no socket", fix: "write type=tcp,port=P or type=unixio,path=S")
    }
  }
}
