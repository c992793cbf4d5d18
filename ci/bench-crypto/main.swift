// crypto-bench: throughput of the Crypto room, one line `name value unit` per primitive.
import Crypto
import Glibc

func now() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// The best of several rounds, in nanoseconds per call.
func best(_ calls: Int, rounds: Int = 7, _ body: () -> Void) -> Double {
  var least = Double.infinity
  for _ in 0..<rounds {
    let start = now()
    for _ in 0..<calls { body() }
    least = min(least, Double(now() - start) / Double(calls))
  }
  return least
}

let block = [UInt8](repeating: 0x5A, count: 8192)
var sink: UInt8 = 0
if CommandLine.arguments.contains("--timing") {
  var timing = Timing()
  timing.run(isSymmetricOnly: CommandLine.arguments.contains("--symmetric"))
  exit(0)
}
let hashes: [(String, () -> UInt8)] = [
  ("sha1", { SHA1.hash(block.span)[0] }),
  ("sha256", { SHA256.hash(block.span)[0] }),
  ("sha384", { SHA384.hash(block.span)[0] }),
  ("sha512", { SHA512.hash(block.span)[0] }),
]
for (name, body) in hashes {
  let nanoseconds = best(4000) { sink ^= body() }
  print("\(name) \(8192.0 * 1000 / nanoseconds) MB/s")
}

if let cipher = AES(key: block.span.extracting(first: 16)) {
  var data = block
  for (name, mode) in [("aes-128-cfb", CipherMode.cfb), ("aes-128-ctr", .ctr)] {
    let nanoseconds = best(200) {
      var iv = InlineArray<16, UInt8>(repeating: 0)
      var span = data.mutableSpan
      sink ^= cipher.apply(mode, encrypting: true, iv: &iv, &span) ? 1 : 0
    }
    print("\(name) \(8192.0 * 1000 / nanoseconds) MB/s")
  }
}

// The rest does not depend on the CPU's instructions for hashes and ciphers.
if CommandLine.arguments.contains("--symmetric") { exit(0) }

func report(_ name: String, calls: Int, _ body: () -> Void) {
  print("\(name) \(best(calls, rounds: 5, body) / 1000) us")
}

let key = [UInt8](repeating: 0x42, count: 48)
let digest = [UInt8](repeating: 0x17, count: 48)
for (name, curve) in [("p256", EllipticCurve.p256), ("p384", .p384)] {
  let scalar = key.span.extracting(first: curve.size)
  var maker = ECMultiplier(curve, scalar: scalar)
  guard let point = maker?.finish() else { continue }
  var signature: ECDSASignature?
  report("\(name)-sign", calls: 200) {
    var signer = ECDSASigner(
      curve, .sha256, key: key.span.extracting(first: curve.size), digest: digest.span,
      extra: key.span)
    signature = signer?.finish()
  }
  guard let signature else { continue }
  report("\(name)-verify", calls: 100) {
    var verifier = ECDSAVerifier(curve, point, digest: digest.span, signature)
    sink ^= verifier.finish() ? 1 : 0
  }
  report("\(name)-ecdh", calls: 100) {
    var job = ECMultiplier(curve, scalar: key.span.extracting(first: curve.size), point)
    sink ^= job?.finish()?.x[0] ?? 0
  }
  report("\(name)-base", calls: 100) {
    var job = ECMultiplier(curve, scalar: key.span.extracting(first: curve.size))
    sink ^= job?.finish()?.x[0] ?? 0
  }
}

func seeded(_ number: UInt8) -> HMACDRBG {
  let entropy = [UInt8](repeating: number, count: 48)
  return HMACDRBG(entropy: entropy.span, nonce: entropy.span, personalization: entropy.span)
}

for bits in [2048, 3072] {
  var times: [Double] = []
  var key: RSAPrivateKey?
  for number in 0..<UInt8(bits == 2048 ? 21 : 9) {
    let start = now()
    var job = RSAKeyGenerator(bits: bits, seeded(number))
    key = job?.finish()
    times.append(Double(now() - start) / 1_000_000)
  }
  times.sort()
  print(
    "rsa\(bits)-keygen-median \(times[times.count / 2]) ms (least \(times[0]), most \(times[times.count - 1]))"
  )
  guard let key else { continue }
  let message = [UInt8](repeating: 0x11, count: bits / 8)
  report("rsa\(bits)-sign", calls: 30) {
    var job = RSAPrivateOperation(key, message.span, blind: 0x1234_5678_9ABC_DEF0)
    sink ^= job?.finish()?[0] ?? 0
  }
  report("rsa\(bits)-verify", calls: 300) {
    var job = RSAPublicOperation(key.publicKey, message.span)
    sink ^= job?.finish()[0] ?? 0
  }
}
