// Tests against NIST CAVP and Wycheproof files; a file that was not fetched fails its test.
import Crypto
import TestSupport
import Testing

@Suite struct OfficialVectorTests {
  static let hashes: [(HashAlgorithm, String)] = [
    (.sha1, "hashes/SHA1/SHA1"), (.sha256, "hashes/SHA2/SHA256"), (.sha384, "hashes/SHA2/SHA384"),
    (.sha512, "hashes/SHA2/SHA512"),
  ]

  static func hash(_ name: String) -> HashAlgorithm? {
    switch name {
    case "SHA-1": .sha1
    case "SHA-256": .sha256
    case "SHA-384": .sha384
    case "SHA-512": .sha512
    default: nil
    }
  }

  @Test func hashesGiveTheShortAndLongMessagesOfCAVP() throws {
    var count = 0
    for (algorithm, path) in Self.hashes {
      for kind in ["ShortMsg", "LongMsg"] {
        for (_, fields) in try Vectors.records("\(path)\(kind).rsp") {
          guard let length = fields["Len"].flatMap({ Int($0) }), let message = fields["Msg"] else { continue }
          let data = Array(bytes(message).prefix(length / 8))
          #expect(hex(Hasher.hash(algorithm, data.span)) == fields["MD"], "\(algorithm) \(length)")
          count += 1
        }
      }
    }
    #expect(count > 600)
  }

