// RSAKey: RSA keys of 2048 and 3072 bits as byte strings and as CRT values.

/// Bytes of the longest modulus.
public typealias RSANumber = FixedBytes<384>

/// A public key: modulus and exponent.
public struct RSAPublicKey: Sendable {
  /// The modulus, big-endian, 256 or 384 bytes with the highest bit set.
  public var modulus: RSANumber
  /// The exponent, odd and at least 3.
  public var exponent: UInt32

  /// A key of a modulus of 2048 or 3072 bits; nil if it is another size, even, or short.
  public init?(modulus: borrowing Span<UInt8>, exponent: UInt32) {
    guard modulus.count == 256 || modulus.count == 384, modulus[0] & 0x80 != 0,
      modulus[modulus.count &- 1] & 1 == 1, exponent & 1 == 1, exponent >= 3
    else { return nil }
    self.modulus = RSANumber(modulus)
    self.exponent = exponent
  }

  /// Bytes of the modulus.
  public var size: Int { modulus.count }
}

/// A private key with exponent 65537, as the values that the Chinese remainder theorem needs.
///
/// Copies share the values, which are overwritten when the last one goes.
public struct RSAPrivateKey: Sendable {
  enum Values: Sendable {
    case k2048(RSASecrets<16>)
    case k3072(RSASecrets<24>)
  }

  // On the heap: a key is kilobytes, and a kernel's stack is small.
  final class Storage: Sendable {
    let values: Values
    let publicKey: RSAPublicKey

    init(_ values: Values, _ publicKey: RSAPublicKey) {
      self.values = values
      self.publicKey = publicKey
    }
  }

  let storage: Storage
  var values: Values { storage.values }

  init(values: Values, publicKey: RSAPublicKey) { storage = Storage(values, publicKey) }

  /// The public half.
  public var publicKey: RSAPublicKey { storage.publicKey }

  /// The first prime, big-endian, half the modulus long.
  public var prime: FixedBytes<192> {
    switch values {
    case .k2048(let secrets): RSAValues<16>.bytes(secrets.values.p)
    case .k3072(let secrets): RSAValues<24>.bytes(secrets.values.p)
    }
  }
}

/// The values of a private key in one place, overwritten when nobody holds them any more.
///
/// Only `deinit` changes them, hence `@unchecked`.
final class RSASecrets<let n: Int>: @unchecked Sendable {
  private(set) var values: RSAValues<n>

  init(_ values: RSAValues<n>) { self.values = values }

  deinit { values.wipe() }
}

/// Two primes of n limbs with their exponents and the second's inverse modulo the first.
struct RSAValues<let n: Int>: Sendable {
  typealias Number = InlineArray<n, UInt64>

  /// The one exponent of private keys here.
  static var exponent: UInt64 { 65537 }

  var p: Number
  var q: Number
  var dp: Number
  var dq: Number
  /// 1/q modulo p, in p's Montgomery form; zero until computed.
  var inverse: Number

  /// Nil if a prime's exponent does not exist: 65537 divides p - 1 or q - 1.
  init?(p: Number, q: Number) {
    guard let dp = Self.privateExponent(p), let dq = Self.privateExponent(q) else { return nil }
    self.p = p
    self.q = q
    self.dp = dp
    self.dq = dq
    inverse = Limbs<n>.zero
  }

  /// 1/65537 modulo prime - 1; nil if there is none.
  ///
  /// It is (1 + k·(prime - 1)) / 65537 for the k below 65537 that makes the division exact. No
  /// division instruction sees the prime.
  static func privateExponent(_ prime: Number) -> Number? {
    let even = Limbs<n>.subtract(prime, Limbs<n>.small(1)).difference
    // 2^16 is -1 modulo 65537: the alternating sum of 16-bit digits, kept positive.
    var rest: UInt64 = 0
    for index in 0..<n {
      let limb = even[index]
      rest &+= (limb & 0xFFFF) &+ (limb &>> 32 & 0xFFFF)
      rest &+= 2 &* exponent &- (limb &>> 16 & 0xFFFF) &- limb &>> 48
    }
    rest %= 65537
    guard rest != 0 else { return nil }
    // Fermat: rest^65535; then k = -1/rest.
    var power: UInt64 = 1
    for _ in 0..<16 {
      power = power &* power % 65537
      power = power &* rest % 65537
    }
    power = power &* 1 % 65537
    let k = 65537 &- power
    // 1 + k·even, one limb longer; then exact division from the lowest limb up.
    var product = Limbs<n>.zero
    var carry: UInt64 = 1
    for index in 0..<n {
      let wide = UInt128(even[index]) &* UInt128(k) &+ UInt128(carry)
      product[index] = UInt64(truncatingIfNeeded: wide)
      carry = UInt64(truncatingIfNeeded: wide &>> 64)
    }
    var inverse: UInt64 = 1
    for _ in 0..<6 { inverse = inverse &* (2 &- exponent &* inverse) }
    var borrow: UInt64 = 0
    for index in 0..<n {
      let (difference, under) = product[index].subtractingReportingOverflow(borrow)
      let quotient = difference &* inverse
      product[index] = quotient
      borrow = quotient.multipliedFullWidth(by: exponent).high &+ (under ? 1 : 0)
    }
    return product
  }

  static func bytes(_ number: Number) -> FixedBytes<192> {
    var out = FixedBytes<192>(zeros: n &* 8)
    var span = out.mutableSpan
    Limbs<n>.write(number, &span)
    return out
  }

  /// p·q as bytes.
  static func modulus(_ p: Number, _ q: Number) -> RSANumber {
    let (low, high) = product(p, q)
    var out = RSANumber(zeros: n &* 16)
    for index in 0..<(n &* 8) {
      let place = n &* 8 &- 1 &- index
      let shift = UInt64(truncatingIfNeeded: 8 &* (place & 7))
      out[index] = UInt8(truncatingIfNeeded: high[place &>> 3] &>> shift)
      out[n &* 8 &+ index] = UInt8(truncatingIfNeeded: low[place &>> 3] &>> shift)
    }
    return out
  }

  /// The product as two halves.
  static func product(_ left: Number, _ right: Number) -> (low: Number, high: Number) {
    var low = Limbs<n>.zero
    var high = Limbs<n>.zero
    for i in 0..<n {
      var carry: UInt64 = 0
      // Column i: the running total is high (shifted down one limb each round).
      let first = UInt128(left[0]) &* UInt128(right[i]) &+ UInt128(high[0])
      low[i] = UInt64(truncatingIfNeeded: first)
      carry = UInt64(truncatingIfNeeded: first &>> 64)
      for j in 1..<n {
        let wide = UInt128(left[j]) &* UInt128(right[i]) &+ UInt128(high[j]) &+ UInt128(carry)
        high[j &- 1] = UInt64(truncatingIfNeeded: wide)
        carry = UInt64(truncatingIfNeeded: wide &>> 64)
      }
      high[n &- 1] = carry
    }
    return (low, high)
  }

  mutating func wipe() {
    Wipe.words(&p)
    Wipe.words(&q)
    Wipe.words(&dp)
    Wipe.words(&dq)
    Wipe.words(&inverse)
  }
}
