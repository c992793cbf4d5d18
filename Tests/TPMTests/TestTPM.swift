// TestTPM: a started engine with a small byte-level client, for the tests of this room.
import Crypto
import TPM

func big16(_ value: Int) -> [UInt8] {
  [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
}

func big32(_ value: UInt32) -> [UInt8] {
  (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) }
}

func sized(_ bytes: [UInt8]) -> [UInt8] { big16(bytes.count) + bytes }

func hex(_ bytes: some Sequence<UInt8>) -> String {
  bytes.reduce("") { $0 + ($1 < 16 ? "0" : "") + String($1, radix: 16) }
}

/// An answer taken apart.
struct Answer {
  let bytes: [UInt8]
  var code: UInt32 { word(6) }
  var isSuccess: Bool { code == 0 }

  func word(_ offset: Int) -> UInt32 {
    guard offset + 4 <= bytes.count else { return 0 }
    return bytes[offset..<(offset + 4)].reduce(0) { $0 << 8 | UInt32($1) }
  }

  func half(_ offset: Int) -> Int {
    guard offset + 2 <= bytes.count else { return 0 }
    return Int(bytes[offset]) << 8 | Int(bytes[offset + 1])
  }

  /// The content of the sized field at `offset`.
  func sized(_ offset: Int) -> [UInt8] {
    let count = half(offset)
    guard offset + 2 + count <= bytes.count else { return [] }
    return Array(bytes[(offset + 2)..<(offset + 2 + count)])
  }
}

/// A TPM under test with a clock that the test moves.
final class TestTPM {
  var engine: TPMEngine
  var now: UInt64 = 1000
  var locality: UInt8 = 0
  /// What succeeded, where a test wants to have it again.
  var recorded: [[UInt8]]?

  init(started: Bool = true, seed: UInt8 = 1) {
    let entropy = [UInt8](repeating: seed, count: 64)
    engine = TPMEngine(entropy: entropy.span)
    engine.powerOn(milliseconds: now)
    if started { _ = send(0x144, [0, 0]) }
  }

  func raw(_ command: [UInt8]) -> Answer {
    let answer = Answer(bytes: engine.execute(command, locality: locality, milliseconds: now))
    if answer.isSuccess { recorded?.append(command) }
    return answer
  }

  /// A command without sessions; `body` holds handles and parameters.
  @discardableResult
  func send(_ code: UInt32, _ body: [UInt8] = []) -> Answer {
    raw([0x80, 1] + big32(UInt32(10 + body.count)) + big32(code) + body)
  }

  /// A command with authorizations given as finished session entries.
  @discardableResult
  func send(_ code: UInt32, handles: [UInt32], sessions: [[UInt8]], _ parameters: [UInt8] = []) -> Answer {
    let area = sessions.flatMap { $0 }
    let body = handles.flatMap { big32($0) } + big32(UInt32(area.count)) + area + parameters
    return raw([0x80, 2] + big32(UInt32(10 + body.count)) + big32(code) + body)
  }

  /// A command whose handles are authorized by passwords.
  @discardableResult
  func send(_ code: UInt32, handles: [UInt32], passwords: [String], _ parameters: [UInt8] = []) -> Answer {
    send(code, handles: handles, sessions: passwords.map { Self.password($0) }, parameters)
  }

  static func password(_ text: String) -> [UInt8] {
    big32(0x4000_0009) + [0, 0, 1] + sized(Array(text.utf8))
  }

  /// Cuts the power and starts again.
  @discardableResult
  func restart(_ type: UInt8 = 0) -> Answer {
    engine.powerOn(milliseconds: now)
    return send(0x144, [0, type])
  }

  func property(_ tag: UInt32) -> UInt32 { send(0x17A, big32(6) + big32(tag) + big32(1)).word(23) }

  /// CreatePrimary with an empty password for the hierarchy; the handle.
  func createPrimary(_ hierarchy: UInt32 = 0x4000_0001, _ template: [UInt8], auth: String = "") -> Answer {
    send(
      0x131, handles: [hierarchy], passwords: [""],
      sized(sized(Array(auth.utf8)) + sized([])) + sized(template) + sized([]) + big32(0))
  }

  func create(_ parent: UInt32, _ template: [UInt8], auth: String = "", data: [UInt8] = []) -> Answer {
    send(
      0x153, handles: [parent], passwords: [""],
      sized(sized(Array(auth.utf8)) + sized(data)) + sized(template) + sized([]) + big32(0))
  }

  func startSession(
    _ kind: UInt8, key: UInt32 = 0x4000_0007, bind: UInt32 = 0x4000_0007, symmetric: [UInt8] = [0, 0x10]
  ) -> (handle: UInt32, nonce: [UInt8]) {
    let answer = send(
      0x176,
      big32(key) + big32(bind) + sized([UInt8](repeating: 7, count: 16)) + sized([]) + [kind] + symmetric + [
        0, 0xB,
      ])
    return (answer.word(10), answer.sized(14))
  }
}

/// Templates of the reference's §1.7.
enum Template {
  /// SRK "H": P-256 storage key.
  static let srk: [UInt8] =
    big16(0x23) + big16(0xB) + big32(0x0003_0472) + sized([]) + big16(6) + big16(128) + big16(0x43)
    + big16(0x10)
    + big16(3) + big16(0x10) + sized([]) + sized([])
  /// RSA-2048 storage key.
  static let rsaSRK: [UInt8] =
    big16(1) + big16(0xB) + big32(0x0003_0472) + sized([]) + big16(6) + big16(128) + big16(0x43) + big16(0x10)
    + big16(2048) + big32(0) + sized([])
  /// A restricted P-256 attestation key.
  static func attestation(_ curve: Int = 3) -> [UInt8] {
    big16(0x23) + big16(0xB) + big32(0x0005_0472) + sized([]) + big16(0x10) + big16(0x18) + big16(0xB)
      + big16(curve)
      + big16(0x10) + sized([]) + sized([])
  }
  /// An unrestricted signing key.
  static let ecdsa: [UInt8] =
    big16(0x23) + big16(0xB) + big32(0x0004_0472) + sized([]) + big16(0x10) + big16(0x18) + big16(0xB)
    + big16(3)
    + big16(0x10) + sized([]) + sized([])
  static let rsaSign: [UInt8] =
    big16(1) + big16(0xB) + big32(0x0004_0472) + sized([]) + big16(0x10) + big16(0x14) + big16(0xB)
    + big16(2048)
    + big32(0) + sized([])
  /// Sealed data, under dictionary-attack protection.
  static let sealed: [UInt8] =
    big16(8) + big16(0xB) + big32(0x0000_0052) + sized([]) + big16(0x10) + sized([])
  static let hmacKey: [UInt8] =
    big16(8) + big16(0xB) + big32(0x0004_0472) + sized([]) + big16(0x10) + sized([])
  static let aesKey: [UInt8] =
    big16(0x25) + big16(0xB) + big32(0x0006_0472) + sized([]) + big16(6) + big16(128) + big16(0x10)
    + sized([])
}
