// Timing: the dudect test of whether an operation takes the same time for a fixed and for random secrets (Welch's t, cropped).
import Crypto

/// Takes the two classes of secrets in random order and compares their times.
///
/// |t| beyond 4.5 says that they differ (Reparaz, Balasch, Verbauwhede 2017). On a machine with other work a figure
/// near it proves nothing; what CI holds is the exact count of instructions (`ci/bench tpm-slices`).
@MainActor struct Timing {
  private var generator = SystemRandomNumberGenerator()

  mutating func secret(_ isFixed: Bool, _ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    bytes[count - 1] = 3
    if !isFixed { for index in 0..<count { bytes[index] = UInt8.random(in: 0...255, using: &generator) } }
    bytes[0] = bytes[0] & 0x3F | 1
    return bytes
  }

  /// Runs `body` on `count` secrets and prints t.
  mutating func compare(_ name: String, count: Int, size: Int, _ body: ([UInt8]) -> Void) {
    var times: [[Double]] = [[], []]
    // All inputs first: what makes a random one would be in the caches of its own class only.
    let inputs = (0..<count).map { _ in
      let isFixed = Bool.random(using: &generator)
      return (isFixed, secret(isFixed, size))
    }
    for (isFixed, input) in inputs {
      let start = now()
      body(input)
      times[isFixed ? 0 : 1].append(Double(now() - start))
    }
    // What an interrupt or another process made long says nothing about the secret.
    let limit = (times[0] + times[1]).sorted()[count * 9 / 10]
    let cropped = times.map { $0.filter { $0 <= limit } }
    let means = cropped.map { $0.reduce(0, +) / Double($0.count) }
    let spreads = zip(cropped, means).map { list, mean in
      list.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(list.count - 1) / Double(list.count)
    }
    let t = (means[0] - means[1]) / (spreads[0] + spreads[1]).squareRoot()
    print("timing \(name): t = \((t * 100).rounded() / 100), \(count) runs")
  }

  mutating func run(isSymmetricOnly: Bool) {
    if !isSymmetricOnly { publicKey() }
    symmetric()
  }

  private mutating func publicKey() {
    for (name, curve) in [("p256", EllipticCurve.p256), ("p384", .p384)] {
      compare("\(name) sign", count: 4000, size: curve.size) { key in
        var job = ECDSASigner(curve, .sha256, key: key.span, digest: key.span, extra: key.span)
        sink ^= job?.finish()?.r[0] ?? 0
      }
      compare("\(name) multiply", count: 4000, size: curve.size) { scalar in
        var job = ECMultiplier(curve, scalar: scalar.span)
        sink ^= job?.finish()?.x[0] ?? 0
      }
    }
    var generation = RSAKeyGenerator(bits: 2048, seeded(1))
    if let key = generation?.finish() {
      compare("rsa2048 private", count: 1000, size: 256) { message in
        var job = RSAPrivateOperation(key, message.span, blind: 0x1234_5678_9ABC_DEF0)
        sink ^= job?.finish()?[0] ?? 0
      }
    }
    let label: [UInt8] = [0]
    compare("oaep open", count: 20_000, size: 256) { block in
      sink ^= RSAEncryptionPadding.openOAEP(.sha256, label: label.span, RSANumber(block.span)) == nil ? 1 : 0
    }
  }

  private mutating func symmetric() {
    compare("aes256", count: 20_000, size: 32) { key in
      var data = key
      var iv = InlineArray<16, UInt8>(repeating: 7)
      var span = data.mutableSpan
      if let cipher = AES(key: key.span) { _ = cipher.apply(.cfb, encrypting: true, iv: &iv, &span) }
      sink ^= data[0]
    }
    compare("hmac-sha256", count: 20_000, size: 32) { key in
      sink ^= HMAC.code(.sha256, key: key.span, key.span)[0]
    }
  }
}
