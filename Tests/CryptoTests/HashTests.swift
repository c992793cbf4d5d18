// Tests of the four hashes against FIPS 180 examples, and of streaming and saved states.
import Crypto
import Testing

@Suite struct HashTests {
  static let twoBlocks = Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8)
  static let twoLongBlocks = Array(
    ("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
      + "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu").utf8)

  // NIST "Examples with Intermediate Values" for FIPS 180-4.
  @Test func fipsExamplesGiveThePublishedDigests() {
    let abc = Array("abc".utf8)
    let cases: [(HashAlgorithm, [UInt8], String)] = [
      (.sha1, abc, "a9993e364706816aba3e25717850c26c9cd0d89d"),
      (.sha1, Self.twoBlocks, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
      (.sha1, [], "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
      (.sha256, abc, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (.sha256, Self.twoBlocks, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
      (.sha256, [], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      (
        .sha384, abc,
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"
      ),
      (
        .sha384, Self.twoLongBlocks,
        "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746039"
      ),
      (
        .sha512, abc,
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
          + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
      ),
      (
        .sha512, Self.twoLongBlocks,
        "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
          + "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909"
      ),
    ]
    for (algorithm, message, expected) in cases {
      #expect(hex(Hasher.hash(algorithm, message.span)) == expected, "\(algorithm)")
    }
  }

  @Test func aMillionTimesTheLetterAGivesThePublishedDigests() {
    let chunk = [UInt8](repeating: 0x61, count: 1000)
    let expected: [(HashAlgorithm, String)] = [
      (.sha1, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
      (.sha256, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
      (
        .sha384,
        "9d0e1809716474cb086e834e310a4a1ced149e9c00f248527972cec5704c2a5b07b8b3dc38ecc4ebae97ddd87f3d8985"
      ),
      (
        .sha512,
        "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
          + "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b"
      ),
    ]
    for (algorithm, digest) in expected {
      var hash = Hasher(algorithm)
      for _ in 0..<1000 { hash.update(chunk.span) }
      #expect(hex(hash.finalize()) == digest, "\(algorithm)")
    }
  }

  @Test(arguments: [HashAlgorithm.sha1, .sha256, .sha384, .sha512])
  func everySplitOfAMessageGivesTheSameDigest(_ algorithm: HashAlgorithm) {
    let message = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let whole = hex(Hasher.hash(algorithm, message.span))
    for first in stride(from: 0, through: 300, by: 1) {
      var hash = Hasher(algorithm)
      hash.update(message.span.extracting(0..<first))
      hash.update(message.span.extracting(first..<300))
      #expect(hex(hash.finalize()) == whole)
    }
    var bytewise = Hasher(algorithm)
    for byte in message { bytewise.update(byte: byte) }
    #expect(hex(bytewise.finalize()) == whole)
  }

  @Test(arguments: [HashAlgorithm.sha1, .sha256, .sha384, .sha512])
  func aSavedHashGoesOnWhereItStopped(_ algorithm: HashAlgorithm) {
    let message = [UInt8](repeating: 0xC3, count: 333)
    let whole = hex(Hasher.hash(algorithm, message.span))
    for first in [0, 1, 63, 64, 127, 128, 200] {
      var hash = Hasher(algorithm)
      hash.update(message.span.extracting(0..<first))
      var again = Hasher(algorithm, saved: hash.save())
      again.update(message.span.extracting(first..<333))
      #expect(hex(again.finalize()) == whole)
    }
  }

  @Test func theTypedHashesAgreeWithTheChosenOnes() {
    let message = [UInt8](repeating: 0x11, count: 200)
    #expect(hex(Digest(SHA1.hash(message.span))) == hex(Hasher.hash(.sha1, message.span)))
    #expect(hex(Digest(SHA256.hash(message.span))) == hex(Hasher.hash(.sha256, message.span)))
    #expect(hex(Digest(SHA384.hash(message.span))) == hex(Hasher.hash(.sha384, message.span)))
    #expect(hex(Digest(SHA512.hash(message.span))) == hex(Hasher.hash(.sha512, message.span)))
  }
}
