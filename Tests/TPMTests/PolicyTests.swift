// PolicyTests: the engine's policy rules, on the commands themselves.
import TPM
// Tests of policies: digests that are published, comparisons, and what must be refused.
import Testing

@Suite struct PolicyTests {
  // PolicyA of the EK credential profile: PolicySecret(endorsement) (reference §1.7).
  @Test func policySecretOfTheEndorsementHierarchyGivesPolicyA() {
    let tpm = TestTPM()
    let (session, _) = tpm.startSession(3)
    let answer = tpm.send(
      0x151, handles: [0x4000_000B, session], passwords: [""], sized([]) + sized([]) + sized([]) + big32(0))
    #expect(answer.isSuccess)
    #expect(
      hex(tpm.send(0x189, big32(session)).sized(10))
        == "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")
  }

  // PolicyC and PolicyB (reference §1.7): PolicyAuthorizeNV of index 0x01C07F01, and the OR with PolicyA.
  @Test func theCredentialProfilesPolicyBComesOut() {
    let tpm = TestTPM()
    let policyA = bytes("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")
    let policyC = bytes("3767e2edd43ff45a3a7e1eaefcef78643dca964632e7aad82c673a30d8633fde")
    let (session, _) = tpm.startSession(3)
    #expect(tpm.send(0x171, big32(session) + big32(2) + sized(policyA) + sized(policyC)).isSuccess)
    #expect(
      hex(tpm.send(0x189, big32(session)).sized(10))
        == "ca3d0a99a2b93906f7a3342414efcfb3a385d44cd1fd459089d19b5071c0b7a0")
  }

  // The 2023 finding: a key name too short to hold a hash identifier.
  @Test func policyAuthorizeRefusesNamesWithoutAHash() {
    let tpm = TestTPM()
    let (session, _) = tpm.startSession(1)
    for name: [UInt8] in [[], [0], [0, 0x99]] {
      let answer = tpm.send(
        0x16A,
        big32(session) + sized([UInt8](repeating: 0, count: 32)) + sized([]) + sized(name) + big16(0x8022)
          + big32(0x4000_0007) + sized([]))
      #expect(!answer.isSuccess)
    }
    #expect(tpm.send(0x181).isSuccess)
  }

  // LT 0.10's SignedCompareB: all twelve operations with operands of both signs.
  @Test func everyComparisonIsRightForOperandsOfBothSigns() {
    let tpm = TestTPM()
    let values: [Int64] = [0, 1, -1, 5, -5, .max, .min]
    for stored in values {
      let index = UInt32(0x0150_0010)
      tpm.send(0x122, handles: [0x4000_0001, index], passwords: [""])
      tpm.send(
        0x12A, handles: [0x4000_0001], passwords: [""],
        sized([]) + sized(big32(index) + big16(0xB) + big32(0x0006_0006) + sized([]) + big16(8)))
      let word = UInt64(bitPattern: stored)
      let data = big32(UInt32(word >> 32)) + big32(UInt32(truncatingIfNeeded: word))
      #expect(tpm.send(0x137, handles: [index, index], passwords: [""], sized(data) + big16(0)).isSuccess)
      for operand in values {
        let other = UInt64(bitPattern: operand)
        let expected: [Bool] = [
          stored == operand, stored != operand, stored > operand, word > other, stored < operand,
          word < other,
          stored >= operand, word >= other, stored <= operand, word <= other, word & other == other,
          word & other == 0,
        ]
        for (operation, holds) in expected.enumerated() {
          let (session, _) = tpm.startSession(1)
          let answer = tpm.send(
            0x149, handles: [index, index, session], passwords: [""],
            sized(big32(UInt32(other >> 32)) + big32(UInt32(truncatingIfNeeded: other))) + big16(0)
              + big16(operation))
          #expect(answer.code == (holds ? 0 : 0x126), "\(stored) \(operation) \(operand)")
          tpm.send(0x165, big32(session))
        }
      }
    }
  }

  @Test func aCounterNeverGoesBack() {
    let tpm = TestTPM()
    let index = UInt32(0x0150_0020)
    func define() {
      tpm.send(
        0x12A, handles: [0x4000_0001], passwords: [""],
        sized([]) + sized(big32(index) + big16(0xB) + big32(0x0006_0016) + sized([]) + big16(8)))
    }
    func increment() { #expect(tpm.send(0x134, handles: [index, index], passwords: [""]).isSuccess) }
    func value() -> UInt32 {
      tpm.send(0x14E, handles: [index, index], passwords: [""], big16(8) + big16(0)).word(20)
    }
    define()
    for _ in 0..<5 { increment() }
    #expect(value() == 5)
    tpm.send(0x122, handles: [0x4000_0001, index], passwords: [""])
    define()
    increment()
    #expect(value() == 6)
  }
}

func bytes(_ text: String) -> [UInt8] {
  var out: [UInt8] = []
  var rest = text[...]
  while rest.count >= 2 {
    if let byte = UInt8(rest.prefix(2), radix: 16) { out.append(byte) }
    rest = rest.dropFirst(2)
  }
  return out
}
