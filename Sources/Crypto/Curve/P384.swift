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

  // -1/p modulo 2^64 is 2^32 + 1.
  static func multiply(_ left: Element, _ right: Element) -> Element {
    Montgomery<6>.multiply(left, right, prime, 0x0000_0001_0000_0001)
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
    // Spans: an element of an array is read from a copy of all of it.
    let (entries, chosen) = (comb.span, masks.span)
    for entry in 0..<63 {
      let mask = chosen[entry]
      for limb in 0..<6 {
        x[limb] |= entries[entry &* 12 &+ limb] & mask
        y[limb] |= entries[entry &* 12 &+ 6 &+ limb] & mask
      }
    }
    return (x, y)
  }

  /// The ring of the order, its constants computed beforehand.
  static var orderRing: Montgomery<6> {
    Montgomery(
      modulus: order, negatedInverse: 0x6ED4_6089_E88F_DC45,
      square: [
        0x2D31_9B24_19B4_09A9, 0xFF3D_81E5_DF1A_A419, 0xBC3E_483A_FCB8_2947, 0xD40D_4917_4AAB_1CC5,
        0x3FB0_5B7A_2826_6895, 0x0C84_EE01_2B39_BF21,
      ])
  }

  static func orderMultiply(_ left: Wide, _ right: Wide) -> Wide {
    let ring = orderRing
    return ring.multiply(ring.enter(left), right)
  }

  static func orderAdd(_ left: Wide, _ right: Wide) -> Wide {
    let ring = orderRing
    return ring.add(left, right)
  }

  @inline(never)
  static func orderReduce(_ number: Wide) -> Wide {
    let ring = orderRing
    return ring.reduce(number)
  }

  static func orderPower(_ scalar: Wide) -> Exponentiation<6, 6> {
    let ring = orderRing
    let exponent = Limbs<6>.subtract(ring.modulus, Limbs<6>.small(2)).difference
    return Exponentiation(ring, base: ring.enter(scalar), exponent: exponent, bits: 384)
  }

  static func orderInverse(_ power: Exponentiation<6, 6>) -> Wide { power.ring.leave(power.power) }

  static var stepCost: Int { 150_000 }
}
