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
