// Tests of keys, sealing, signing, sessions and contexts through the wire format.
import Crypto
import TPM
import Testing

@Suite struct ObjectTests {
  // The Linux kernel's null key: its answer is read field by field (reference §1.1).
  @Test func theKernelsNullKeyHasItsExactForm() {
    let tpm = TestTPM()
    let answer = tpm.createPrimary(0x4000_0007, Template.srk)
    #expect(answer.isSuccess)
    let area = answer.sized(18)
    #expect(Array(area.prefix(22)) == Array(Template.srk.prefix(22)))
    #expect(area.count == Template.srk.count + 64)
    let again = tpm.createPrimary(0x4000_0007, Template.srk)
    #expect(again.sized(18) == area)
    #expect(tpm.send(0x162, big32(answer.word(10))).bytes.count < 4096)
  }

  @Test func aPrimaryIsAFunctionOfSeedAndTemplate() {
    let tpm = TestTPM()
    let first = tpm.createPrimary(0x4000_0001, Template.srk, auth: "a")
    let second = tpm.createPrimary(0x4000_0001, Template.srk, auth: "b")
    #expect(first.sized(18) == second.sized(18))
    #expect(tpm.createPrimary(0x4000_000B, Template.srk).sized(18) != first.sized(18))
    let long =
      Array(Template.srk[..<(Template.srk.count - 4)]) + sized([UInt8](repeating: 0, count: 32))
      + sized([UInt8](repeating: 0, count: 32))
    #expect(tpm.createPrimary(0x4000_0001, long).sized(18) != first.sized(18))
    #expect(TestTPM(seed: 2).createPrimary(0x4000_0001, Template.srk).sized(18) != first.sized(18))
  }

  static func sealed(_ tpm: TestTPM, auth: String, data: [UInt8]) -> (handle: UInt32, isLoaded: Bool) {
    let parent = tpm.createPrimary(0x4000_0001, Template.srk).word(10)
    let created = tpm.create(parent, Template.sealed, auth: auth, data: data)
    let blob = created.sized(14)
    let area = created.sized(16 + blob.count)
    let loaded = tpm.send(0x157, handles: [parent], passwords: [""], sized(blob) + sized(area))
    return (loaded.word(10), loaded.isSuccess)
  }

  @Test func sealedDataComesBackWithItsPasswordOnly() {
    let tpm = TestTPM()
    let secret = Array("the secret".utf8)
    let (handle, isLoaded) = Self.sealed(tpm, auth: "pw", data: secret)
    #expect(isLoaded)
    #expect(tpm.send(0x15E, handles: [handle], passwords: ["pw"]).sized(14) == secret)
    #expect(tpm.send(0x15E, handles: [handle], passwords: ["no"]).code == 0x98E)
    #expect(tpm.property(0x20E) == 1)
    #expect(tpm.send(0x15E, handles: [handle], passwords: ["no"]).code == 0x98E)
    #expect(tpm.send(0x15E, handles: [handle], passwords: ["no"]).code == 0x98E)
    #expect(tpm.send(0x15E, handles: [handle], passwords: ["pw"]).code == 0x921)
    // One failure heals every recovery time.
    tpm.now += 1_001_000
    #expect(tpm.send(0x15E, handles: [handle], passwords: ["pw"]).isSuccess)
    #expect(tpm.send(0x139, handles: [0x4000_000A], passwords: [""]).isSuccess)
    #expect(tpm.property(0x20E) == 0)
  }

  // CVE-2020-26933.
  @Test func anUnorderlyStopAfterAProtectedUseCountsAsAFailure() {
    let tpm = TestTPM()
    let (handle, _) = Self.sealed(tpm, auth: "pw", data: [1])
    #expect(tpm.send(0x15E, handles: [handle], passwords: ["pw"]).isSuccess)
    #expect(tpm.property(0x20E) == 0)
    #expect(tpm.restart().isSuccess)
    #expect(tpm.property(0x20E) == 1)
    #expect(tpm.send(0x145, [0, 0]).isSuccess)
    #expect(tpm.restart().isSuccess)
    #expect(tpm.property(0x20E) == 1)
  }

