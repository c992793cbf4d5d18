// RSAPrivateOperation: a number to the private exponent by CRT, blinded and re-checked.

/// Two half-size powers, their combination, and the check by the public exponent.
///
/// Each exponent is blinded by a random 64-bit multiple of prime - 1. The result leaves only after
/// result^65537 gave the message back, so that a fault can't reveal a prime.
final class RSAPrivatePower<let n: Int, let m: Int>: @unchecked Sendable {
  typealias Number = InlineArray<n, UInt64>
  enum Stage: Sendable { case first, between, second, combine, prepare, check, done, failed }

  let secrets: RSASecrets<n>
  let publicKey: RSAPublicKey
  let message: RSANumber
  let blind: UInt64
  var power: Exponentiation<n, 25>
  var firstPower: Number
  var result: RSANumber
  var check: RSAPublicPower<m>?
  var stage = Stage.first

  init?(_ secrets: RSASecrets<n>, _ publicKey: RSAPublicKey, _ message: borrowing Span<UInt8>, blind: UInt64)
  {
    guard let modulus = Limbs<m>.number(publicKey.modulus.span), let number = Limbs<m>.number(message),
      Limbs<m>.less(number, modulus) != 0
    else { return nil }
    self.secrets = secrets
    self.publicKey = publicKey
    self.message = RSANumber(message)
    self.blind = blind
    firstPower = Limbs<n>.zero
    result = RSANumber()
    check = nil
    guard let power = Self.power(self.message, secrets.values.p, secrets.values.dp, blind) else { return nil }
    self.power = power
  }

  // The message modulo the prime, to exponent + blind·(prime - 1).
  private static func power(
    _ message: RSANumber, _ prime: Number, _ exponent: Number, _ blind: UInt64
  ) -> Exponentiation<n, 25>? {
    let half = message.count &- n &* 8
    guard half >= 0, let ring = Montgomery<n>(prime),
      let high = Limbs<n>.number(message.span.extracting(0..<half)),
      let low = Limbs<n>.number(message.span.extracting(half..<message.count))
    else { return nil }
    var wide = InlineArray<25, UInt64>(repeating: 0)
    let even = Limbs<n>.subtract(prime, Limbs<n>.small(1)).difference
    var carry: UInt64 = 0
    for index in 0..<n {
      let sum = UInt128(even[index]) &* UInt128(blind) &+ UInt128(exponent[index]) &+ UInt128(carry)
      wide[index] = UInt64(truncatingIfNeeded: sum)
      carry = UInt64(truncatingIfNeeded: sum &>> 64)
    }
    wide[n] = carry
    let base = ring.enter(ring.reduce(high: high, low: low))
    return Exponentiation(ring, base: base, exponent: wide, bits: n &* 64 &+ 64)
  }

  deinit { wipe() }

  var nextCost: Int {
    switch stage {
    case .first, .second: n > 16 ? 100_000 : 45_000
    default: 200_000
    }
  }

  func step() -> Bool {
    switch stage {
    case .first:
      guard power.step() else { break }
      firstPower = power.power
      stage = .between
    case .between:
      if let next = Self.power(message, secrets.values.q, secrets.values.dq, blind) {
        power = next
        stage = .second
      } else {
        stage = .failed
      }
    case .second:
      if power.step() { stage = .combine }
    case .combine:
      combine()
      stage = .prepare
    case .prepare:
      check = RSAPublicPower<m>(publicKey, result.span)
      stage = check == nil ? .failed : .check
    case .check:
      guard let running = check else { break }
      if running.step() {
        stage = running.result(size: publicKey.size).matches(message.span) ? .done : .failed
        forget()
      }
    case .done, .failed: break
    }
    switch stage {
    case .done, .failed: return true
    default: return false
    }
  }

  // Garner: second + q·((first - second)/q mod p).
  private func combine() {
    guard let ring = Montgomery<n>(secrets.values.p) else { return }
    var second = power.ring.leave(power.power)
    let difference = ring.subtract(firstPower, ring.enter(second))
    var quotient = ring.leave(ring.multiply(difference, secrets.values.inverse))
    var (low, high) = RSAValues<n>.product(quotient, secrets.values.q)
    let (sum, carry) = Limbs<n>.add(low, second)
    low = sum
    high = Limbs<n>.add(high, Limbs<n>.small(carry)).sum
    result = RSANumber(RSAValues<n>.bytes(high))
    result.append(RSAValues<n>.bytes(low).span)
    Wipe.words(&second)
    Wipe.words(&quotient)
    Wipe.words(&low)
    Wipe.words(&high)
  }

  private func forget() {
    power.wipe()
    Wipe.words(&firstPower)
  }

  func wipe() {
    forget()
    result.wipe()
  }
}

/// The RSA private operation (RFC 8017 §5.1.2, §5.2.1).
public struct RSAPrivateOperation: Sendable {
  enum Job: Sendable {
    case k2048(RSAPrivatePower<16, 32>)
    case k3072(RSAPrivatePower<24, 48>)
  }
  var job: Job

  /// Nil if the message is not below the modulus.
  ///
  /// `blind` is a fresh random word.
  public init?(_ key: RSAPrivateKey, _ message: borrowing Span<UInt8>, blind: UInt64) {
    switch key.values {
    case .k2048(let secrets):
      guard let power = RSAPrivatePower<16, 32>(secrets, key.publicKey, message, blind: blind) else {
        return nil
      }
      job = .k2048(power)
    case .k3072(let secrets):
      guard let power = RSAPrivatePower<24, 48>(secrets, key.publicKey, message, blind: blind) else {
        return nil
      }
      job = .k3072(power)
    }
  }

  /// Instructions that the next step takes at most.
  public var nextCost: Int {
    switch job {
    case .k2048(let power): power.nextCost
    case .k3072(let power): power.nextCost
    }
  }

  /// Does a step of at most 250,000 instructions; true when the job has ended.
  public mutating func step() -> Bool {
    switch job {
    case .k2048(let power): power.step()
    case .k3072(let power): power.step()
    }
  }

  /// The result, as long as the modulus; nil before the end or if the check found a fault.
  public var result: RSANumber? {
    switch job {
    case .k2048(let power): if case .done = power.stage { power.result } else { nil }
    case .k3072(let power): if case .done = power.stage { power.result } else { nil }
    }
  }

  /// Runs to the end.
  public mutating func finish() -> RSANumber? {
    while !step() {}
    return result
  }

  /// Overwrites the private values of the job.
  public mutating func wipe() {
    switch job {
    case .k2048(let power): power.wipe()
    case .k3072(let power): power.wipe()
    }
  }
}
