// Fuzzing: structure-aware commands with damage, by seed; no trap, no runaway, no secret in an answer.
import Crypto
import Foundation
import TPM
import TestSupport
import Testing

/// Builds commands that are often almost right.
struct CommandGenerator {
  var random: SeededRandom
  static let cheapTemplates = [
    Template.srk, Template.ecdsa, Template.sealed, Template.hmacKey, Template.aesKey, Template.attestation(4),
  ]

  mutating func handle() -> UInt32 {
    switch random.below(8) {
    case 0: random.pick([0x4000_0001, 0x4000_0007, 0x4000_000A, 0x4000_000B, 0x4000_000C])
    case 1, 2: 0x8000_0000 + UInt32(random.below(5))
    case 3: 0x0200_0000 + UInt32(random.below(5))
    case 4: 0x0300_0000 + UInt32(random.below(5))
    case 5: 0x0150_0000 + UInt32(random.below(4))
    case 6: random.pick([0x8100_0001, 0x8100_0002, 0, 16, 23])
    default: UInt32(truncatingIfNeeded: random.next())
    }
  }

  mutating func piece() -> [UInt8] {
    switch random.below(14) {
    case 0:
      return big16(random.pick([0x10, 0xB, 0xC, 4, 0xD, 6, 0x43, 0x14, 0x18, 0x23, 1, 8, 0x25, 3, 128]))
    case 1: return sized(random.bytes(random.below(40)))
    case 2: return sized(random.pick(Self.cheapTemplates))
    case 3: return sized(sized([]) + sized(random.bytes(random.below(20))))
    case 4: return big32(UInt32(random.below(4)))
    case 5: return big32(1) + big16(0xB) + [3] + random.bytes(3)
    case 6: return [UInt8(random.below(4))]
    case 7: return big16(0x8024) + big32(0x4000_0007) + sized([])
    case 8:
      return big32(0x0150_0000 + UInt32(random.below(4))) + big16(0xB) + big32(0x0006_0006) + sized([])
        + big16(8)
    case 9: return sized([])
    case 10: return big16(random.below(65536))
    case 11: return big32(handle())
    case 12: return random.bytes(random.below(9))
    default: return big32(UInt32(truncatingIfNeeded: random.next()))
    }
  }

  mutating func command() -> [UInt8] {
    let code = UInt32(0x11F + random.below(0x76))
    var handles: [UInt8] = []
    for _ in 0..<random.below(4) { handles += big32(handle()) }
    var area: [UInt8] = []
    let sessions = random.below(4)
    for _ in 0..<sessions {
      area +=
        random.below(3) == 0
        ? big32(handle()) + sized(random.bytes(random.pick([0, 16, 20]))) + [
          UInt8(truncatingIfNeeded: random.next())
        ] + sized([])
        : TestTPM.password("")
    }
    var parameters: [UInt8] = []
    for _ in 0..<random.below(7) { parameters += piece() }
    var body = handles
    if sessions > 0 { body += big32(UInt32(area.count)) + area }
    body += parameters
    var bytes = [0x80, sessions > 0 ? 2 : 1] + big32(UInt32(10 + body.count)) + big32(code) + body
    if random.below(20) == 0 { bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8)) }
    if random.below(40) == 0 { bytes = Array(bytes.prefix(random.below(bytes.count))) }
    return bytes
  }
}

/// Eight bytes at each place of a TPM's seeds and proofs, and of a password: none may be in an answer.
struct SecretWindows {
  private var windows: Set<UInt64> = []

  mutating func add(_ secret: some Collection<UInt8>) {
    var window: UInt64 = 0
    for (index, byte) in secret.enumerated() {
      window = window << 8 | UInt64(byte)
      if index >= 7 { windows.insert(window) }
    }
  }

  /// The three hierarchies' seeds and proofs, from the start of a state blob (`Persistent.write`).
  mutating func add(blob: [UInt8]) {
    var offset = 14
    func next() -> ArraySlice<UInt8> {
      let count = Int(blob[offset]) << 8 | Int(blob[offset + 1])
      defer { offset += 2 + count }
      return blob[(offset + 2)..<(offset + 2 + count)]
    }
    for _ in 0..<3 {
      let (seed, proof) = (next(), next())
      precondition(seed.count == 48 && proof.count == 32)
      add(seed)
      add(proof)
      // Authorization, policy, its hash, the switch.
      _ = next()
      _ = next()
      offset += 3
    }
  }

  func isIn(_ answer: [UInt8]) -> Bool {
    var window: UInt64 = 0
    for (index, byte) in answer.enumerated() {
      window = window << 8 | UInt64(byte)
      if index >= 7, windows.contains(window) { return true }
    }
    return false
  }
}

@Suite struct FuzzTests {

  static func run(_ count: Int, seed: UInt64) {
    let tpm = TestTPM()
    var generator = CommandGenerator(random: SeededRandom(seed: seed))
    // Real objects to aim at; their passwords are a pattern that must never come out.
    let pattern = String(repeating: "\u{2A}", count: 24)
    let key = [UInt8](repeating: 1, count: 32)
    var secrets = SecretWindows()
    secrets.add(pattern.utf8)
    func furnish() {
      _ = tpm.createPrimary(0x4000_0001, Template.srk)
      _ = tpm.createPrimary(0x4000_000B, Template.attestation(), auth: pattern)
      _ = tpm.send(0x186, sized([]) + big16(0xB))
      _ = tpm.startSession(0)
      _ = tpm.startSession(1)
      _ = tpm.startSession(3)
      secrets.add(blob: tpm.engine.stateBlob(key: key.span))
    }
    furnish()
    for number in 0..<count {
      let command = generator.command()
      tpm.now += UInt64(generator.random.below(50))
      tpm.engine.begin(command, locality: UInt8(generator.random.below(5)), milliseconds: tpm.now)
      var slices = 0
      while !tpm.engine.advance() {
        slices += 1
        // RSA key generation is the longest command; give it up like a deleted vCPU's job.
        if slices > 2000 {
          tpm.engine.abort()
          break
        }
      }
      guard slices <= 2000 else { continue }
      let answer = tpm.engine.response
      let size = Answer(bytes: answer).word(2)
      #expect(
        answer.count >= 10 && answer.count <= 3968 && Int(size) == answer.count,
        "seed \(seed) command \(number)")
      #expect(!secrets.isIn(answer), "seed \(seed) command \(number)")
      if number % 500 == 499 {
        tpm.restart()
        furnish()
      }
    }
    #expect(tpm.send(0x181).isSuccess || tpm.restart().isSuccess)
  }

  // The count is ten million (APUS_FULL=1); the normal run does a small share of it.
  @Test func damagedCommandsNeverTrapNorRunAwayNorLeak() {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("fuzz seed \(seed)")
    let start = ContinuousClock.now
    Self.run(RunLength.isFull ? 5_000_000 : 20_000, seed: 1)
    Self.run(RunLength.isFull ? 5_000_000 : 20_000, seed: seed)
    print("fuzz took \(ContinuousClock.now - start)")
  }
}
