// P256: the field and order of NIST P-256, four limbs in Montgomery form.

/// NIST P-256 (SP 800-186 §3.2.1.3).
enum P256: Curve {
  typealias Element = InlineArray<4, UInt64>

  static var size: Int { 32 }
  static var combColumns: Int { 43 }

  static var zero: Element { [0, 0, 0, 0] }
  static var one: Element {
    [0x0000_0000_0000_0001, 0xFFFF_FFFF_0000_0000, 0xFFFF_FFFF_FFFF_FFFF, 0x0000_0000_FFFF_FFFE]
  }
  static var b: Element {
    [0xD89C_DF62_29C4_BDDF, 0xACF0_05CD_7884_3090, 0xE5A2_20AB_F721_2ED6, 0xDC30_061D_0487_4834]
  }
  static var prime: Wide {
    [0xFFFF_FFFF_FFFF_FFFF, 0x0000_0000_FFFF_FFFF, 0x0000_0000_0000_0000, 0xFFFF_FFFF_0000_0001, 0, 0]
  }
  static var order: Wide {
    [0xF3B9_CAC2_FC63_2551, 0xBCE6_FAAD_A717_9E84, 0xFFFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_0000_0000, 0, 0]
  }

  @inline(__always)
  static var shortPrime: Element {
    [0xFFFF_FFFF_FFFF_FFFF, 0x0000_0000_FFFF_FFFF, 0x0000_0000_0000_0000, 0xFFFF_FFFF_0000_0001]
  }

  // left + right·factor + carry as (low, high).
  @inline(__always)
  private static func mac(_ sum: UInt64, _ left: UInt64, _ factor: UInt64, _ carry: UInt64) -> (
    UInt64, UInt64
  ) {
    let wide = UInt128(left) &* UInt128(factor) &+ UInt128(sum) &+ UInt128(carry)
    return (UInt64(truncatingIfNeeded: wide), UInt64(truncatingIfNeeded: wide &>> 64))
  }

  @inline(__always)
  private static func adc(_ left: UInt64, _ right: UInt64, _ carry: UInt64) -> (UInt64, UInt64) {
    let wide = UInt128(left) &+ UInt128(right) &+ UInt128(carry)
    return (UInt64(truncatingIfNeeded: wide), UInt64(truncatingIfNeeded: wide &>> 64))
  }

  // One row of the product and one step of the reduction. Adding t0·p clears the lowest limb
  // (-1/p = 1 modulo 2^64): limb 1 gains t0·2^32, limb 3 gains t0·p3.
  @inline(__always)
  private static func row(
    _ a: Element, _ factor: UInt64, _ t0: inout UInt64, _ t1: inout UInt64, _ t2: inout UInt64,
    _ t3: inout UInt64, _ t4: inout UInt64
  ) {
    var carry: UInt64 = 0
    (t0, carry) = mac(t0, a[0], factor, 0)
    (t1, carry) = mac(t1, a[1], factor, carry)
    (t2, carry) = mac(t2, a[2], factor, carry)
    (t3, carry) = mac(t3, a[3], factor, carry)
    let (high, top) = adc(t4, carry, 0)
    let multiple = t0
    (t0, carry) = adc(t1, multiple &<< 32, 0)
    (t1, carry) = adc(t2, multiple &>> 32, carry)
    (t2, carry) = mac(t3, multiple, 0xFFFF_FFFF_0000_0001, carry)
    (t3, carry) = adc(high, carry, 0)
    t4 = top &+ carry
  }

  @inline(__always)
  private static func reduce(_ number: Element, _ top: UInt64) -> Element {
    let (lower, borrow) = Limbs<4>.subtract(number, shortPrime)
    return Limbs<4>.select(ConstantTime.mask(bit: borrow & ~top), number, lower)
  }

