// Tests of the CPU's instructions against the portable code: which of them are used, and that both give the same.
//
// The official vectors run over both: `ci/steps/10-hosted` runs this target once more with APUS_CRYPTO=portable.
import Crypto
import Foundation
import TestSupport
import Testing

@Suite struct CPUInstructionsTests {
  static let isPortable = ProcessInfo.processInfo.environment["APUS_CRYPTO"] == "portable"

  /// What Linux says of the first CPU; all have the same.
  static func flags() throws -> Set<Substring> {
    let text = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("flags") })
    return Set(line.split(separator: " "))
  }

  @Test func theInstructionsThatLinuxSeesAreUsedUnlessTheEnvironmentForbids() throws {
    #if arch(x86_64)
      let flags = try Self.flags()
      let hasSHA = flags.isSuperset(of: ["sha_ni", "ssse3", "sse4_1"])
      #expect(CPUInstructions.haveSHA == (hasSHA && !Self.isPortable))
      #expect(CPUInstructions.haveAES == (flags.contains("aes") && !Self.isPortable))
    #else
      #expect(!CPUInstructions.haveSHA && !CPUInstructions.haveAES)
    #endif
  }

  @Test func thePortableCodeIsChosenForTheBodyOnly() {
    let before = (CPUInstructions.haveSHA, CPUInstructions.haveAES)
    let during = CPUInstructions.portably { (CPUInstructions.haveSHA, CPUInstructions.haveAES) }
    #expect(during == (false, false))
    #expect((CPUInstructions.haveSHA, CPUInstructions.haveAES) == before)
  }

  @Test func bothHashesGiveTheSameOfRandomMessages() {
    for seed in RunLength.seeds("SHA-256 by instructions and without") {
      var random = SeededRandom(seed: seed)
      for _ in 0..<RunLength.scaled(100_000) {
        let message = random.bytes(random.below(400))
        let digest = bytes(Hasher.hash(.sha256, message.span))
        #expect(
          CPUInstructions.portably { bytes(Hasher.hash(.sha256, message.span)) } == digest, "seed \(seed)")
      }
    }
  }

  @Test func bothCiphersGiveTheSameInEveryModeOfRandomKeysAndTexts() {
    let modes: [CipherMode] = [.ecb, .cbc, .cfb, .ofb, .ctr]
    for seed in RunLength.seeds("AES by instructions and without") {
      var random = SeededRandom(seed: seed)
      for round in 0..<RunLength.scaled(50_000) {
        let key = hex(random.bytes(round & 1 == 0 ? 16 : 32))
        let mode = modes[round % modes.count]
        var text = random.bytes(random.below(200))
        if mode == .ecb || mode == .cbc { text.removeLast(text.count % 16) }
        let iv = random.bytes(16)
        for encrypting in [true, false] {
          let here = AESTests.apply(key, mode, encrypting: encrypting, iv: iv, text)
          let there = CPUInstructions.portably {
            AESTests.apply(key, mode, encrypting: encrypting, iv: iv, text)
          }
          #expect(here?.out == there?.out && here?.iv == there?.iv, "seed \(seed), round \(round)")
        }
      }
    }
  }

  // A key set up before the choice changes goes on as it was set up.
  @Test func aCipherKeepsTheKindOfItsKey() {
    let key = bytes(AESTests.key256)
    guard let cipher = AES(key: key.span) else {
      Issue.record("the key is refused")
      return
    }
    var (first, second) = (InlineArray<16, UInt8>(repeating: 9), InlineArray<16, UInt8>(repeating: 9))
    cipher.encryptBlock(&first)
    second = CPUInstructions.portably {
      var block = second
      cipher.encryptBlock(&block)
      return block
    }
    #expect(bytes(first) == bytes(second))
  }
}
