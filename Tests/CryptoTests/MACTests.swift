// Tests of HMAC, KDFa, KDFe and HMAC_DRBG against published answers.
import Crypto
import TestSupport
import Testing

@Suite struct MACTests {
  static func code(_ algorithm: HashAlgorithm, _ key: [UInt8], _ data: [UInt8]) -> String {
    hex(HMAC.code(algorithm, key: key.span, data.span))
  }

  // RFC 4231 §4.2, §4.3 and §4.7 (a key longer than a block), RFC 2202 §3.
  @Test func theCodesOfRFC4231And2202ComeOut() {
    let hi = Array("Hi There".utf8)
    #expect(
      Self.code(.sha256, [UInt8](repeating: 0x0B, count: 20), hi)
        == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
    #expect(
      Self.code(.sha384, Array("Jefe".utf8), Array("what do ya want for nothing?".utf8))
        == "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649")
    #expect(
      Self.code(
        .sha512, [UInt8](repeating: 0xAA, count: 131),
        Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8))
        == "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
        + "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598")
    #expect(
      Self.code(.sha1, [UInt8](repeating: 0x0B, count: 20), hi) == "b617318655057264e28bc0b6fb378c8ef146be00")
  }

  @Test func aSavedHMACGoesOnWhereItStopped() {
    let key = Array("key".utf8)
    let data = [UInt8](repeating: 9, count: 100)
    var first = HMAC(.sha384, key: key.span)
    first.update(data.span)
    var second = HMAC(.sha384, saved: first.save())
    second.update(data.span)
    #expect(hex(second.finalize()) == Self.code(.sha384, key, data + data))
  }

  static func kdfa(_ a: HashAlgorithm, _ key: String, _ label: String, _ u: String, _ v: String, _ bits: Int)
    -> String
  {
    hex(KDF.a(a, key: bytes(key).span, label: label, bytes(u).span, bytes(v).span, bits: bits))
  }

  static func kdfe(_ a: HashAlgorithm, _ z: String, _ label: String, _ u: String, _ v: String, _ bits: Int)
    -> String
  {
    hex(KDF.e(a, z: bytes(z).span, label: label, bytes(u).span, bytes(v).span, bits: bits))
  }

  // The known answers of the project's TPM reference §1.7 (from go-tpm's published vectors).
  @Test func theTPMDerivationsGiveTheKnownAnswers() {
    #expect(
      Self.kdfa(
        .sha256, "aff14e568afc0ea51eea748c8915df067c7700", "IDENTITY", "ce4edfb881540700e300",
        "68ddb4a0e59d74cd34dfe631d91e1ea3fbc95865440adedff7e9d011890fba", 116)
        == "019ed5e0956338ddda4413ecee5cf2")
    #expect(
      Self.kdfa(
        .sha256, "ff5625623188b99180b53e96108e3e01d19c18db598631d56c", "STORAGE",
        "ef12916d91f3ed8355f100ef7d3553ff69eb63edd59a0048eeda77", "800bce408c34f800", 17) == "0051bb")
    #expect(
      Self.kdfa(
        .sha1, "ff", "CFB", "86ed23c15d086e70a8eae700680e75d20cff", "51122c5879b277ff", 140)
        == "0d0be71c885d10eb61f2219000885c2d7658")
    #expect(
      Self.kdfe(
        .sha256, "0bc3d9ff", "ATH", "80261d5c2bb400d22241556d1637cdc6164a7f2b051ab1baff",
        "00c01b2ff972b2a5753e438d1e13f3c7b0ebe5e11841", 149) == "04816878c23cf1b3f46c74ec4c584c0f486564")
    #expect(
      Self.kdfe(
        .sha1, "4f60ef1e20d3a266e4ed45ff", "STORAGE", "d309dcef2fb76c",
        "81e625e75002c0596146a68669443ecbf699ff", 103) == "78e19b34a31ad8723f5eb1ea1a")
  }

  @Test func aGeneratorGivesOnlyWhatItMayBeforeAReseed() throws {
    let seed = [UInt8](repeating: 1, count: 48)
    var drbg = HMACDRBG(entropy: seed.span, nonce: seed.span, personalization: seed.span)
    var big = [UInt8](repeating: 0, count: HMACDRBG.maximumRequest + 1)
    let none: [UInt8] = []
    var bigSpan = big.mutableSpan
    #expect(throws: RandomError.requestTooLarge) { try drbg.generate(into: &bigSpan, additional: none.span) }
    for _ in 1..<HMACDRBG.reseedInterval { _ = drbg.bytes(1) }
    var one = [UInt8](repeating: 0, count: 1)
    var span = one.mutableSpan
    try drbg.generate(into: &span, additional: none.span)
    #expect(throws: RandomError.reseedRequired) { try drbg.generate(into: &span, additional: none.span) }
    drbg.reseed(entropy: seed.span, additional: none.span)
    try drbg.generate(into: &span, additional: none.span)
  }

  @Test func aPoolHandsOutTheBytesOfOneRequestInPartsAndNoneTwice() {
    let seed = [UInt8](repeating: 1, count: 48)
    var generator = HMACDRBG(entropy: seed.span, nonce: seed.span, personalization: seed.span)
    var pool = RandomPool(generator)
    func request(_ count: Int) -> [UInt8] {
      var out = [UInt8](repeating: 0, count: count)
      var span = out.mutableSpan
      generator.fill(&span)
      return out
    }
    // A pool's end within a draw: what is left, then the next request.
    let drawn = [32, 16, 8, 64, 40, 1].flatMap { bytes(pool.bytes($0)) }
    #expect(drawn == Array((request(128) + request(128)).prefix(161)))
    var long = [UInt8](repeating: 0, count: 65)
    var span = long.mutableSpan
    pool.fill(&span)
    #expect(long == request(65))
    let (added, none) = ([1, 2, 3] as [UInt8], [] as [UInt8])
    pool.mixIn(added.span, none.span)
    generator.mixIn(added.span, none.span)
    #expect(bytes(pool.bytes(20)) == Array(request(128).prefix(20)))
    pool.reseed(entropy: seed.span, additional: none.span)
    generator.reseed(entropy: seed.span, additional: none.span)
    #expect(bytes(pool.bytes(20)) == Array(request(128).prefix(20)))
    var single = RandomPool(generator, isPooled: false)
    #expect(bytes(single.bytes(20)) + bytes(single.bytes(20)) == request(20) + request(20))
  }

  // SP 800-90B §4.4.
  @Test func aStuckOrBiasedEntropySourceIsFoundOut() {
    var stuck = EntropyHealth()
    var accepted = 0
    while accepted < 100 && stuck.accept(0xDEAD) { accepted += 1 }
    #expect(accepted == 4)
    let recovers = stuck.accept(1)
    #expect(!recovers && stuck.hasFailed)
    var biased = EntropyHealth()
    var count = 0
    while count < 512 && biased.accept(count % 4 == 0 ? 7 : UInt64(count) + 100) { count += 1 }
    #expect(count == 96)
    var sound = EntropyHealth()
    var generator = SeededRandom(seed: 1)
    for _ in 0..<100_000 { _ = sound.accept(generator.next()) }
    #expect(!sound.hasFailed)
  }
}
