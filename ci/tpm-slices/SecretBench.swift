// SecretBench: counts the instructions of operations on many secrets; whatever depends on a secret shows as a difference.
import Crypto

/// The dudect idea with a counter that is exact: two classes of inputs, one fixed and one random, taken in turns.
///
/// Where a timing test on a real machine needs a million runs and a statistic, here one run that differs by one
/// instruction is a leak. What a count can't show is which memory is read: no table here is indexed by a secret.
struct SecretBench {
  let host: SliceHost
  private var state: UInt64 = 1

  init(_ host: SliceHost) { self.host = host }

  mutating func run(isFull: Bool) {
    for (name, curve) in [("P-256", EllipticCurve.p256), ("P-384", .p384)] {
      multiply(name, curve)
      sign(name, curve)
    }
    rsa("RSA-2048", 2048, keys: isFull ? 2 : 1)
    // The same sources; its key alone takes a fifth of the run.
    if isFull { rsa("RSA-3072", 3072, keys: 1) }
    oaep()
    symmetric()
    compare()
  }

  // MARK: - Inputs

  private mutating func next() -> UInt8 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return UInt8(truncatingIfNeeded: state &>> 56)
  }

  /// Even rounds: the same small number; odd ones: random bytes.
  private mutating func secret(_ round: Int, _ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    if count > 0 { bytes[count &- 1] = 3 }
    guard round & 1 == 1 else { return bytes }
    for index in 0..<count { bytes[index] = next() }
    // Below every order and modulus of that length.
    if count > 0 { bytes[0] = bytes[0] & 0x3F | 1 }
    return bytes
  }

  private func write(_ name: String, _ counts: [UInt64]) {
    var least = UInt64.max
    var most: UInt64 = 0
    // The first two warm nothing up, but they are where a lazily made table is made.
    for index in 2..<counts.count {
      least = min(least, counts[index])
      most = max(most, counts[index])
    }
    host.write("{\"secrets\":\"")
    host.write(name)
    host.write("\",\"runs\":")
    host.write(UInt64(counts.count &- 2))
    host.write(",\"least\":")
    host.write(least)
    host.write(",\"most\":")
    host.write(most)
    host.write("}\n")
  }

  private func steps(_ step: () -> Bool) -> UInt64 {
    let start = host.now()
    while !step() {}
    return host.now() &- start
  }

  // MARK: - Operations

  @inline(never)
  private mutating func multiply(_ name: String, _ curve: EllipticCurve) {
    let size = curve.size
    let generator = secret(0, size)
    var fixed = ECMultiplier(curve, scalar: generator.span)
    guard let point = fixed?.finish() else { return }
    for (kind, base) in [("fixed base", ECPoint?.none), ("any base", point)] {
      var counts: [UInt64] = []
      for round in 0..<18 {
        let scalar = secret(round, size)
        let made =
          if let base { ECMultiplier(curve, scalar: scalar.span, base) } else {
            ECMultiplier(curve, scalar: scalar.span)
          }
        guard var job = made else { continue }
        counts.append(steps { job.step() })
      }
      write("\(name) multiplication, \(kind)", counts)
    }
  }

  // CVE-2019-11090 and -16863 (TPM-FAIL): the length of a nonce shows in no count.
  @inline(never)
  private mutating func sign(_ name: String, _ curve: EllipticCurve) {
    var counts: [UInt64] = []
    for round in 0..<18 {
      let (key, digest, extra) = (secret(round, curve.size), secret(round, 32), secret(round, 32))
      guard
        var job = ECDSASigner(curve, .sha256, key: key.span, digest: digest.span, extra: extra.span)
      else { continue }
      counts.append(steps { job.step() })
    }
    write("\(name) signature", counts)
  }

  @inline(never)
  private mutating func key(_ bits: Int) -> RSAPrivateKey? {
    let entropy = secret(1, 48)
    let none = InlineArray<1, UInt8>(repeating: 0)
    let drbg = HMACDRBG(entropy: entropy.span, nonce: none.span, personalization: none.span)
    var generation = RSAKeyGenerator(bits: bits, drbg)
    return generation?.finish()
  }

  @inline(never)
  private func loading(_ key: RSAPrivateKey) -> UInt64 {
    guard var job = RSAKeyLoader(key.publicKey, prime: key.prime.span) else { return 0 }
    return steps { job.step() }
  }

  @inline(never)
  private func power(_ key: RSAPrivateKey, _ message: [UInt8], _ blind: UInt64) -> UInt64 {
    guard var job = RSAPrivateOperation(key, message.span, blind: blind) else { return 0 }
    return steps { job.step() }
  }

  @inline(never)
  private mutating func rsa(_ name: String, _ bits: Int, keys: Int) {
    var loads: [UInt64] = []
    var powers: [UInt64] = []
    for number in 0..<keys {
      guard let key = key(bits) else { continue }
      for round in 0..<6 {
        loads.append(loading(key))
        let message = secret(number &+ round, bits / 8)
        powers.append(power(key, message, UInt64(next()) &* 0x0101_0101_0101_0101))
      }
    }
    write("\(name) loading of a prime", loads)
    write("\(name) private operation", powers)
  }

  /// Good and bad paddings of every kind (CVE-2026-6727).
  @inline(never)
  private mutating func oaep() {
    let label = InlineArray<2, UInt8>(repeating: 0)
    let seed = [UInt8](repeating: 9, count: 32)
    let message = [UInt8](repeating: 5, count: 32)
    guard
      let good = RSAEncryptionPadding.oaep(
        .sha256, label: label.span, message.span, seed: seed.span, size: 256)
    else { return }
    var counts: [UInt64] = []
    for round in 0..<20 {
      var block = good
      // The first byte, the seed (and so all behind it), the hash, and the end, where the separator is.
      let places = [0, 1, 33, 40, 64, 200, 222, 223, 255]
      block[places[round % places.count]] ^= next() | 1
      let start = host.now()
      _ = RSAEncryptionPadding.openOAEP(.sha256, label: label.span, block) == nil
      counts.append(host.now() &- start)
    }
    write("OAEP, every kind of bad padding", counts)
    counts = []
    for round in 0..<20 {
      var block = RSANumber(zeros: 256)
      for index in 2..<256 { block[index] = next() | 1 }
      block[1] = round % 3 == 0 ? 1 : 2
      if round % 4 == 1 { block[4] = 0 }
      if round % 4 == 2 { block[0] = 7 }
      let start = host.now()
      _ = RSAEncryptionPadding.openPKCS1(block) == nil
      counts.append(host.now() &- start)
    }
    write("PKCS #1 v1.5, every kind of bad padding", counts)
  }

  @inline(never)
  private mutating func symmetric() {
    var keyed: [UInt64] = []
    var coded: [UInt64] = []
    for round in 0..<18 {
      let key = secret(round, 32)
      var data = secret(round, 256)
      let start = host.now()
      guard var cipher = AES(key: key.span) else { continue }
      var iv = InlineArray<16, UInt8>(repeating: 7)
      var span = data.mutableSpan
      _ = cipher.apply(.cfb, encrypting: true, iv: &iv, &span)
      cipher.wipe()
      keyed.append(host.now() &- start)
      let before = host.now()
      _ = HMAC.code(.sha256, key: key.span, data.span)
      coded.append(host.now() &- before)
    }
    write("AES-256 key schedule and CFB", keyed)
    write("HMAC-SHA256", coded)
  }

  @inline(never)
  private mutating func compare() {
    let one = [UInt8](repeating: 7, count: 64)
    let digest = Digest(one.span)
    var counts: [UInt64] = []
    for round in 0..<18 {
      var other = one
      if round & 1 == 1 { other[Int(next() & 63)] ^= 1 }
      let start = host.now()
      _ = digest.matches(other.span)
      counts.append(host.now() &- start)
    }
    write("comparison of digests", counts)
  }
}
