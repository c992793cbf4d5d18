// Tests of AES, its modes and AES-GCM against FIPS 197, SP 800-38A and SP 800-38D answers.
import Crypto
import Testing

@Suite struct AESTests {
  static func apply(
    _ key: String, _ mode: CipherMode, encrypting: Bool, iv: [UInt8], _ data: [UInt8]
  ) -> (out: [UInt8], iv: [UInt8])? {
    guard let cipher = AES(key: bytes(key).span) else { return nil }
    var vector = InlineArray<16, UInt8>(repeating: 0)
    for (index, byte) in iv.enumerated() { vector[index] = byte }
    var out = data
    var span = out.mutableSpan
    guard cipher.apply(mode, encrypting: encrypting, iv: &vector, &span) else { return nil }
    return (out, bytes(vector))
  }

  static let key128 = "2b7e151628aed2a6abf7158809cf4f3c"
  static let key256 = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
  static let plain = bytes(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
      + "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
  static let iv = bytes("000102030405060708090a0b0c0d0e0f")
  static let counter = bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")

  // SP 800-38A appendix F.
  static let cases: [(String, CipherMode, [UInt8], String)] = [
    (
      key128, .ecb, [],
      "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4"
    ),
    (
      key256, .ecb, [],
      "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7"
    ),
    (
      key128, .cbc, iv,
      "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"
    ),
    (
      key256, .cbc, iv,
      "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b"
    ),
    (
      key128, .cfb, iv,
      "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6"
    ),
    (
      key256, .cfb, iv,
      "dc7e84bfda79164b7ecd8486985d386039ffed143b28b1c832113c6331e5407bdf10132415e54b92a13ed0a8267ae2f975a385741ab9cef82031623d55b1e471"
    ),
    (
      key128, .ofb, iv,
      "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed8259740051e9c5fecf64344f7a82260edcc304c6528f659c77866a510d9c1d6ae5e"
    ),
    (
      key256, .ofb, iv,
      "dc7e84bfda79164b7ecd8486985d38604febdc6740d20b3ac88f6ad82a4fb08d71ab47a086e86eedf39d1c5bba97c4080126141d67f37be8538f5a8be740e484"
    ),
    (
      key128, .ctr, counter,
      "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee"
    ),
    (
      key256, .ctr, counter,
      "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c52b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6"
    ),
  ]

  @Test func everyModeGivesTheAnswersOfSP80038A() throws {
    for (key, mode, iv, expected) in Self.cases {
      let sealed = try #require(Self.apply(key, mode, encrypting: true, iv: iv, Self.plain))
      #expect(hex(sealed.out) == expected, "\(mode) \(key.count * 4)")
      let opened = try #require(Self.apply(key, mode, encrypting: false, iv: iv, sealed.out))
      #expect(opened.out == Self.plain, "\(mode) \(key.count * 4)")
    }
  }

  // CVE-2021-3446 in the reference family: the IV that comes back must continue the stream.
  @Test func theReturnedIVContinuesTheStreamInEveryMode() throws {
    for (key, mode, iv, expected) in Self.cases where mode != .ecb {
      for split in [16, 32, 48] {
        let first = try #require(Self.apply(key, mode, encrypting: true, iv: iv, Array(Self.plain[..<split])))
        let second = try #require(
          Self.apply(key, mode, encrypting: true, iv: first.iv, Array(Self.plain[split...])))
        #expect(hex(first.out + second.out) == expected, "\(mode) \(split)")
        let opened = try #require(
          Self.apply(key, mode, encrypting: false, iv: first.iv, second.out))
        #expect(opened.out == Array(Self.plain[split...]))
      }
    }
  }

  @Test func partialBlocksAreRefusedByBlockModesAndTakenByStreamModes() throws {
    let odd = Array(Self.plain[..<21])
    #expect(Self.apply(Self.key128, .ecb, encrypting: true, iv: [], odd) == nil)
    #expect(Self.apply(Self.key128, .cbc, encrypting: true, iv: Self.iv, odd) == nil)
    for mode in [CipherMode.cfb, .ofb, .ctr] {
      let whole = try #require(Self.apply(Self.key128, mode, encrypting: true, iv: Self.iv, Self.plain))
      let part = try #require(Self.apply(Self.key128, mode, encrypting: true, iv: Self.iv, odd))
      #expect(part.out == Array(whole.out[..<21]))
    }
    #expect(Self.apply("00", .ecb, encrypting: true, iv: [], Self.plain) == nil)
  }

  static func gcm(_ key: String, _ nonce: String, _ plain: String, _ additional: String) -> (String, String)?
  {
    guard let gcm = AESGCM(key: bytes(key).span) else { return nil }
    var n = InlineArray<12, UInt8>(repeating: 0)
    for (index, byte) in bytes(nonce).enumerated() { n[index] = byte }
    var data = bytes(plain)
    var span = data.mutableSpan
    let tag = gcm.seal(nonce: n, additional: bytes(additional).span, &span)
    return (hex(data), hex(tag))
  }

  // McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 1, 2, 4, 13, 16.
  @Test func theGCMTestCasesComeOut() throws {
    let zeros16 = String(repeating: "00", count: 16)
    let zeros12 = String(repeating: "00", count: 12)
    var answer = try #require(Self.gcm(zeros16, zeros12, "", ""))
    #expect(answer == ("", "58e2fccefa7e3061367f1d57a4e7455a"))
    answer = try #require(Self.gcm(zeros16, zeros12, zeros16, ""))
    #expect(answer == ("0388dace60b6a392f328c2b971b2fe78", "ab6e47d42cec13bdf53a67b21257bddf"))
    let plain =
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    let additional = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
    answer = try #require(
      Self.gcm("feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", plain, additional))
    #expect(
      answer == (
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
        "5bc94fbc3221a5db94fae95ae7121a47"
      ))
    answer = try #require(Self.gcm(zeros16 + zeros16, zeros12, "", ""))
    #expect(answer == ("", "530f8afbc74536b9a963b4f1c4cb738b"))
    answer = try #require(
      Self.gcm(
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", plain,
        additional))
    #expect(
      answer == (
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b"
      ))
  }

  @Test func aChangedCiphertextIsNotOpenedAndStaysAsItWas() throws {
    let gcm = try #require(AESGCM(key: [UInt8](repeating: 7, count: 32)))
    let nonce = InlineArray<12, UInt8>(repeating: 3)
    var data = [UInt8](repeating: 0x41, count: 100)
    let additional: [UInt8] = [1, 2, 3]
    var span = data.mutableSpan
    let tag = gcm.seal(nonce: nonce, additional: additional.span, &span)
    var changed = data
    changed[50] ^= 1
    let before = changed
    var changedSpan = changed.mutableSpan
    #expect(throws: AuthenticationError.badTag) {
      try gcm.open(nonce: nonce, additional: additional.span, &changedSpan, tag: tag)
    }
    #expect(changed == before)
    var dataSpan = data.mutableSpan
    try gcm.open(nonce: nonce, additional: additional.span, &dataSpan, tag: tag)
    #expect(data == [UInt8](repeating: 0x41, count: 100))
  }
}

extension AESGCM {
  init?(key: [UInt8]) { self.init(key: key.span) }
}
