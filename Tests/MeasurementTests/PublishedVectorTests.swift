// PublishedVectorTests: the numbers of reference §18, published or computed by an independent script.
import Crypto
import Measurement
import Testing

/// The digest written as 96 hexadecimal digits.
func digest(_ hex: String) -> Digest384? {
  var bytes: [UInt8] = []
  var high: UInt8?
  for character in hex {
    guard let value = character.hexDigitValue else { return nil }
    if let upper = high {
      bytes.append(upper << 4 | UInt8(value))
      high = nil
    } else {
      high = UInt8(value)
    }
  }
  return Digest384(copying: bytes[...])
}

@Suite struct PublishedVectorTests {
  @Test("§18.0: the digest of 4096 zeros")
  func zeroPage() {
    let expected = digest(
      "c0e59a3e3ffbd3b5c75428fb36432facabc745944296ff515f737c4fef4efc64586809f7a16f56354a1eaecf2aa8d774")
    #expect(Digest384.zeroPage == expected)
    #expect(Digest384(SHA384.hash([UInt8](repeating: 0, count: 4096).span)) == expected)
  }

  @Test("§18.0: one NORMAL page of zeros at address 0")
  func singlePage() {
    var launch = SNPLaunchDigest()
    launch.add(.normal, contents: .zeroPage, gpa: 0)
    let expected = digest(
      "9d13634b6014bb21cf059b2dc694e7bff01a8a7137041100cd2b695f3d10fb687267b97808b27f8f471d943bc6f53a20")
    #expect(launch.value == expected)
  }

  @Test("§18.0: the MRTD of nothing, of one page added, of one page of zeros extended")
  func trustDomain() {
    #expect(
      MRTD().value
        == digest(
          "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b"))
    var added = MRTD()
    added.addPage(gpa: 0x10000)
    #expect(
      added.value
        == digest(
          "30391fb325111166a4df2dc57b52d4edf916b28e54c8a7f1ec86a2f7eb3279d05f8ba58b190f5cbb05847a164d7da934"))
    added.extendPage(gpa: 0x10000, [UInt8](repeating: 0, count: 4096).span)
    #expect(
      added.value
        == digest(
          "777418c6199cdcaebaaa9d339b0d9e77be7fb0405b4f98b80423f6420c7fade5255da37966978b32ee20fef2e61e4a90"))
  }

  @Test(
    "§18.1: the published launch of OVMF, its metadata pages and one VMSA",
    arguments: [
      (
        "ae79efa6efbe1594a2717dfd42af495a0e4ed37b00e529a5fdf349bea04c3513962ffb0c74cf65b0d9a1857271833d6e",
        "e1e1ca029dd7973ab9513295be68198472dcd4fc834bd9af9b63f6e8a1674dbf281a9278a4a2ebe0eed9f22adbcd0e2b"
      ),
      (
        "77920c4c629ff47e90c0e174fc1ad0eb6fa664f88cd4739488058a8c6cb1a77b3856f55378e9518d0da99452d51c553a",
        "19358ba9a7615534a9a1e2f0dfc29384dcd4dcb7062ff9c6013b26869a5fc6ecabe033c48dd6f6db5d6d76e7c5df632d"
      ),
    ])
  func published(vmsa: String, final: String) throws {
    var launch = SNPLaunchDigest()
    let content = try #require(
      digest(
        "161ace084859674ded7322ad102eb33f49457e0f7845a8f9ad0e03a59eac3e3e360f8b78345363feaeac956ebba2d894"))
    launch.add(.normal, contents: content, gpa: 0xFFFF_F000)
    #expect(
      launch.value
        == digest(
          "086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2c37faaa4b24af3aa16aff8c374c2a55c467a50da6d466b74"))
    launch.add(.zero, gpa: 0x80_0000, pages: 9)
    launch.add(.zero, gpa: 0x80_A000, pages: 3)
    launch.add(.secrets, gpa: 0x80_D000)
    launch.add(.cpuid, gpa: 0x80_E000)
    launch.add(.zero, gpa: 0x80_F000)
    launch.add(.zero, gpa: 0x81_0000)
    launch.add(.zero, gpa: 0x81_1000, pages: 15)
    #expect(
      launch.value
        == digest(
          "2a436bb1f7bd08b3888d20579f83961e6cd34b45f10bfa96bfb8086d15e258e407b2b04f62e1e6536aa64ba1b16dd65c"))
    launch.add(.vmsa, contents: try #require(digest(vmsa)), gpa: 0xFFFF_FFFF_F000)
    #expect(launch.value == digest(final))
  }
}
