// IdentityTests: ID blocks are signed and checked as the firmware does it (reference §12).
import IGVM
import Measurement
import Testing

@Suite struct IdentityTests {
  private func key(_ fill: UInt8) throws -> SNPSigningKey {
    try #require(SNPSigningKey(scalar: [UInt8](repeating: fill, count: 48)))
  }

  private func identity() throws -> SNPIdentity {
    try #require(
      SNPIdentity(
        launchDigest: .zeroPage, familyID: Array(0..<16), imageID: Array(16..<32), guestSVN: 7,
        policy: 0x3_0000))
  }

  @Test("The signed bytes are digest, family, image, version, SVN, policy: 96 in all")
  func encoded() throws {
    let bytes = try identity().encoded
    #expect(bytes.count == 96)
    #expect(Array(bytes[48..<80]) == Array(0..<32))
    #expect(Array(bytes[80...]) == [1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0])
  }

  @Test("A signed block is valid; another digest, policy, signature, key or author is not")
  func checks() throws {
    let block = try #require(try identity().block(mask: .init(1), idKey: key(0x11), authorKey: key(0x22)))
    func check(_ change: (inout SNPIDBlock) -> Void) -> SNPIdentityCheck {
      var copy = block
      change(&copy)
      return copy.check(launchDigest: .zeroPage, policy: 0x3_0000)
    }
    func flip(_ offset: Int, _ block: inout SNPIDBlock) {
      block.setWord(block.word(at: offset) ^ 1, at: offset)
    }
    #expect(check { _ in } == .valid)
    #expect(block.check(launchDigest: .zero, policy: 0x3_0000) == .anotherDigest)
    #expect(block.check(launchDigest: .zeroPage, policy: 0x7_0000) == .badSignature)
    #expect(check { flip(SNPIDBlock.Offset.launchDigest, &$0) } == .anotherDigest)
    #expect(check { flip(SNPIDBlock.Offset.guestSVN, &$0) } == .badSignature)
    #expect(check { flip(SNPIDBlock.Offset.idKeySignature, &$0) } == .badSignature)
    #expect(check { flip(SNPIDBlock.Offset.idPublicKey + 8, &$0) } == .badSignature)
    #expect(check { flip(SNPIDBlock.Offset.authorKeySignature + 72, &$0) } == .badAuthorSignature)
    #expect(check { flip(SNPIDBlock.Offset.version, &$0) } == .unsupported)
    #expect(check { flip(SNPIDBlock.Offset.authorKeyEnabled, &$0) } == .valid)
  }

  @Test("The key image that reports hash is 0x404 bytes, without the header's reserved word")
  func image() throws {
    let image = try key(0x11).publicKey.image
    #expect(image.count == 0x404)
    #expect(Array(image[0..<4]) == [2, 0, 0, 0])
    #expect(image[148...].allSatisfy { $0 == 0 })
  }

  @Test("Scalars of another length, zero or beyond the order make no key")
  func scalars() {
    #expect(SNPSigningKey(scalar: [1]) == nil)
    #expect(SNPSigningKey(scalar: [UInt8](repeating: 0, count: 48)) == nil)
    #expect(SNPSigningKey(scalar: [UInt8](repeating: 0xFF, count: 48)) == nil)
  }
}
