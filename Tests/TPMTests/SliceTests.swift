// SliceTests: long commands come in steps, and give the same answer as in one go.
import TPM
// Tests that long commands are cut into slices and that an abandoned one leaves nothing behind.
import Testing

@Suite struct SliceTests {
  // Design: a slice is bounded, RSA key generation takes many, and the answer is the same however the
  // command is cut.
  @Test func aLongCommandGivesTheSameAnswerHoweverItIsSliced() {
    let whole = TestTPM()
    let sliced = TestTPM()
    let command =
      sized(sized([]) + sized([])) + sized(Template.rsaSRK) + sized([]) + big32(0)
    let expected = whole.send(0x131, handles: [0x4000_0001], passwords: [""], command)
    let area = TestTPM.password("")
    let body = big32(0x4000_0001) + big32(UInt32(area.count)) + area + command
    sliced.engine.begin(
      [0x80, 2] + big32(UInt32(10 + body.count)) + big32(0x131) + body, locality: 0, milliseconds: sliced.now)
    var slices = 1
    while !sliced.engine.advance(budget: 50_000) { slices += 1 }
    #expect(slices > 100)
    #expect(sliced.engine.response == expected.bytes)
    #expect(expected.isSuccess)
  }

  @Test func anAbandonedCommandLeavesNoTraceAndTheNextOneRuns() {
    let tpm = TestTPM()
    // The first command after Startup moves the persisted clock on.
    #expect(tpm.send(0x181).isSuccess)
    let key = [UInt8](repeating: 1, count: 32)
    let before = tpm.engine.stateBlob(key: key.span)
    let area = TestTPM.password("")
    let body =
      big32(0x4000_0001) + big32(UInt32(area.count)) + area + sized(sized([]) + sized([]))
      + sized(Template.rsaSRK)
      + sized([]) + big32(0)
    tpm.engine.begin(
      [0x80, 2] + big32(UInt32(10 + body.count)) + big32(0x131) + body, locality: 0, milliseconds: tpm.now)
    for _ in 0..<20 { _ = tpm.engine.advance() }
    tpm.engine.abort()
    #expect(tpm.engine.stateBlob(key: key.span) == before)
    #expect(tpm.property(0x207) == 16)
    #expect(tpm.createPrimary(0x4000_0001, Template.srk).isSuccess)
  }

  // A command's sessions are answered in a slice of their own: whoever abandons it there must not be able to have it
  // executed again under the same nonces (Part 1 §19.6).
  @Test func anExecutedCommandThatIsAbandonedTakesItsSessionsAlong() {
    for slices in 1...3 {
      let tpm = TestTPM()
      let session = tpm.startSession(0).handle
      let entry = big32(session) + sized([]) + [1] + sized([])
      let body = big32(UInt32(entry.count)) + entry + big16(8)
      tpm.engine.begin(
        [0x80, 2] + big32(UInt32(10 + body.count)) + big32(0x17B) + body, locality: 0, milliseconds: tpm.now)
      var isDone = false
      for _ in 0..<slices { isDone = tpm.engine.advance() }
      #expect(isDone == (slices == 3))
      tpm.engine.abort()
      // Authorized, then executed, then answered.
      #expect(tpm.send(0x165, big32(session)).isSuccess == (slices != 2))
    }
  }
}
