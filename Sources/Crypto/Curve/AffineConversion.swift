// AffineConversion: a point's affine coordinates, the inversion of z being cut into steps.

/// z^(p-2) by four-bit windows, then x/z and y/z.
///
/// The exponent is public, so its windows may be branched on. One job holds it and never copies it, hence
/// `@unchecked`.
final class AffineConversion<C: Curve>: @unchecked Sendable {
  private var point: Point<C>
  private var table: InlineArray<16, C.Element>
  private var power: C.Element
  /// The lowest bit of the window done last.
  private var position: Int

  @inline(never)
  init(_ point: Point<C>) {
    self.point = point
    table = InlineArray(repeating: C.one)
    for index in 1..<16 { table[index] = C.multiply(table[index &- 1], point.z) }
    power = C.one
    position = C.size &* 8
  }

  // The projective coordinates tell about the scalar.
  deinit {
    point.wipe()
    C.wipe(&power)
    for index in 0..<16 { C.wipe(&table[index]) }
  }

  /// Does up to 24 windows; true when `result` is there.
  @inline(never)
  func step() -> Bool {
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
