// RunOptionsTests: the command line, word by word.

import Monitor
import Testing

private func options(_ line: String) throws(Refusal) -> RunOptions {
  try RunOptions(Array(line.utf8).span)
}

private func refusal(_ line: String) -> String {
  do throws(Refusal) {
    _ = try options(line)
    return "accepted"
  } catch {
    return String(decoding: error.line.bytes, as: UTF8.self)
  }
}

@Suite struct RunOptionsTests {
  @Test func `every option is read`() throws {
    let found = try options(
      "snp memory=512 cbit=51 apic-ids=0,2,0x100,4294967294 measure-floor shared xapic seed=0x2A hostile=double-map strict verbose limit=7 l2=2 -- quiet x"
    )
    #expect(found.personality == .snp)
    #expect(found.memory == 512 && found.markBit == 51 && found.seed == 42)
    #expect(found.apicIDs == [0, 2, 256, 0xFFFF_FFFE])
    #expect(found.isMemoryShared && found.isXAPIC && found.isStrict && found.isVerbose && found.measuresFloor)
    #expect(found.hostileSeconds == 7 && found.l2Count == 2)
    #expect(found.hostile == .doubleMap)
    let words = try #require(found.guestWords)
    #expect(words > 100)
    #expect(try options("  tdx ").personality == .tdx)
  }

  @Test func `what is unknown or out of range is refused in one line that names the field`() {
    #expect(refusal("") == "monitor: command line: names no platform: snp or tdx")
    #expect(refusal("sev") == "monitor: platform: unknown, use snp or tdx, not 'sev'")
    #expect(refusal("snp hostile=nice") == "monitor: hostile: there is no script 'nice'")
    #expect(refusal("plain") == "monitor: platform: unknown, use snp or tdx, not 'plain'")
    #expect(refusal("snp memory=1") == "monitor: memory: is no number in its range: '1'")
    #expect(
      refusal("snp memory=99999999999999999999999")
        == "monitor: memory: is no number in its range: '99999999999999999999999'")
    #expect(refusal("snp cbit=48") == "monitor: cbit: must be 47 or 51, not 0x30")
    #expect(refusal("snp apic-ids=1,1") == "monitor: apic-ids: names an identifier twice: 0x1")
    #expect(refusal("snp apic-ids=1,,2") == "monitor: apic-ids: is no number in its range: ''")
    #expect(refusal("snp bogus") == "monitor: command line: has an unknown word 'bogus'")
    #expect(refusal("snp \u{1}\u{7F}") == "monitor: command line: has an unknown word '??'")
    let many = (0...64).map(String.init).joined(separator: ",")
    #expect(refusal("snp apic-ids=\(many)") == "monitor: apic-ids: has more than 64 identifiers")
  }

  @Test func `scripts have different names`() {
    #expect(Set(HostileScript.all.map(\.name)).count == HostileScript.all.count)
    #expect(!HostileScript.all.contains { $0.name == "unknown" })
  }

  @Test func `random command lines never trap`() {
    var state: UInt64 = 88172645463325252
    for _ in 0..<2000 {
      var line: [UInt8] = Array("snp ".utf8)
      for _ in 0..<40 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        let alphabet = Array("=,- 0x9fapic-ids=memory=seed\0\u{80}".utf8)
        line.append(alphabet[Int(state % UInt64(alphabet.count))])
      }
      _ = try? RunOptions(line.span)
    }
  }

  @Test func `the verdict port is the monitor's, unknown ports and addresses are absent`() {
    #expect(DevicePolicy.access(port: 0xF4) == .verdict)
    #expect(DevicePolicy.access(port: 0xF8) == .power)
    #expect(DevicePolicy.access(port: 0x3F8) == .pass)
    #expect(DevicePolicy.access(port: 0x510) == .pass)
    #expect(DevicePolicy.access(port: 0xCF9) == .absent)
    #expect(DevicePolicy.access(port: 0x2F8) == .absent)
    #expect(DevicePolicy.access(address: 0xFEE0_0300) == .localAPIC)
    #expect(DevicePolicy.access(address: 0x1_0000_0000) == .absent)
  }
}
