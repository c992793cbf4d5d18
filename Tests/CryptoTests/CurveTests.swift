// Tests of P-256 and P-384: RFC 6979 signatures, SP 800-56A agreement, and algebraic laws.
import Crypto
import TestSupport
import Testing

@Suite struct CurveTests {
  // RFC 6979 §A.2.5 and §A.2.6.
  @Test func deterministicSignaturesAreThoseOfRFC6979() throws {
    let key256 = "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"
    let key384 =
      "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5"
    let cases: [(EllipticCurve, HashAlgorithm, String, String, String, String)] = [
      (
        .p256, .sha256, key256, "sample", "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
      ),
      (
        .p256, .sha256, key256, "test", "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
        "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"
      ),
      (
        .p256, .sha1, key256, "sample", "61340C88C3AAEBEB4F6D667F672CA9759A6CCAA9FA8811313039EE4A35471D32",
        "6D7F147DAC089441BB2E2FE8F7A3FA264B9C475098FDCF6E00D7C996E1B8B7EB"
      ),
      (
        .p256, .sha512, key256, "sample", "8496A60B5E9B47C825488827E0495B0E3FA109EC4568FD3F8D1097678EB97F00",
        "2362AB1ADBE2B8ADF9CB9EDAB740EA6049C028114F2460F96554F61FAE3302FE"
      ),
      (
        .p384, .sha384, key384, "sample",
        "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
        "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8"
      ),
      (
        .p384, .sha256, key384, "test",
        "6D6DEFAC9AB64DABAFE36C6BF510352A4CC27001263638E5B16D9BB51D451559F918EEDAF2293BE5B475CC8F0188636B",
        "2D46F3BECBCC523D5F1A1256BF0C9B024D879BA9E838144C8BA6BAEB4B53B47D51AB373F9845C0514EEFB14024787265"
      ),
    ]
    for (curve, hash, key, message, r, s) in cases {
      let digest = bytes(Hasher.hash(hash, Array(message.utf8).span))
      let signature = try #require(sign(curve, hash, bytes(key), digest: digest))
      #expect(hex(signature.r) == r.lowercased(), "\(curve) \(hash) \(message)")
      #expect(hex(signature.s) == s.lowercased(), "\(curve) \(hash) \(message)")
    }
  }

  @Test(arguments: [EllipticCurve.p256, .p384])
  func aSignatureVerifiesAndAnyChangeOfItDoesNot(_ curve: EllipticCurve) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededRandom(seed: seed)
    for _ in 0..<4 {
      let key = scalar(curve, generator.bytes(curve.size + 8))
      let digest = generator.bytes(48)
      let extra = generator.bytes(32)
      let point = try #require(publicKey(curve, key))
      #expect(curve.contains(point))
      let signature = try #require(sign(curve, .sha256, key, digest: digest, extra: extra))
      #expect(verify(curve, point, digest: digest, signature), "seed \(seed)")
      var changed = digest
      changed[Int.random(in: 0..<curve.size, using: &generator)] ^= 1
      #expect(!verify(curve, point, digest: changed, signature), "seed \(seed)")
      var other = signature
      other.s[3] ^= 0x10
      #expect(!verify(curve, point, digest: digest, other), "seed \(seed)")
    }
  }

  // SP 800-56A §5.7.1.2: both sides reach the same point; scalar 1 gives the point itself.
  @Test(arguments: [EllipticCurve.p256, .p384])
  func bothSidesOfADiffieHellmanExchangeAgree(_ curve: EllipticCurve) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededRandom(seed: seed)
    let first = scalar(curve, generator.bytes(curve.size + 8))
    let second = scalar(curve, generator.bytes(curve.size + 8))
    let publicA = try #require(publicKey(curve, first))
    let publicB = try #require(publicKey(curve, second))
    let left = try #require(agree(curve, first, publicB))
    let right = try #require(agree(curve, second, publicA))
    #expect(hex(left) == hex(right), "seed \(seed)")
    let one = [UInt8](repeating: 0, count: curve.size - 1) + [1]
    #expect(hex(try #require(agree(curve, one, publicA))) == hex(publicA))
  }

  // The comb and the windows are different code for the same product.
  @Test(arguments: [EllipticCurve.p256, .p384])
  func theCombAgreesWithTheWindowsOnEdgeScalars(_ curve: EllipticCurve) throws {
    let one = [UInt8](repeating: 0, count: curve.size - 1) + [1]
    let base = try #require(publicKey(curve, one))
    let orderMinusOne =
      curve == .p256
      ? "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550"
      : "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52972"
    var scalars: [[UInt8]] = [bytes(orderMinusOne)]
    for bit in stride(from: 0, to: curve.size * 8 - 1, by: 13) {
      var scalar = [UInt8](repeating: 0, count: curve.size)
      scalar[curve.size - 1 - bit / 8] = 1 << UInt8(bit % 8)
      scalars.append(scalar)
    }
    for scalar in scalars {
      let left = try #require(publicKey(curve, scalar))
      let right = try #require(agree(curve, scalar, base))
      #expect(hex(left) == hex(right), "\(hex(scalar))")
    }
  }

  @Test(arguments: [EllipticCurve.p256, .p384])
  func pointsOffTheCurveAndScalarsOutOfRangeAreRefused(_ curve: EllipticCurve) {
    let zero = [UInt8](repeating: 0, count: curve.size)
    #expect(publicKey(curve, zero) == nil)
    let order =
      curve == .p256
      ? "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
      : "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973"
    #expect(publicKey(curve, bytes(order)) == nil)
    let nothing = FixedBytes<48>(zeros: curve.size)
    #expect(!curve.contains(ECPoint(x: nothing, y: nothing)))
    let all = FixedBytes<48>([UInt8](repeating: 0xFF, count: curve.size).span)
    #expect(!curve.contains(ECPoint(x: all, y: all)))
  }
}
