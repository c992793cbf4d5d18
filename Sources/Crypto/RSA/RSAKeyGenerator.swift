// RSAKeyGenerator: an RSA key pair from a seeded generator, as a resumable job.

/// Finds two primes and prepares the key, a step at a time.
final class RSAKeyGeneration<let n: Int>: @unchecked Sendable {
  typealias Number = InlineArray<n, UInt64>

  var search: PrimeSearch<n>
  var first: Number?
  var second: Number?
  var inversion: RSAInversion<n>?

  init(_ drbg: HMACDRBG) {
    search = PrimeSearch(drbg)
    first = nil
    second = nil
    inversion = nil
  }

  deinit { wipe() }

  func step() -> Bool {
    if let inversion { return inversion.step() }
    if let p = first, let q = second {
      if Self.areApart(p, q), let values = RSAValues<n>(p: p, q: q) {
        inversion = RSAInversion(values)
        search.wipe()
      } else {
        search = PrimeSearch(search.drbg)
      }
      second = nil
      return false
    }
    guard search.step() else { return false }
    if first == nil {
      first = search.candidate
      search = PrimeSearch(search.drbg)
    } else {
      second = search.candidate
    }
    return false
  }

  var nextCost: Int {
    if inversion != nil { return n > 16 ? 100_000 : 45_000 }
    return first != nil && second != nil ? 200_000 : search.nextCost
  }

  // |p - q| > 2^(bits - 100) (FIPS 186-5 §A.1.3 step 5.4), from the two highest limbs.
  private static func areApart(_ p: Number, _ q: Number) -> Bool {
    let left = UInt128(p[n &- 1]) &<< 64 | UInt128(p[n &- 2])
    let right = UInt128(q[n &- 1]) &<< 64 | UInt128(q[n &- 2])
    let distance = left > right ? left &- right : right &- left
    return distance &>> 29 != 0
  }

  func wipe() {
    search.wipe()
    if var number = first {
      Wipe.words(&number)
      first = number
    }
    if var number = second {
      Wipe.words(&number)
      second = number
    }
    inversion?.wipe()
  }
}

/// An RSA key generation job: two random primes, exponent 65537 (FIPS 186-5 §A.1.3).
public struct RSAKeyGenerator: Sendable {
  enum Job: Sendable {
    case k2048(RSAKeyGeneration<16>)
    case k3072(RSAKeyGeneration<24>)
  }
  var job: Job
  var isDone = false

  /// A job for a modulus of 2048 or 3072 bits; nil for another size.
  ///
  /// It draws on `drbg` alone: the same generator gives the same key.
  public init?(bits: Int, _ drbg: HMACDRBG) {
    switch bits {
    case 2048: job = .k2048(RSAKeyGeneration(drbg))
    case 3072: job = .k3072(RSAKeyGeneration(drbg))
    default: return nil
    }
  }

  /// Instructions that the next step takes at most.
  public var nextCost: Int {
    switch job {
    case .k2048(let generation): generation.nextCost
    case .k3072(let generation): generation.nextCost
    }
  }

  /// Does a step of at most 250,000 instructions; true when the key is there.
  public mutating func step() -> Bool {
    guard !isDone else { return true }
    switch job {
    case .k2048(let generation): isDone = generation.step()
    case .k3072(let generation): isDone = generation.step()
    }
    return isDone
  }

  /// The key once `step` said true.
  public var key: RSAPrivateKey? {
    guard isDone else { return nil }
    switch job {
    case .k2048(let generation):
      guard let values = generation.inversion?.values else { return nil }
      let modulus = RSAValues<16>.modulus(values.p, values.q)
      return RSAPublicKey(modulus: modulus.span, exponent: 65537).map {
        RSAPrivateKey(values: .k2048(RSASecrets(values)), publicKey: $0)
      }
    case .k3072(let generation):
      guard let values = generation.inversion?.values else { return nil }
      let modulus = RSAValues<24>.modulus(values.p, values.q)
      return RSAPublicKey(modulus: modulus.span, exponent: 65537).map {
        RSAPrivateKey(values: .k3072(RSASecrets(values)), publicKey: $0)
      }
    }
  }

  /// Runs to the end.
  public mutating func finish() -> RSAPrivateKey? {
    while !step() {}
    return key
  }

  /// Overwrites the primes of the job.
  public mutating func wipe() {
    switch job {
    case .k2048(let generation): generation.wipe()
    case .k3072(let generation): generation.wipe()
    }
  }
}
