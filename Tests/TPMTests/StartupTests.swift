// StartupTests: the engine's startup rules, on the commands themselves.
import TPM
// Tests of framing, start-up, PCRs and capabilities (reference §1.1, §1.3, §1.11, §1.13, §1.17).
import Testing

@Suite struct StartupTests {
  @Test func nothingIsAnsweredBeforeStartupAndStartupOnlyOnce() {
    let tpm = TestTPM(started: false)
    #expect(tpm.send(0x143, [0]).code == 0x100)
    #expect(tpm.send(0x181).code == 0x100)
    #expect(tpm.send(0x144, [0, 0]).isSuccess)
    #expect(tpm.send(0x144, [0, 0]).code == 0x100)
    #expect(tpm.send(0x181).bytes.count == 10 + 25)
  }

  // CVE-2018-6622.
  @Test func resumingWithoutSavedStateIsRefused() {
    let tpm = TestTPM(started: false)
    #expect(tpm.send(0x144, [0, 1]).code == 0x1C4)
    #expect(tpm.send(0x144, [0, 0]).isSuccess)
    let resets = tpm.send(0x181).word(10 + 16)
    tpm.send(0x182, handles: [3], passwords: [""], big32(1) + big16(0xB) + [UInt8](repeating: 1, count: 32))
    #expect(tpm.restart(1).code == 0x1C4)
    #expect(tpm.send(0x144, [0, 0]).isSuccess)
    #expect(tpm.send(0x181).word(10 + 16) == resets + 1)
    let read = tpm.send(0x17E, big32(1) + big16(0xB) + [3, 8, 0, 0])
    #expect(Array(read.bytes.suffix(32)) == [UInt8](repeating: 0, count: 32))
  }

  @Test func anOrderlyResumeKeepsThePCRs() {
    let tpm = TestTPM()
    tpm.send(0x182, handles: [3], passwords: [""], big32(1) + big16(0xB) + [UInt8](repeating: 1, count: 32))
    let before = tpm.send(0x17E, big32(1) + big16(0xB) + [3, 8, 0, 0]).bytes.suffix(32)
    #expect(tpm.send(0x145, [0, 1]).isSuccess)
    #expect(tpm.restart(1).isSuccess)
    #expect(tpm.send(0x17E, big32(1) + big16(0xB) + [3, 8, 0, 0]).bytes.suffix(32) == before)
  }

  @Test func malformedHeadersGetTheirCodes() {
    let tpm = TestTPM()
    #expect(tpm.raw([]).code == 0x142)
    #expect(tpm.raw([0x80, 1, 0, 0]).code == 0x142)
    #expect(tpm.raw([0x80, 3, 0, 0, 0, 10, 0, 0, 1, 0x81]).code == 0x01E)
    #expect(tpm.raw([0x80, 1, 0, 0, 0, 11, 0, 0, 1, 0x81]).code == 0x142)
    for code: UInt32 in [0, 0x11E, 0x1A2, 0x2000_0000, 0xFFFF_FFFF] { #expect(tpm.send(code).code == 0x143) }
    #expect(tpm.send(0x17B, [1]).code == 0x1DA)
    #expect(tpm.send(0x17B, [0, 8, 0]).code == 0x095)
    #expect(tpm.send(0x173, big32(0x80FF_FFFF)).code == 0x910)
    #expect(tpm.send(0x173, big32(0x8100_0001)).code == 0x18B)
    #expect(tpm.send(0x131, big32(0x4000_0001)).code == 0x125)
    for answer in [tpm.raw([]), tpm.send(0)] { #expect(answer.bytes.count == 10) }
  }

  // The kernel reads PT_TOTAL_COMMANDS and demands as many from CAP_COMMANDS (reference §1.1).
  @Test func theCommandListHasAsManyCommandsAsTheProperty() {
    let tpm = TestTPM()
    let total = tpm.property(0x129)
    let answer = tpm.send(0x17A, big32(2) + big32(0x11F) + big32(total))
    #expect(answer.bytes[10] == 0)
    #expect(answer.word(15) == total)
    #expect(total > 100)
    let all = tpm.send(0x17A, big32(6) + big32(0x100) + big32(0xFFFF_FFFF))
    #expect(all.isSuccess && all.bytes.count <= 3968)
  }

  // OVMF's commands: all banks at once, one extend with four digests (reference §1.1).
  @Test func theFirmwaresPCRCommandsHaveTheirSizes() {
    let tpm = TestTPM()
    let digests =
      big16(4) + [UInt8](repeating: 1, count: 20) + big16(0xB) + [UInt8](repeating: 2, count: 32) + big16(0xC)
      + [UInt8](repeating: 3, count: 48) + big16(0xD) + [UInt8](repeating: 4, count: 64)
    let answer = tpm.send(0x182, handles: [0], passwords: [""], big32(4) + digests)
    #expect(answer.isSuccess && answer.bytes.count == 19)
    #expect(tpm.send(0x13D, handles: [0], passwords: [""]).code == 0x907)
    #expect(
      tpm.send(0x129, handles: [0x4000_000C], passwords: [""], sized([UInt8](repeating: 9, count: 64)))
        .isSuccess)
  }

  @Test func aReadOnlyCommandRepeatedGivesTheSameBytes() {
    let tpm = TestTPM()
    for capability in 0..<10 {
      let body = big32(UInt32(capability)) + big32(0) + big32(100)
      #expect(tpm.send(0x17A, body).bytes == tpm.send(0x17A, body).bytes)
    }
  }

  // A power cut leaves the stored state; a hostile blob is refused, never worse (reference §4.3).
  @Test func aStateBlobIsTakenWholeOrRefused() throws {
    let tpm = TestTPM()
    tpm.send(
      0x12A, handles: [0x4000_0001], passwords: [""],
      sized([]) + sized(big32(0x0150_0000) + big16(0xB) + big32(0x0004_0004) + sized([]) + big16(64)))
    let srk = tpm.createPrimary(0x4000_0001, Template.srk)
    #expect(
      tpm.send(0x120, handles: [0x4000_0001, srk.word(10)], passwords: [""], big32(0x8100_0001)).isSuccess)
    let key = [UInt8](repeating: 5, count: 32)
    let entropy = [UInt8](repeating: 6, count: 48)
    let blob = tpm.engine.stateBlob(key: key.span)
    func load(_ blob: [UInt8], _ key: [UInt8]) -> TPMEngine? {
      TPMEngine(blob: blob, key: key.span, entropy: entropy.span)
    }
    var again = try #require(load(blob, key))
    again.powerOn(milliseconds: 0)
    #expect(again.stateBlob(key: key.span) == blob)
    #expect(load(blob, [UInt8](repeating: 4, count: 32)) == nil)
    for count in [0, 1, 13, 46, blob.count - 1] { #expect(load(Array(blob.prefix(count)), key) == nil) }
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<300 {
      var changed = blob
      changed[Int.random(in: 0..<blob.count, using: &generator)] ^=
        1 << UInt8.random(in: 0..<8, using: &generator)
      #expect(load(changed, key) == nil)
    }
  }
}
