// RSAPublicOperation: a number to the public exponent, as a resumable job.

/// message^e mod n by squaring and multiplying; everything is public here.
final class RSAPublicPower<let m: Int>: @unchecked Sendable {
  typealias Number = InlineArray<m, UInt64>

  let ring: Montgomery<m>
  /// Squarings that the ring needs; then the message is taken into it.
  var squaringsLeft = Montgomery<m>.squarings
  var isEntered = false
  var base: Number
  var power: Number
  let exponent: UInt32
  var bit: Int

  /// Nil if the message is not below the modulus or the modulus is malformed.
  init?(_ key: RSAPublicKey, _ message: borrowing Span<UInt8>) {
    guard let modulus = Limbs<m>.number(key.modulus.span), let number = Limbs<m>.number(message),
      Limbs<m>.less(number, modulus) != 0, let ring = Montgomery<m>(unsquared: modulus)
    else { return nil }
    self.ring = ring
    exponent = key.exponent
    base = number
    power = number
    bit = 31 &- exponent.leadingZeroBitCount
  }

  /// At most four multiplications, of 48 limbs two; true when the power is complete.
  func step() -> Bool {
    let width = m > 32 ? 1 : 2
    if squaringsLeft > 0 {
      for _ in 0..<width where squaringsLeft > 0 {
        ring.squareOnce()
        squaringsLeft &-= 1
      }
      return false
    }
    guard isEntered else {
      base = ring.enter(base)
      power = base
      isEntered = true
      return false
    }
    for _ in 0..<width where bit > 0 {
      bit &-= 1
      power = ring.multiply(power, power)
      if exponent &>> UInt32(truncatingIfNeeded: bit) & 1 == 1 { power = ring.multiply(power, base) }
    }
    return bit == 0
  }

  func result(size: Int) -> RSANumber {
    var out = RSANumber(zeros: size)
    var span = out.mutableSpan
    Limbs<m>.write(ring.leave(power), &span)
    return out
  }
}

/// The RSA public operation (RFC 8017 §5.1.1, §5.2.2).
public struct RSAPublicOperation: Sendable {
  enum Job: Sendable {
    case k2048(RSAPublicPower<32>)
    case k3072(RSAPublicPower<48>)
  }
  var job: Job
  let size: Int

  /// Nil if the message is not below the modulus (RFC 8017: message representative out of range).
  public init?(_ key: RSAPublicKey, _ message: borrowing Span<UInt8>) {
    size = key.size
    if size == 256 {
      guard let power = RSAPublicPower<32>(key, message) else { return nil }
      job = .k2048(power)
    } else {
      guard let power = RSAPublicPower<48>(key, message) else { return nil }
      job = .k3072(power)
    }
  }

  /// Instructions that the next step takes at most.
  public var nextCost: Int { 150_000 }

  /// Does a step of at most 250,000 instructions; true when the result is there.
  public mutating func step() -> Bool {
    switch job {
    case .k2048(let power): power.step()
    case .k3072(let power): power.step()
    }
  }

  /// The result, as long as the modulus, once `step` said true.
  public var result: RSANumber {
    switch job {
    case .k2048(let power): power.result(size: size)
    case .k3072(let power): power.result(size: size)
    }
  }

  /// Runs to the end.
  public mutating func finish() -> RSANumber {
    while !step() {}
    return result
  }
}
