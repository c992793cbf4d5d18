// ScalarMultiplication: a point times a secret scalar, as a resumable job.

/// scalar·G by a six-tooth comb, or scalar·P by four-bit windows, one step at a time.
///
/// Tables are read by scanning every entry. A step is at most nine point operations
/// (`Curve.stepCost`). On the heap, as all jobs of this room: its table is kilobytes. One job holds it and never
/// copies it, hence `@unchecked`.
final class ScalarMultiplication<C: Curve>: @unchecked Sendable {
  var scalar: Wide
  /// Multiples 0...15 of the point, made four a step; unused by the comb.
  var table: InlineArray<16, Point<C>>
  var sum: Point<C>
  var ready: Int
  /// Columns (comb) or windows still to do.
  var remaining: Int
  let usesComb: Bool

  /// scalar·G.
  @inline(never)
  init(base scalar: Wide) {
    self.scalar = scalar
    table = InlineArray(repeating: Point.neutral)
    sum = Point.neutral
    ready = 16
    remaining = C.combColumns
    usesComb = true
  }

  /// scalar·point.
  @inline(never)
  init(_ scalar: Wide, _ point: Point<C>) {
    self.scalar = scalar
    table = InlineArray(repeating: Point.neutral)
    table[1] = point
    sum = Point.neutral
    ready = 2
    remaining = C.size &* 2
    usesComb = false
  }

  deinit { wipe() }

  /// Does one step; true when `sum` is the product.
  func step() -> Bool {
    if ready < 16 {
      for _ in 0..<7 where ready < 16 {
        table[ready] = table[ready &- 1].adding(table[1])
        ready &+= 1
      }
      return false
    }
    guard remaining > 0 else { return true }
    if usesComb {
      for _ in 0..<4 where remaining > 0 {
        remaining &-= 1
        combColumn()
      }
    } else {
      remaining &-= 1
      for _ in 0..<4 { sum = sum.doubled() }
      sum = sum.adding(Self.entry(table, Limbs<6>.nibble(scalar, 4 &* remaining)))
    }
    return remaining == 0
  }

  @inline(never)
  private func combColumn() {
    sum = sum.doubled()
    var digit: UInt64 = 0
    for tooth in 0..<6 {
      let position = remaining &+ tooth &* C.combColumns
      digit |= Limbs<6>.bit(scalar, position) &<< UInt64(truncatingIfNeeded: tooth)
    }
    let (x, y) = C.combEntry(digit)
    let isZero: InlineArray<1, UInt64> = ConstantTime.masks(digit)
    sum = Point.select(isZero[0], sum, sum.adding(x: x, y: y))
  }

  @inline(never)
  private static func entry(_ table: InlineArray<16, Point<C>>, _ window: UInt64) -> Point<C> {
    let masks: InlineArray<16, UInt64> = ConstantTime.masks(window)
    // Spans: an element of an array is read from a copy of all of it.
    let (points, chosen) = (table.span, masks.span)
    var out = points[0]
    for candidate in 1..<16 {
      out = Point.select(chosen[candidate], points[candidate], out)
    }
    return out
  }

  /// Runs to the end.
  func finish() -> Point<C> {
    while !step() {}
    return sum
  }

  /// Overwrites the scalar and every intermediate point.
  func wipe() {
    Wipe.words(&scalar)
    sum.wipe()
    for index in 0..<16 { table[index].wipe() }
  }
}
