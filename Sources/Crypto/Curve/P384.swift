// P384: the field and order of NIST P-384, six limbs in Montgomery form.

/// NIST P-384 (SP 800-186 §3.2.1.4).
enum P384: Curve {
  typealias Element = Wide

  static var size: Int { 48 }
  static var combColumns: Int { 64 }

  @inline(__always)
  static var zero: Element { [0, 0, 0, 0, 0, 0] }
  static var one: Element { [0xFFFF_FFFF_0000_0001, 0x0000_0000_FFFF_FFFF, 1, 0, 0, 0] }
  static var b: Element {
    [
      0x0811_8871_9D41_2DCC, 0xF729_ADD8_7A4C_32EC, 0x77F2_209B_1920_022E, 0xE337_4BEE_9493_8AE2,
      0xB62B_21F4_1F02_2094, 0xCD08_114B_604F_BFF9,
    ]
  }
  @inline(__always)
  static var prime: Wide {
    [
      0x0000_0000_FFFF_FFFF, 0xFFFF_FFFF_0000_0000, 0xFFFF_FFFF_FFFF_FFFE, 0xFFFF_FFFF_FFFF_FFFF,
      0xFFFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF,
    ]
  }
  static var order: Wide {
    [
      0xECEC_196A_CCC5_2973, 0x581A_0DB2_48B0_A77A, 0xC763_4D81_F437_2DDF, 0xFFFF_FFFF_FFFF_FFFF,
      0xFFFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF,
    ]
  }

  @inline(__always)
  private static func reduce(_ number: Element, _ top: UInt64) -> Element {
    let (lower, borrow) = Limbs<6>.subtract(number, prime)
    return Limbs<6>.select(ConstantTime.mask(bit: borrow & ~top), number, lower)
  }

  @inline(never)
  static func multiply(_ left: Element, _ right: Element) -> Element {
    var total = zero
    var top: UInt64 = 0
    for i in 0..<6 {
      let factor = right[i]
      var carry: UInt64 = 0
      for j in 0..<6 {
        let wide = UInt128(left[j]) &* UInt128(factor) &+ UInt128(total[j]) &+ UInt128(carry)
        total[j] = UInt64(truncatingIfNeeded: wide)
        carry = UInt64(truncatingIfNeeded: wide &>> 64)
      }
      let high = UInt128(top) &+ UInt128(carry)
      // -1/p modulo 2^64 is 2^32 + 1.
      let multiple = total[0] &+ total[0] &<< 32
      var wide = UInt128(multiple) &* UInt128(prime[0]) &+ UInt128(total[0])
      carry = UInt64(truncatingIfNeeded: wide &>> 64)
      for j in 1..<6 {
        wide = UInt128(multiple) &* UInt128(prime[j]) &+ UInt128(total[j]) &+ UInt128(carry)
        total[j &- 1] = UInt64(truncatingIfNeeded: wide)
        carry = UInt64(truncatingIfNeeded: wide &>> 64)
      }
      wide = high &+ UInt128(carry)
      total[5] = UInt64(truncatingIfNeeded: wide)
      top = UInt64(truncatingIfNeeded: wide &>> 64)
    }
    return reduce(total, top)
  }

  @inline(never)
  static func add(_ left: Element, _ right: Element) -> Element {
    let (sum, carry) = Limbs<6>.add(left, right)
    return reduce(sum, carry)
  }

  @inline(never)
  static func subtract(_ left: Element, _ right: Element) -> Element {
    let (difference, borrow) = Limbs<6>.subtract(left, right)
    return Limbs<6>.add(difference, Limbs<6>.select(ConstantTime.mask(bit: borrow), prime, zero)).sum
  }

  @inline(__always)
  static func select(_ mask: UInt64, _ first: Element, _ second: Element) -> Element {
    Limbs<6>.select(mask, first, second)
  }

  static func wipe(_ element: inout Element) { Wipe.words(&element) }

  @inline(__always)
  static func isZero(_ element: Element) -> UInt64 { Limbs<6>.isZero(element) }

  static func enter(_ number: Wide) -> Element {
    // 2^768 mod p.
    multiply(
      number,
      [0xFFFF_FFFE_0000_0001, 0x0000_0002_0000_0000, 0xFFFF_FFFE_0000_0000, 0x0000_0002_0000_0000, 1, 0])
  }

  static func leave(_ element: Element) -> Wide { multiply(element, [1, 0, 0, 0, 0, 0]) }

  @inline(never)
  static func combEntry(_ digit: UInt64) -> (x: Element, y: Element) {
    var x = zero
    var y = zero
    let masks: InlineArray<63, UInt64> = ConstantTime.masks(digit, from: 1)
    for entry in 0..<63 {
      let mask = masks[entry]
      for limb in 0..<6 {
        x[limb] |= comb[entry &* 12 &+ limb] & mask
        y[limb] |= comb[entry &* 12 &+ 6 &+ limb] & mask
      }
    }
    return (x, y)
  }

  @inline(__always)
  static var orderRing: Montgomery<6>? { Montgomery<6>(order) }

  static func orderMultiply(_ left: Wide, _ right: Wide) -> Wide {
    guard let ring = orderRing else { return zero }
    return ring.multiply(ring.enter(left), right)
  }

  static func orderAdd(_ left: Wide, _ right: Wide) -> Wide {
    guard let ring = orderRing else { return zero }
    return ring.add(left, right)
  }

  static func orderReduce(_ number: Wide) -> Wide {
    guard let ring = orderRing else { return zero }
    return ring.reduce(number)
  }

  static func orderPower(_ scalar: Wide) -> Exponentiation<6, 6>? {
    guard let ring = orderRing else { return nil }
    let exponent = Limbs<6>.subtract(ring.modulus, Limbs<6>.small(2)).difference
    return Exponentiation(ring, base: ring.enter(scalar), exponent: exponent, bits: 384)
  }

  static func orderInverse(_ power: Exponentiation<6, 6>) -> Wide { power.ring.leave(power.power) }

  static var stepCost: Int { 150_000 }
}
