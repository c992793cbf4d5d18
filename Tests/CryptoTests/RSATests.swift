// Tests of RSA: generation, loading, both operations, paddings, and the ROCA and length statistics.
import Crypto
import TestSupport
import Testing

@Suite struct RSATests {
  static func drbg(_ seed: UInt64) -> HMACDRBG {
    var generator = SeededRandom(seed: seed)
    let entropy = generator.bytes(48)
    let none: [UInt8] = []
    return HMACDRBG(entropy: entropy.span, nonce: none.span, personalization: none.span)
  }

  static func generate(_ bits: Int, _ seed: UInt64) -> RSAPrivateKey? {
    var job = RSAKeyGenerator(bits: bits, drbg(seed))
    return job?.finish()
  }

  static func decrypt(_ key: RSAPrivateKey, _ message: [UInt8], blind: UInt64 = 0x1234_5678_9ABC_DEF1)
    -> [UInt8]?
  {
    var job = RSAPrivateOperation(key, message.span, blind: blind)
    return job?.finish().map { bytes($0) }
  }

  static func encrypt(_ key: RSAPublicKey, _ message: [UInt8]) -> [UInt8]? {
    guard var job = RSAPublicOperation(key, message.span) else { return nil }
    return bytes(job.finish())
  }

  static func load(_ key: RSAPublicKey, prime: [UInt8]) -> RSAPrivateKey? {
    var job = RSAKeyLoader(key, prime: prime.span)
    return job?.finish()
  }

