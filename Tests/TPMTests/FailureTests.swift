// FailureTests: failure mode, answer sizes, and failing commands that leave everything as it was.
import TPM
import TestSupport
import Testing

@Suite struct FailureTests {
  // COCONUT ca7a9a5f: in failure mode an answer is its ten bytes and nothing of an earlier one.
  @Test func inFailureModeOnlyTheTwoQuestionsAreAnswered() {
    let tpm = TestTPM()
    #expect(tpm.send(0x17A, big32(2) + big32(0) + big32(100)).bytes.count > 200)
    tpm.engine.enterFailureMode()
    for code in UInt32(0x11F)...0x193 where code != 0x17A && code != 0x17C {
      let answer = tpm.send(code, [0, 1])
      #expect(answer.bytes == [0x80, 1, 0, 0, 0, 10, 0, 0, 1, 1])
    }
    #expect(tpm.send(0x17C).word(12) == 0x101)
    #expect(tpm.send(0x17A, big32(6) + big32(0x100) + big32(1)).isSuccess)
    #expect(tpm.restart().isSuccess)
    #expect(tpm.send(0x181).isSuccess)
  }

  // libtpms f85abd2d: no answer is longer than the buffer, whatever count is asked for.
  @Test func aCapabilityOfAnyCountFitsTheBuffer() {
    let tpm = TestTPM()
    for capability in UInt32(0)...0x20 {
      for first: UInt32 in [0, 0x100, 0x11F, 0x8000_0000, 0xFFFF_FFFF] {
        let answer = tpm.send(0x17A, big32(capability) + big32(first) + big32(0xFFFF_FFFF))
        #expect(answer.bytes.count <= 3968 && Int(answer.word(2)) == answer.bytes.count)
      }
    }
  }

  // CVE-2026-6727 (VRT0011) at the command: every kind of bad padding has one answer, 0x84 of parameter 1.
  @Test func everyBadPaddingHasTheSameAnswer() {
    let tpm = TestTPM()
    let template =
      big16(1) + big16(0xB) + big32(0x0002_0472) + sized([]) + big16(0x10) + big16(0x10) + big16(2048)
      + big32(0)
      + sized([])
    let key = tpm.createPrimary(0x4000_0001, template).word(10)
    let oaep = big16(0x17) + big16(0xB)
    // What decrypts to a first byte that is not zero, to a wrong hash, to no separator, and under another label.
    var answers: Set<[UInt8]> = []
    for first in [UInt8](1...20) {
      let sealed = [0] + (1..<256).map { UInt8(truncatingIfNeeded: $0) &* first }
      answers.insert(tpm.send(0x159, handles: [key], passwords: [""], sized(sealed) + oaep + sized([])).bytes)
    }
    for encoded in [[UInt8]](
      [
        [0, 1] + [UInt8](repeating: 0, count: 254),
        [UInt8](repeating: 0, count: 255) + [1],
        [0] + [UInt8](repeating: 0x55, count: 255),
      ])
    {
      let sealed = tpm.send(0x174, big32(key) + sized(encoded) + big16(0x10) + sized([])).sized(10)
      #expect(sealed.count == 256)
      answers.insert(tpm.send(0x159, handles: [key], passwords: [""], sized(sealed) + oaep + sized([])).bytes)
    }
    let labelled = tpm.send(0x174, big32(key) + sized([1, 2, 3]) + oaep + sized([65, 0])).sized(10)
    answers.insert(
      tpm.send(0x159, handles: [key], passwords: [""], sized(labelled) + oaep + sized([66, 0])).bytes)
    #expect(answers.count == 1 && Answer(bytes: answers.first ?? []).code == 0x1C4)
    let opened = tpm.send(0x159, handles: [key], passwords: [""], sized(labelled) + oaep + sized([65, 0]))
    #expect(opened.sized(14) == [1, 2, 3])
  }

  // CVE-2021-3569, -3623, -3746: a failing command leaves persistent and volatile state byte-equal (counted
  // authorization failures apart), so no half-read value can be saved and read back. That a protected value was used
  // is kept whatever becomes of the command, as its value was looked at (reference tpm.md 1.12).
  @Test func aFailingCommandChangesNeitherStateNorSessions() {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("failing commands, seed \(seed)")
    let key = [UInt8](repeating: 1, count: 32)
    // In the second a command with lockoutAuth fails behind its authorization, after a Shutdown.
    for state in [77, 228_443_845_536_507_030, seed] {
      let tpm = TestTPM()
      _ = tpm.createPrimary(0x4000_0001, Template.srk)
      _ = tpm.createPrimary(0x4000_000B, Template.attestation())
      _ = tpm.send(0x186, sized([]) + big16(0xB))
      for kind: UInt8 in [0, 1, 3] { _ = tpm.startSession(kind) }
      var generator = CommandGenerator(random: SeededRandom(seed: state))
      var failed = 0
      for number in 0..<3000 {
        let wasUsed = tpm.engine.hasUsedProtectedValue
        let before = (tpm.engine.stateBlob(key: key.span), tpm.engine.volatileBlob(key: key.span))
        let answer = tpm.raw(generator.command())
        let isCounted = [0x98E, 0xA8E, 0xB8E].contains(answer.code)
        guard !answer.isSuccess && !isCounted else { continue }
        failed += 1
        if tpm.engine.hasUsedProtectedValue != wasUsed { continue }
        #expect(tpm.engine.stateBlob(key: key.span) == before.0, "seed \(state) command \(number)")
        #expect(tpm.engine.volatileBlob(key: key.span) == before.1, "seed \(state) command \(number)")
      }
      #expect(failed > 1000)
    }
  }
}
