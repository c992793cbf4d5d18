// AffineConversion: a point's affine coordinates, the inversion of z being cut into steps.

/// z^(p-2) by four-bit windows, then x/z and y/z.
///
/// The exponent is public, so its windows may be branched on.
struct AffineConversion<C: Curve>: Sendable {
  private let point: Point<C>
  private var table: InlineArray<16, C.Element>
  private var power: C.Element
  /// The lowest bit of the window done last.
  private var position: Int

  init(_ point: Point<C>) {
    self.point = point
    table = InlineArray(repeating: C.one)
    for index in 1..<16 { table[index] = C.multiply(table[index &- 1], point.z) }
    power = C.one
    position = C.size &* 8
  }

  /// Does up to 24 windows; true when `result` is there.
  mutating func step() -> Bool {
    let exponent = Limbs<6>.subtract(C.prime, Limbs<6>.small(2)).difference
    for _ in 0..<24 where position > 0 {
      position &-= 4
      for _ in 0..<4 { power = C.square(power) }
      let window = Int(truncatingIfNeeded: Limbs<6>.nibble(exponent, position))
      if window != 0 { power = C.multiply(power, table[window]) }
    }
    return position == 0
  }

  /// The coordinates as plain numbers; nil for the neutral element.
  var result: (x: Wide, y: Wide)? {
    guard position == 0, C.isZero(point.z) == 0 else { return nil }
    return (C.leave(C.multiply(point.x, power)), C.leave(C.multiply(point.y, power)))
  }
}