  @Test(arguments: [Template.ecdsa, Template.rsaSign])
  func aSignatureVerifiesInTheSameTPM(_ template: [UInt8]) {
    let tpm = TestTPM()
    let key = tpm.createPrimary(0x4000_0001, template).word(10)
    let digest = [UInt8](repeating: 0x42, count: 32)
    let answer = tpm.send(
      0x15D, handles: [key], passwords: [""],
      sized(digest) + big16(0x10) + big16(0x8024) + big32(0x4000_0007) + sized([]))
    #expect(answer.isSuccess)
    let signature = Array(answer.bytes[14..<(14 + Int(answer.word(10)))])
    #expect(tpm.send(0x177, big32(key) + sized(digest) + signature).isSuccess)
    #expect(tpm.send(0x177, big32(key) + sized([1] + digest.dropFirst()) + signature).code == 0x2DB)
  }

  // CVE-2025-2884 (VRT0009): an HMAC key never signs by an asymmetric scheme.
  @Test func anHMACKeyRefusesEveryAsymmetricScheme() {
    let tpm = TestTPM()
    let parent = tpm.createPrimary(0x4000_0001, Template.srk).word(10)
    let created = tpm.create(parent, Template.hmacKey)
    let blob = created.sized(14)
    let key = tpm.send(
      0x157, handles: [parent], passwords: [""], sized(blob) + sized(created.sized(16 + blob.count))
    ).word(10)
    for scheme in [0x14, 0x16, 0x18, 0x1A, 0x1C] {
      for hash in [4, 0xB, 0xC, 0xD] {
        // ECDAA carries a count behind its hash (TPM 2.0 Part 2, 11.2.1.3).
        let body = big16(scheme) + big16(hash) + (scheme == 0x1A ? big16(0) : [])
        let digest = sized([UInt8](repeating: 1, count: 32))
        let sign = tpm.send(
          0x15D, handles: [key], passwords: [""],
          digest + body + big16(0x8024) + big32(0x4000_0007) + sized([]))
        #expect(sign.code & 0xBF == 0x92)
        #expect(
          tpm.send(0x158, handles: [key], passwords: [""], sized([]) + body + big32(0)).code & 0xBF == 0x92)
        #expect(
          tpm.send(0x148, handles: [key, key], passwords: ["", ""], sized([]) + body).code & 0xBF == 0x92)
        #expect(
          tpm.send(0x14C, handles: [0x4000_000B, key], passwords: ["", ""], sized([]) + body).code & 0xBF
            == 0x92)
      }
    }
    #expect(tpm.send(0x181).isSuccess)
  }

  // CVE-2026-6726 (VRT0010): a sequence is no object anywhere.
  @Test func aSequenceIsRefusedWhereverAnObjectIsWanted() {
    let tpm = TestTPM()
    let sequence = tpm.send(0x186, sized([]) + big16(0xB)).word(10)
    #expect(sequence >> 24 == 0x80)
    let key = tpm.createPrimary(0x4000_0001, Template.attestation()).word(10)
    let null = UInt32(0x4000_0007)
    let nothing = sized([]) + big16(0x10)
    #expect(!tpm.send(0x148, handles: [sequence, null], passwords: ["", ""], nothing).isSuccess)
    #expect(!tpm.send(0x148, handles: [sequence, key], passwords: ["", ""], nothing).isSuccess)
    #expect(!tpm.send(0x148, handles: [key, sequence], passwords: ["", ""], nothing).isSuccess)
    #expect(!tpm.send(0x173, big32(sequence)).isSuccess)
    #expect(!tpm.send(0x15E, handles: [sequence], passwords: [""]).isSuccess)
    #expect(!tpm.create(sequence, Template.sealed, data: [1]).isSuccess)
    #expect(!tpm.send(0x168, big32(sequence) + sized([1]) + sized([])).isSuccess)
    #expect(!tpm.send(0x14B, handles: [sequence, null], passwords: [""], sized([]) + big16(0x10)).isSuccess)
    #expect(
      !tpm.send(0x120, handles: [0x4000_0001, sequence], passwords: [""], big32(0x8100_0009)).isSuccess)
    #expect(
      !tpm.send(
        0x14A, handles: [null, sequence], passwords: [""],
        sized([]) + sized([]) + big16(0x10) + big16(0x8021) + big32(null) + sized([])
      ).isSuccess)
    let done = tpm.send(0x13E, handles: [sequence], passwords: [""], sized(Array("abc".utf8)) + big32(null))
    #expect(hex(done.sized(14)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  // CVE-2023-1017 and CVE-2023-1018.
  @Test func aDecryptSessionWithTooFewBytesIsRefused() {
    let tpm = TestTPM()
    for symmetric in [big16(0xA) + big16(0xB), big16(6) + big16(128) + big16(0x43)] {
      let (session, _) = tpm.startSession(0, symmetric: symmetric)
      let entry = big32(session) + sized([]) + [0x21] + sized([])
      for parameters: [UInt8] in [[], [0]] {
        let answer = tpm.send(0x131, handles: [0x4000_0001], sessions: [entry], parameters)
        #expect(answer.code == 0x99A)
      }
      let answer = tpm.send(0x131, handles: [0x4000_0001], sessions: [entry], [0, 4, 1, 2])
      #expect(answer.code == 0x995)
    }
    #expect(tpm.send(0x181).isSuccess)
  }

  @Test func aContextComesBackAndATamperedOneDoesNot() {
    let tpm = TestTPM()
    let key = tpm.createPrimary(0x4000_0001, Template.srk)
    let saved = tpm.send(0x162, big32(key.word(10)))
    let context = Array(saved.bytes[10...])
    let loaded = tpm.send(0x161, context)
    #expect(loaded.isSuccess && loaded.word(10) != key.word(10))
    #expect(tpm.send(0x173, big32(loaded.word(10))).bytes == tpm.send(0x173, big32(key.word(10))).bytes)
    for place in [3, 20, 30, context.count - 1] {
      var changed = context
      changed[place] ^= 1
      #expect(!tpm.send(0x161, changed).isSuccess)
    }
    #expect(tpm.restart().isSuccess)
    #expect(tpm.send(0x161, context).code == 0x1DF)
  }

  @Test func aSessionContextLoadsOnce() {
    let tpm = TestTPM()
    let (session, _) = tpm.startSession(1)
    let saved = tpm.send(0x162, big32(session))
    let context = Array(saved.bytes[10...])
    #expect(tpm.send(0x189, big32(session)).code == 0x910)
    #expect(tpm.send(0x161, context).word(10) == session)
    #expect(tpm.send(0x161, context).code == 0x1CB)
    #expect(tpm.send(0x165, big32(session)).isSuccess)
    #expect(tpm.send(0x165, big32(session)).code == 0x1CB)
  }

  // CVE-2021-3446.
  @Test func encryptDecryptReturnsTheIVThatContinuesTheStream() {
    let tpm = TestTPM()
    let parent = tpm.createPrimary(0x4000_0001, Template.srk).word(10)
    let created = tpm.create(parent, Template.aesKey)
    let blob = created.sized(14)
    let key = tpm.send(
      0x157, handles: [parent], passwords: [""], sized(blob) + sized(created.sized(16 + blob.count))
    ).word(10)
    let data = (0..<64).map { UInt8($0) }
    for mode in [0x40, 0x41, 0x42, 0x43] {
      func run(_ data: [UInt8], _ iv: [UInt8]) -> ([UInt8], [UInt8]) {
        let answer = tpm.send(
          0x193, handles: [key], passwords: [""], sized(data) + [0] + big16(mode) + sized(iv))
        return (answer.sized(14), answer.sized(16 + data.count))
      }
      let iv = [UInt8](repeating: 0x11, count: 16)
      let whole = run(data, iv)
      let first = run(Array(data[..<32]), iv)
      let second = run(Array(data[32...]), first.1)
      #expect(first.0 + second.0 == whole.0 && whole.0.count == 64, "mode \(mode)")
      #expect(second.1 == whole.1)
    }
  }
}