  @Test func hashesGiveTheMonteCarloChainsOfCAVP() throws {
    for (algorithm, path) in Self.hashes {
      let records = try Vectors.records("\(path)Monte.rsp")
      var seed = bytes(try #require(records.compactMap { $0.fields["Seed"] }.first))
      for (_, fields) in records.prefix(RunLength.isFull ? 101 : 11) {
        guard let expected = fields["MD"] else { continue }
        var (first, second, third) = (seed, seed, seed)
        for _ in 0..<1000 {
          let data = first + second + third
          (first, second) = (second, third)
          third = bytes(Hasher.hash(algorithm, data.span))
        }
        seed = third
        #expect(hex(seed) == expected, "\(algorithm)")
      }
    }
  }

  @Test func theBlockCipherModesGiveTheAnswersOfCAVP() throws {
    let modes: [(CipherMode, String)] = [
      (.ecb, "ECB/ECB"), (.cbc, "CBC/CBC"), (.cfb, "CFB/CFB128"), (.ofb, "OFB/OFB"),
    ]
    var count = 0
    for (mode, path) in modes {
      for kind in ["GFSbox", "KeySbox", "MMT", "VarKey", "VarTxt"] {
        for bits in [128, 256] {
          for (section, fields) in try Vectors.records("ciphers/AES/\(path)\(kind)\(bits).rsp") {
            guard let key = fields["KEY"], let plain = fields["PLAINTEXT"], let sealed = fields["CIPHERTEXT"]
            else { continue }
            let encrypting = section.contains("ENCRYPT")
            let answer = AESTests.apply(
              key, mode, encrypting: encrypting, iv: bytes(fields["IV"] ?? ""),
              bytes(encrypting ? plain : sealed))
            #expect(answer.map { hex($0.out) } == (encrypting ? sealed : plain), "\(path)\(kind)\(bits)")
            count += 1
          }
        }
      }
    }
    #expect(count > 4000)
  }

  @Test func gcmJudgesWycheproofCases() throws {
    var count = 0
    for group in try Vectors.wycheproof("aes_gcm") where group.fields.number("ivSize") == 96 {
      for test in group.tests {
        guard let gcm = AESGCM(key: test.bytes("key")), group.fields.number("tagSize") == 128 else {
          continue
        }
        var nonce = InlineArray<12, UInt8>(repeating: 0)
        for (index, byte) in test.bytes("iv").enumerated() { nonce[index] = byte }
        var tag = InlineArray<16, UInt8>(repeating: 0)
        for (index, byte) in test.bytes("tag").enumerated() { tag[index] = byte }
        var data = test.bytes("ct")
        let additional = test.bytes("aad")
        var span = data.mutableSpan
        var isOpen = false
        do {
          try gcm.open(nonce: nonce, additional: additional.span, &span, tag: tag)
          isOpen = true
        } catch {}
        #expect(isOpen == (test.text("result") == "valid"), "\(test.number("tcId"))")
        if isOpen { #expect(data == test.bytes("msg")) }
        count += 1
      }
    }
    #expect(count > 100)
  }

  @Test func hmacJudgesWycheproofCases() throws {
    for (algorithm, name) in [
      (HashAlgorithm.sha1, "sha1"), (.sha256, "sha256"), (.sha384, "sha384"), (.sha512, "sha512"),
    ] {
      for group in try Vectors.wycheproof("hmac_\(name)") {
        for test in group.tests {
          let (key, message) = (test.bytes("key"), test.bytes("msg"))
          let code = Array(
            bytes(HMAC.code(algorithm, key: key.span, message.span)).prefix(
              group.fields.number("tagSize") / 8))
          #expect(
            (code == test.bytes("tag")) == (test.text("result") == "valid"), "\(name) \(test.number("tcId"))")
        }
      }
    }
  }

  @Test(arguments: [
    "secp256r1_sha256", "secp256r1_sha512", "secp384r1_sha256", "secp384r1_sha384", "secp384r1_sha512",
  ])
  func ecdsaJudgesWycheproofSignatures(_ name: String) throws {
    let curve: EllipticCurve = name.hasPrefix("secp256") ? .p256 : .p384
    var count = 0
    for group in try Vectors.wycheproof("ecdsa_\(name)") {
      let algorithm = try #require(Self.hash(group.fields.text("sha")))
      let encoded = group.bytes("publicKey", "uncompressed")
      let point = try #require(ECPoint(uncompressed: encoded, curve))
      for test in group.tests {
        var isValid = false
        if let (r, s) = strictDER(test.bytes("sig")), let r = padded(r, curve.size),
          let s = padded(s, curve.size)
        {
          let digest = bytes(Hasher.hash(algorithm, test.bytes("msg")))
          let signature = ECDSASignature(r: FixedBytes(r), s: FixedBytes(s))
          isValid = verify(curve, point, digest: digest, signature)
        }
        #expect(isValid == (test.text("result") == "valid"), "\(name) \(test.number("tcId"))")
        count += 1
      }
    }
    #expect(count > 400)
  }

  @Test(arguments: ["secp256r1", "secp384r1"])
  func ecdhJudgesWycheproofPoints(_ name: String) throws {
    let curve: EllipticCurve = name.hasPrefix("secp256") ? .p256 : .p384
    for group in try Vectors.wycheproof("ecdh_\(name)_ecpoint") {
      for test in group.tests {
        var shared: [UInt8] = []
        // Compressed encodings, which some tests call acceptable, are not taken here.
        if let point = ECPoint(uncompressed: test.bytes("public"), curve),
          let key = padded(test.bytes("private"), curve.size), let answer = agree(curve, key, point)
        {
          shared = bytes(answer.x)
        }
        switch test.text("result") {
        case "valid": #expect(shared == test.bytes("shared"), "\(name) \(test.number("tcId"))")
        case "invalid": #expect(shared.isEmpty, "\(name) \(test.number("tcId"))")
        default: #expect(shared.isEmpty || shared == test.bytes("shared"))
        }
      }
    }
  }

  static func publicKey(_ group: Vectors.Group) throws -> RSAPublicKey {
    let modulus = stripped(group.bytes("publicKey", "modulus"))
    let exponent = group.bytes("publicKey", "publicExponent").reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    return try #require(RSAPublicKey(modulus: modulus, exponent: exponent))
  }

  @Test(arguments: [
    "rsa_signature_2048_sha256", "rsa_signature_2048_sha384", "rsa_signature_2048_sha512",
    "rsa_signature_3072_sha256", "rsa_signature_3072_sha384",
  ])
  func pkcs1SignaturesAreJudgedAsWycheproofDoes(_ name: String) throws {
    for group in try Vectors.wycheproof(name) {
      let key = try Self.publicKey(group)
      let algorithm = try #require(Self.hash(group.fields.text("sha")))
      for test in group.tests {
        let digest = bytes(Hasher.hash(algorithm, test.bytes("msg")))
        let signature = test.bytes("sig")
        let wanted = PaddingHelpers.pkcs1(algorithm, digest, size: key.size).map { bytes($0) }
        let isValid = signature.count == key.size && RSATests.encrypt(key, signature) == wanted
        // "Acceptable" cases are encodings without the NULL parameter; a TPM takes none.
        #expect(isValid == (test.text("result") == "valid"), "\(name) \(test.number("tcId"))")
      }
    }
  }

  @Test(arguments: [
    "rsa_pss_2048_sha256_mgf1_32", "rsa_pss_2048_sha384_mgf1_48", "rsa_pss_3072_sha256_mgf1_32",
  ])
  func pssSignaturesAreJudgedAsWycheproofDoes(_ name: String) throws {
    for group in try Vectors.wycheproof(name) {
      let key = try Self.publicKey(group)
      let algorithm = try #require(Self.hash(group.fields.text("sha")))
      for test in group.tests {
        let digest = bytes(Hasher.hash(algorithm, test.bytes("msg")))
        let signature = test.bytes("sig")
        var isValid = false
        if signature.count == key.size, let encoded = RSATests.encrypt(key, signature) {
          isValid = PaddingHelpers.isPSS(
            algorithm, digest, RSANumber(encoded), saltCount: group.fields.number("sLen"))
        }
        #expect(isValid == (test.text("result") == "valid"), "\(name) \(test.number("tcId"))")
      }
    }
  }

  static func privateKey(_ group: Vectors.Group) throws -> RSAPrivateKey {
    let modulus = stripped(group.bytes("privateKey", "modulus"))
    let key = try #require(RSAPublicKey(modulus: modulus, exponent: 65537))
    let prime = try #require(padded(group.bytes("privateKey", "prime1"), modulus.count / 2))
    return try #require(RSATests.load(key, prime: prime))
  }

  @Test(arguments: [
    "rsa_oaep_2048_sha1_mgf1sha1", "rsa_oaep_2048_sha256_mgf1sha256", "rsa_oaep_2048_sha384_mgf1sha384",
    "rsa_oaep_2048_sha512_mgf1sha512", "rsa_oaep_3072_sha256_mgf1sha256", "rsa_pkcs1_2048", "rsa_pkcs1_3072",
  ])
  func rsaDecryptionIsAsWycheproofHasIt(_ name: String) throws {
    for group in try Vectors.wycheproof(name) {
      let key = try Self.privateKey(group)
      for test in group.tests {
        let sealed = test.bytes("ct")
        var opened: [UInt8]?
        if sealed.count == key.publicKey.size, let encoded = RSATests.decrypt(key, sealed) {
          if name.contains("oaep") {
            let algorithm = try #require(Self.hash(group.fields.text("sha")))
            opened = PaddingHelpers.openOAEP(algorithm, test.bytes("label"), RSANumber(encoded)).map {
              bytes($0)
            }
          } else {
            opened = RSAEncryptionPadding.openPKCS1(RSANumber(encoded)).map { bytes($0) }
          }
        }
        if test.text("result") == "valid" {
          #expect(opened == test.bytes("msg"), "\(name) \(test.number("tcId"))")
        } else if test.text("result") == "invalid" {
          #expect(opened == nil, "\(name) \(test.number("tcId"))")
        }
      }
    }
  }
}

extension Hasher {
  static func hash(_ algorithm: HashAlgorithm, _ bytes: [UInt8]) -> Digest { hash(algorithm, bytes.span) }
}

extension FixedBytes {
  init(_ bytes: [UInt8]) { self.init(bytes.span) }
}

extension ECPoint {
  init?(uncompressed bytes: [UInt8], _ curve: EllipticCurve) { self.init(uncompressed: bytes.span, curve) }
}

extension RSAPublicKey {
  init?(modulus: [UInt8], exponent: UInt32) { self.init(modulus: modulus.span, exponent: exponent) }
}