  @inline(never)
  static func multiply(_ left: Element, _ right: Element) -> Element {
    var (t0, t1, t2, t3, t4) = (UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0))
    row(left, right[0], &t0, &t1, &t2, &t3, &t4)
    row(left, right[1], &t0, &t1, &t2, &t3, &t4)
    row(left, right[2], &t0, &t1, &t2, &t3, &t4)
    row(left, right[3], &t0, &t1, &t2, &t3, &t4)
    return reduce([t0, t1, t2, t3], t4)
  }

  @inline(never)
  static func add(_ left: Element, _ right: Element) -> Element {
    let (sum, carry) = Limbs<4>.add(left, right)
    return reduce(sum, carry)
  }

  @inline(never)
  static func subtract(_ left: Element, _ right: Element) -> Element {
    let (difference, borrow) = Limbs<4>.subtract(left, right)
    let mask = ConstantTime.mask(bit: borrow)
    return Limbs<4>.add(
      difference, [mask, mask & 0x0000_0000_FFFF_FFFF, 0, mask & 0xFFFF_FFFF_0000_0001]
    ).sum
  }

  @inline(__always)
  static func select(_ mask: UInt64, _ first: Element, _ second: Element) -> Element {
    Limbs<4>.select(mask, first, second)
  }

  static func wipe(_ element: inout Element) { Wipe.words(&element) }

  @inline(__always)
  static func isZero(_ element: Element) -> UInt64 { Limbs<4>.isZero(element) }

  @inline(__always)
  static func short(_ number: Wide) -> Element { [number[0], number[1], number[2], number[3]] }

  @inline(__always)
  static func wide(_ number: Element) -> Wide { [number[0], number[1], number[2], number[3], 0, 0] }

  static func enter(_ number: Wide) -> Element {
    // 2^512 mod p.
    multiply(
      short(number),
      [0x0000_0000_0000_0003, 0xFFFF_FFFB_FFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFE, 0x0000_0004_FFFF_FFFD])
  }

  static func leave(_ element: Element) -> Wide { wide(multiply(element, [1, 0, 0, 0])) }

  @inline(never)
  static func combEntry(_ digit: UInt64) -> (x: Element, y: Element) {
    var x = zero
    var y = zero
    let masks: InlineArray<63, UInt64> = ConstantTime.masks(digit, from: 1)
    // Spans: an element of an array is read from a copy of all of it.
    let (entries, chosen) = (comb.span, masks.span)
    for entry in 0..<63 {
      let mask = chosen[entry]
      for limb in 0..<4 {
        x[limb] |= entries[entry &* 8 &+ limb] & mask
        y[limb] |= entries[entry &* 8 &+ 4 &+ limb] & mask
      }
    }
    return (x, y)
  }

  /// The ring of the order, its constants computed beforehand.
  static var orderRing: Montgomery<4> {
    Montgomery(
      modulus: short(order), negatedInverse: 0xCCD1_C8AA_EE00_BC4F,
      square: [
        0x8324_4C95_BE79_EEA2, 0x4699_799C_49BD_6FA6, 0x2845_B239_2B6B_EC59, 0x66E1_2D94_F3D9_5620,
      ])
  }

  static func orderMultiply(_ left: Wide, _ right: Wide) -> Wide {
    let ring = orderRing
    return wide(ring.multiply(ring.enter(short(left)), short(right)))
  }

  static func orderAdd(_ left: Wide, _ right: Wide) -> Wide {
    let ring = orderRing
    return wide(ring.add(short(left), short(right)))
  }

  @inline(never)
  static func orderReduce(_ number: Wide) -> Wide {
    let ring = orderRing
    return wide(ring.reduce(short(number)))
  }

  static func orderPower(_ scalar: Wide) -> Exponentiation<4, 4> {
    let ring = orderRing
    let exponent = Limbs<4>.subtract(ring.modulus, Limbs<4>.small(2)).difference
    return Exponentiation(ring, base: ring.enter(short(scalar)), exponent: exponent, bits: 256)
  }

  static func orderInverse(_ power: Exponentiation<4, 4>) -> Wide { wide(power.ring.leave(power.power)) }

  static var stepCost: Int { 95_000 }
}
