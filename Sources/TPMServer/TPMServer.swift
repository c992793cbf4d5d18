// TPMServer: the TPM engine behind sockets, in swtpm's dialect and the TCG simulator's.
import Foundation
import Glibc
import TPM

/// Serves one TPM on a data port and a control channel (swtpm) or a platform port (simulator).
public final class TPMServer {
  /// How the server is started.
  public struct Options {
    /// The data port.
    public var port: UInt16 = 2321
    /// The data socket's path, which then takes the port's place; nil for none.
    public var path: String?
    /// Where to listen.
    public var address = "127.0.0.1"
    /// The control channel's TCP port; nil for none.
    public var controlPort: UInt16?
    /// The control channel's socket path; nil for none.
    public var controlPath: String?
    /// Whether to speak the simulator's protocol, its platform port being `port` + 1.
    public var isSimulator = false
    /// The directory that keeps the state; nil for a TPM that forgets.
    public var stateDirectory: String?
    /// Whether commands are answered before CMD_INIT.
    public var needsNoInit = false
    /// Whether the TPM starts itself up (clear).
    public var startsClear = false
    /// Whether the server ends when the data connection closes.
    public var terminates = false
    /// The file to write the process id to.
    public var pidFile: String?
    /// The PCR banks of a TPM that is new; libtpms has all four, and clients count on SHA-1.
    public var banks: BankSet = [.sha1, .sha256, .sha384, .sha512]
    /// Whether the process goes to the background when its sockets are open.
    public var isDaemon = false

    /// The defaults.
    public init() {}
  }

  let options: Options
  let sockets = SocketServer()
  let directory: StateDirectory?
  var key: [UInt8]
  var engine: TPMEngine
  var isPowered = false
  var locality: UInt8 = 0
  var established = false
  var bufferSize: UInt32 = 3968

  /// Loads or makes the TPM; throws if its state can't be read.
  public init(_ options: Options) throws(ServerFailure) {
    self.options = options
    directory = options.stateDirectory.map { StateDirectory(path: $0) }
    let entropy = Entropy.bytes(64)
    key = [UInt8](repeating: 0, count: 32)
    if let directory {
      guard let stored = directory.key() else {
        throw ServerFailure(
          "\(directory.path) can't be written, or holds a state without its key",
          fix: "name a directory of the TPM's own")
      }
      key = stored
      if let blob = directory.load() {
        // State that does not load is an error, never a reason to make a new TPM.
        guard let loaded = TPMEngine(blob: blob, key: stored.span, entropy: entropy.span) else {
          throw ServerFailure(
            "the state in \(directory.path) is damaged or of another version",
            fix: "restore it, or name an empty directory")
        }
        engine = loaded
      } else {
        engine = TPMEngine(entropy: entropy.span, banks: options.banks)
      }
    } else {
      engine = TPMEngine(entropy: entropy.span, banks: options.banks)
    }
    if options.needsNoInit { powerOn() }
  }

  static func milliseconds() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
  }

  func powerOn() {
    let entropy = Entropy.bytes(48)
    engine.stir(entropy.span)
    engine.powerOn(milliseconds: Self.milliseconds())
    isPowered = true
    if options.startsClear { _ = execute([0x80, 0x01, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0]) }
  }

  /// An orderly end before a reset by the host, which spares the guest a dictionary-attack count.
  func shutDownOrderly() {
    guard isPowered, engine.isStarted, !engine.isOrderly else { return }
    _ = execute([0x80, 0x01, 0, 0, 0, 12, 0, 0, 1, 0x45, 0, 0])
  }

  func execute(_ command: [UInt8], locality: UInt8? = nil) -> [UInt8] {
    if engine.wantsEntropy {
      let entropy = Entropy.bytes(48)
      engine.stir(entropy.span)
    }
    let answer = engine.execute(
      command, locality: locality ?? self.locality, milliseconds: Self.milliseconds())
    // The state is kept before the answer leaves; what can't be kept ends the TPM (reference §4.2).
    if engine.needsStore, let directory {
      if directory.store(engine.stateBlob(key: key.span)) {
        engine.stored()
      } else {
        engine.enterFailureMode()
        return [0x80, 0x01, 0, 0, 0, 10, 0, 0, 1, 1]
      }
    }
    return answer
  }

  /// Serves until told to stop.
  public func run() throws(ServerFailure) {
    if let path = options.path {
      try sockets.listenUnix(path, .data)
    } else {
      try sockets.listenTCP(options.address, options.port, .data)
    }
    if options.isSimulator { try sockets.listenTCP(options.address, options.port &+ 1, .platform) }
    if let port = options.controlPort { try sockets.listenTCP(options.address, port, .control) }
    if let path = options.controlPath { try sockets.listenUnix(path, .control) }
    // Whoever waits for us to leave the foreground finds the sockets open.
    if options.isDaemon, daemon(1, 0) != 0 {
      throw ServerFailure("the process can't go to the background", fix: "leave out --daemon")
    }
    if let file = options.pidFile {
      do { try "\(getpid())\n".write(toFile: file, atomically: true, encoding: .utf8) } catch {
        throw ServerFailure("\(file) can't be written", fix: "name another file for the process id")
      }
    }
    sockets.run(
      { connection in
        switch connection.role {
        case .data: return self.data(&connection)
        case .control: return self.control(&connection)
        case .platform: return self.platform(&connection)
        }
      },
      received: { self.sockets.adopt($0, .data) },
      ended: { if $0 == .data && self.options.terminates { self.sockets.isStopped = true } })
    shutDownOrderly()
  }
}

/// The big-endian word at `offset`; zero beyond the end.
func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
  guard offset >= 0, offset + 4 <= bytes.count else { return 0 }
  return bytes[offset..<(offset + 4)].reduce(0) { $0 << 8 | UInt32($1) }
}

/// A word as four big-endian bytes.
func big(_ value: UInt32) -> [UInt8] {
  (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) }
}
