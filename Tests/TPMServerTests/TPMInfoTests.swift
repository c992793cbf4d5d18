// TPMInfoTests: what `apus tpm info` prints.
import TPMServer
import Testing

@Suite struct TPMInfoTests {
  // Issue 7, "What a user gets": `apus tpm info` prints capabilities; the limits are the reference's proposal.
  @Test func theCapabilitiesArePrintedByName() {
    let lines = Set(
      TPMInfo.text().split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") })
    for line in [
      "family 2.0", "revision 1.59", "manufacturer APUS", "curves NIST_P256 NIST_P384", "HR_TRANSIENT_MIN 16",
    ] {
      #expect(lines.contains(line), "\(line)")
    }
    #expect(lines.contains { $0.hasPrefix("algorithms RSA SHA1 HMAC AES") && !$0.contains("0x") })
    #expect(lines.contains { $0.hasPrefix("commands 1") && $0.contains("0x144") && $0.contains("0x131") })
  }
}
