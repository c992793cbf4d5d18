// SessionLeakTests: parameter encryption on every command, with fewer bytes than it wants (CVE-2023-1017, -1018).
import TPM
import Testing

@Suite struct SessionLeakTests {
  static let symmetrics = [big16(0xA) + big16(0xB), big16(6) + big16(128) + big16(0x43)]

  /// Commands as (code, count of handles), from the capability.
  static func commands(_ tpm: TestTPM) -> [(code: UInt32, handles: Int)] {
    let answer = tpm.send(0x17A, big32(2) + big32(0) + big32(400))
    return (0..<Int(answer.word(15))).map { index in
      let attributes = answer.word(19 + 4 * index)
      // FlushContext's handle is a parameter.
      return (attributes & 0xFFFF, attributes & 0xFFFF == 0x165 ? 0 : Int(attributes >> 25 & 7))
    }
  }

  /// One handle of each kind that can exist at once.
  static func handles(_ tpm: TestTPM) -> [UInt32] {
    let key = tpm.createPrimary(0x4000_0001, Template.srk).word(10)
    let signer = tpm.createPrimary(0x4000_0001, Template.ecdsa).word(10)
    let sequence = tpm.send(0x186, sized([]) + big16(0xB)).word(10)
    tpm.send(
      0x12A, handles: [0x4000_0001], passwords: [""],
      sized([]) + sized(big32(0x0150_0000) + big16(0xB) + big32(0x0004_0004) + sized([]) + big16(8)))
    return [
      key, signer, sequence, 0x0150_0000, tpm.startSession(1).handle, 16, 0x4000_0001, 0x4000_0007,
      0x4000_000A, 0x4000_000B, 0x4000_000C,
    ]
  }

  // Reference §4.3, row 1: "repeat for every command with flag d". With no bytes, with half a size field and
  // with a size of two more than there are, no command may succeed; those that get so far say 0x9A or 0x95
  // of the decrypting session.
  @Test func noCommandDecryptsMoreThanItWasGiven() {
    var caught: Set<UInt32> = []
    for symmetric in Self.symmetrics {
      let tpm = TestTPM()
      let pool = Self.handles(tpm)
      let (session, _) = tpm.startSession(0, symmetric: symmetric)
      for (code, count) in Self.commands(tpm) {
        let combinations = (0..<count).reduce([[UInt32]]([[]])) { lists, _ in
          lists.flatMap { list in pool.map { list + [$0] } }
        }
        for handles in combinations {
          for passwords in 0...min(count, 2) {
            let entries =
              (0..<passwords).map { _ in TestTPM.password("") } + [
                big32(session) + sized([]) + [0x21] + sized([])
              ]
            for parameters: [UInt8] in [[], [0], [0, 4, 1, 2]] {
              let answer = tpm.send(code, handles: handles, sessions: entries, parameters)
              #expect(!answer.isSuccess, "\(hex(big32(code))) \(handles)")
              let ordinal = UInt32(passwords + 1) << 8 | 0x800
              let wanted: UInt32 = parameters.count < 2 ? 0x9A : 0x95
              if answer.code == ordinal | wanted { caught.insert(code) }
            }
          }
        }
      }
      #expect(tpm.send(0x181).isSuccess)
    }
    #expect(caught.count >= 50, "\(caught.count) commands came as far as decryption")
  }

  // The twin on the way out: a first parameter of no bytes is encrypted as no bytes.
  @Test func anEmptyAnswerIsEncryptedAsNothing() {
    for symmetric in Self.symmetrics {
      let tpm = TestTPM()
      tpm.send(
        0x12A, handles: [0x4000_0001], passwords: [""],
        sized([]) + sized(big32(0x0150_0000) + big16(0xB) + big32(0x0006_0006) + sized([]) + big16(8)))
      let data = sized([UInt8](repeating: 0, count: 8)) + big16(0)
      #expect(
        tpm.send(0x137, handles: [0x4000_0001, 0x0150_0000], passwords: [""], data).isSuccess)
      let (session, _) = tpm.startSession(0, symmetric: symmetric)
      let entry = big32(session) + sized([]) + [0x41] + sized([])
      let cases: [(UInt32, [UInt32], [[UInt8]], [UInt8])] = [
        (0x17B, [], [entry], big16(0)),
        (0x14E, [0x4000_0001, 0x0150_0000], [TestTPM.password(""), entry], big16(0) + big16(0)),
        (0x17D, [], [entry], sized([]) + big16(0xB) + big32(0x4000_0007)),
      ]
      for (code, handles, sessions, parameters) in cases {
        let answer = tpm.send(code, handles: handles, sessions: sessions, parameters)
        #expect(answer.isSuccess, "\(hex(big32(code)))")
        #expect(Int(answer.word(2)) == answer.bytes.count)
        if code != 0x17D { #expect(answer.word(10) == 2 && answer.half(14) == 0) }
      }
      #expect(tpm.send(0x181).isSuccess)
    }
  }

  // Reference §4.3: two session contexts never share key stream.
  @Test func contextsOfEqualSessionsHaveDifferentBytes() {
    let tpm = TestTPM()
    let first = tpm.startSession(1).handle
    let second = tpm.startSession(1).handle
    let one = tpm.send(0x162, big32(first)).bytes
    let other = tpm.send(0x162, big32(second)).bytes
    #expect(one.count == other.count)
    // Behind sequence, handle, hierarchy, size and integrity; equal plaintexts differ in the nonce only.
    let equal = zip(one.dropFirst(62), other.dropFirst(62)).filter { $0 == $1 }.count
    #expect(equal < (one.count - 62) / 8, "\(equal) of \(one.count - 62) bytes are equal")
  }
}
