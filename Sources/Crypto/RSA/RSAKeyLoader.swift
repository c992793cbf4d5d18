// RSAKeyLoader: the CRT values of a modulus and one of its primes, as a resumable job.

/// Computes 1/q modulo p by Fermat, a step at a time.
final class RSAInversion<let n: Int>: @unchecked Sendable {
  var values: RSAValues<n>
  var power: Exponentiation<n, n>

  /// Nil if p is even or its highest bit is clear.
  init?(_ values: RSAValues<n>) {
    guard let ring = Montgomery<n>(values.p) else { return nil }
    self.values = values
    let exponent = Limbs<n>.subtract(values.p, Limbs<n>.small(2)).difference
    power = Exponentiation(ring, base: ring.enter(values.q), exponent: exponent, bits: n &* 64)
  }

  deinit { wipe() }

  func wipe() {
    values.wipe()
    power.wipe()
  }

  func step() -> Bool {
    guard power.step() else { return false }
    values.inverse = power.power
    power.wipe()
    return true
  }
}

/// A job that checks that a prime divides a modulus and prepares the private key.
public struct RSAKeyLoader: Sendable {
  enum Job: Sendable {
    case k2048(RSAInversion<16>)
    case k3072(RSAInversion<24>)
  }
  var job: Job
  let publicKey: RSAPublicKey
  var isDone = false

  /// Nil unless the prime is half as long as the modulus, divides it, both factors have their highest
  /// bit set, and the exponent is 65537.
  public init?(_ publicKey: RSAPublicKey, prime: borrowing Span<UInt8>) {
    guard publicKey.exponent == 65537, prime.count == publicKey.size / 2 else { return nil }
    self.publicKey = publicKey
    if publicKey.size == 256 {
      guard let values = Self.divide(RSAValues<16>.self, publicKey.modulus, prime),
        let inversion = RSAInversion<16>(values)
      else { return nil }
      job = .k2048(inversion)
    } else {
      guard let values = Self.divide(RSAValues<24>.self, publicKey.modulus, prime),
        let inversion = RSAInversion<24>(values)
      else { return nil }
      job = .k3072(inversion)
    }
  }

  // Exact division of the modulus by the prime from the lowest limb up, checked by multiplying back.
  private static func divide<let n: Int>(
    _ type: RSAValues<n>.Type, _ modulus: RSANumber, _ bytes: borrowing Span<UInt8>
  ) -> RSAValues<n>? {
    let half = n &* 8
    guard let p = Limbs<n>.number(bytes), p[0] & 1 == 1, p[n &- 1] &>> 63 == 1,
      var low = Limbs<n>.number(modulus.span.extracting(half..<(2 &* half)))
    else { return nil }
    var inverse: UInt64 = 1
    for _ in 0..<6 { inverse = inverse &* (2 &- p[0] &* inverse) }
    var q = Limbs<n>.zero
    for i in 0..<n {
      let digit = low[i] &* inverse
      q[i] = digit
      var borrow: UInt64 = 0
      for j in 0..<(n &- i) {
        let wide = UInt128(digit) &* UInt128(p[j]) &+ UInt128(borrow)
        let (difference, under) = low[i &+ j].subtractingReportingOverflow(UInt64(truncatingIfNeeded: wide))
        low[i &+ j] = difference
        borrow = UInt64(truncatingIfNeeded: wide &>> 64) &+ (under ? 1 : 0)
      }
    }
    guard q[n &- 1] &>> 63 == 1, RSAValues<n>.modulus(p, q).matches(modulus.span) else { return nil }
    return RSAValues<n>(p: p, q: q)
  }

  /// Instructions that the next step takes at most.
  public var nextCost: Int { publicKey.size > 256 ? 100_000 : 45_000 }

  /// Does a step of at most 250,000 instructions; true when the key is there.
  public mutating func step() -> Bool {
    guard !isDone else { return true }
    switch job {
    case .k2048(let inversion): isDone = inversion.step()
    case .k3072(let inversion): isDone = inversion.step()
    }
    return isDone
  }

  /// The key once `step` said true.
  public var key: RSAPrivateKey? {
    guard isDone else { return nil }
    switch job {
    case .k2048(let inversion):
      return RSAPrivateKey(values: .k2048(RSASecrets(inversion.values)), publicKey: publicKey)
    case .k3072(let inversion):
      return RSAPrivateKey(values: .k3072(RSASecrets(inversion.values)), publicKey: publicKey)
    }
  }

  /// Runs to the end.
  public mutating func finish() -> RSAPrivateKey? {
    while !step() {}
    return key
  }

  /// Overwrites the private values of the job.
  public mutating func wipe() {
    switch job {
    case .k2048(let inversion): inversion.wipe()
    case .k3072(let inversion): inversion.wipe()
    }
  }
}