  @Test(arguments: [2048, 3072])
  func aGeneratedKeyUndoesItsPublicOperation(_ bits: Int) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    let key = try #require(Self.generate(bits, seed))
    var generator = SeededRandom(seed: seed)
    let message = [0] + generator.bytes(bits / 8 - 1)
    let sealed = try #require(Self.encrypt(key.publicKey, message), "seed \(seed)")
    #expect(sealed != message)
    #expect(Self.decrypt(key, sealed) == message, "seed \(seed)")
    #expect(Self.decrypt(key, sealed, blind: 0) == message)
    #expect(Self.decrypt(key, sealed, blind: .max) == message)
    // Loading the modulus with the prime gives the same key; the same generator gives it again.
    let loaded = try #require(Self.load(key.publicKey, prime: bytes(key.prime)))
    #expect(Self.decrypt(loaded, sealed) == message)
    #expect(hex(try #require(Self.generate(bits, seed)).publicKey.modulus) == hex(key.publicKey.modulus))
  }

  @Test func aPrimeThatDoesNotDivideTheModulusIsRefused() throws {
    let key = try #require(Self.generate(2048, 7))
    var prime = bytes(key.prime)
    prime[50] ^= 4
    #expect(Self.load(key.publicKey, prime: prime) == nil)
    #expect(Self.load(key.publicKey, prime: Array(prime.dropLast())) == nil)
    let over = [UInt8](repeating: 0xFF, count: 256)
    #expect(Self.decrypt(key, over) == nil)
    #expect(Self.encrypt(key.publicKey, over) == nil)
  }

  // CVE-2017-15361: ROCA keys are powers of 65537 modulo small primes. CVE-2021-3505: keys weaker than
  // their length. All keys here have full length, two high bits in each prime, and no common prime.
  @Test func generatedKeysAreNeitherStructuredNorShort() throws {
    let count = RunLength.isFull ? 1000 : 6
    var primes: Set<String> = []
    var looksLikeROCA = 0
    for seed in 0..<count {
      let key = try #require(Self.generate(2048, UInt64(seed)))
      let modulus = bytes(key.publicKey.modulus)
      #expect(modulus[0] & 0x80 != 0)
      let prime = bytes(key.prime)
      #expect(prime[0] & 0xC0 == 0xC0 && prime.last.map { $0 & 1 } == 1)
      #expect(primes.insert(hex(prime)).inserted)
      let isROCA = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103].allSatisfy { small in
        let rest = modulus.reduce(0) { ($0 * 256 + Int($1)) % small }
        var power = 1
        var powers: Set<Int> = []
        while powers.insert(power).inserted { power = power * 65537 % small }
        return powers.contains(rest)
      }
      if isROCA { looksLikeROCA += 1 }
    }
    // By chance a random modulus passes the fingerprint about once in 2^10 keys.
    #expect(looksLikeROCA * 100 <= count)
  }

  @Test func signaturesOfBothPaddingsVerifyAndBreakOnAnyChange() throws {
    let key = try #require(Self.generate(2048, 11))
    let digest = [UInt8](repeating: 0xAB, count: 32)
    let salt = [UInt8](repeating: 0x5C, count: 32)
    let pkcs = bytes(try #require(PaddingHelpers.pkcs1(.sha256, digest)))
    #expect(Self.encrypt(key.publicKey, try #require(Self.decrypt(key, pkcs))) == pkcs)
    let pss = try #require(PaddingHelpers.pss(.sha256, digest, salt))
    #expect(PaddingHelpers.isPSS(.sha256, digest, pss))
    #expect(PaddingHelpers.isPSS(.sha256, digest, pss, saltCount: 32))
    #expect(!PaddingHelpers.isPSS(.sha256, digest, pss, saltCount: 31))
    for place in [0, 5, 100, 222, 223, 254, 255] {
      var changed = pss
      changed[place] ^= 1
      #expect(!PaddingHelpers.isPSS(.sha256, digest, changed), "\(place)")
    }
  }

  // CVE-2026-6727 (VRT0011): one answer for every kind of bad padding.
  @Test func oaepOpensWhatItSealedAndNothingElse() throws {
    let label = Array("DUPLICATE\0".utf8)
    let seed = [UInt8](repeating: 0x33, count: 32)
    for count in [0, 1, 16, 32, 190] {
      let message = (0..<count).map { UInt8($0) }
      let sealed = try #require(PaddingHelpers.oaep(.sha256, label, message, seed))
      let opened = try #require(PaddingHelpers.openOAEP(.sha256, label, sealed))
      #expect(bytes(opened) == message)
      #expect(PaddingHelpers.openOAEP(.sha256, Array("SECRET\0".utf8), sealed) == nil)
      for place in [0, 1, 32, 33, 64, 65, 200, 255] {
        var changed = sealed
        changed[place] ^= 1
        let answer = PaddingHelpers.openOAEP(.sha256, label, changed)
        if place < 65 { #expect(answer == nil, "\(place)") }
      }
    }
    #expect(PaddingHelpers.oaep(.sha256, label, [UInt8](repeating: 0, count: 191), seed) == nil)
  }

  @Test func pkcs1EncryptionOpensWhatItSealed() throws {
    var random = Self.drbg(3)
    let message = Array("secret".utf8)
    let sealed = try #require(PaddingHelpers.pkcs1(message, &random))
    #expect(bytes(try #require(RSAEncryptionPadding.openPKCS1(sealed))) == message)
    var short = sealed
    short[5] = 0
    #expect(RSAEncryptionPadding.openPKCS1(short) == nil)
    var wrong = sealed
    wrong[1] = 1
    #expect(RSAEncryptionPadding.openPKCS1(wrong) == nil)
    var endless = RSANumber(zeros: 256)
    for index in 2..<256 { endless[index] = 9 }
    endless[1] = 2
    #expect(RSAEncryptionPadding.openPKCS1(endless) == nil)
  }
}

/// Array-based wrappers of the paddings for a 2048-bit modulus.
enum PaddingHelpers {
  static func pkcs1(_ hash: HashAlgorithm, _ digest: [UInt8], size: Int = 256) -> RSANumber? {
    RSASignaturePadding.pkcs1(hash, digest: digest.span, size: size)
  }
  static func pss(_ hash: HashAlgorithm, _ digest: [UInt8], _ salt: [UInt8], size: Int = 256) -> RSANumber? {
    RSASignaturePadding.pss(hash, digest: digest.span, salt: salt.span, size: size)
  }
  static func isPSS(_ hash: HashAlgorithm, _ digest: [UInt8], _ encoded: RSANumber, saltCount: Int? = nil)
    -> Bool
  {
    RSASignaturePadding.isPSS(hash, digest: digest.span, encoded: encoded, saltCount: saltCount)
  }
  static func oaep(_ hash: HashAlgorithm, _ label: [UInt8], _ message: [UInt8], _ seed: [UInt8]) -> RSANumber?
  {
    RSAEncryptionPadding.oaep(hash, label: label.span, message.span, seed: seed.span, size: 256)
  }
  static func openOAEP(_ hash: HashAlgorithm, _ label: [UInt8], _ encoded: RSANumber) -> RSANumber? {
    RSAEncryptionPadding.openOAEP(hash, label: label.span, encoded)
  }
  static func pkcs1(_ message: [UInt8], _ random: inout HMACDRBG) -> RSANumber? {
    RSAEncryptionPadding.pkcs1(message.span, random: &random, size: 256)
  }
}
