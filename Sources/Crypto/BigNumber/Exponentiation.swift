// Exponentiation: a modular power as a resumable job of fixed windows.

/// A power that is computed in steps.
protocol StepwisePower: AnyObject {
  /// Does one window; true when the power is complete.
  func step() -> Bool
  /// Overwrites exponent and powers.
  func wipe()
}

/// base^exponent modulo an odd modulus, computed in steps of one four-bit window.
///
/// The sixteen powers are read by scanning all of them; a step takes the same time for every
/// window. The exponent's width `bits` is public, its value is not.
/// It lives on the heap, as all jobs of this room do: its table is kilobytes, and a kernel's stack is small.
/// One job holds it and never copies it, hence `@unchecked`.
final class Exponentiation<let n: Int, let e: Int>: StepwisePower, @unchecked Sendable {
  typealias Number = InlineArray<n, UInt64>

  let ring: Montgomery<n>
  var exponent: InlineArray<e, UInt64>
  var table: InlineArray<16, Number>
  /// The power so far, in Montgomery form.
  var power: Number
  /// Entries of the table made so far.
  var ready: Int
  /// The lowest bit of the window done last; 0 at the end.
  var position: Int

  /// Multiplications of one step: the most that `step` does.
  static var multiplicationsPerStep: Int { 5 }

  /// Starts `base`^`exponent`, the base in Montgomery form.
  init(_ ring: Montgomery<n>, base: Number, exponent: InlineArray<e, UInt64>, bits: Int) {
    self.ring = ring
    self.exponent = exponent
    table = InlineArray(repeating: ring.one)
    table[1] = base
    power = ring.one
    ready = 2
    position = min(e &* 64, (bits &+ 3) & ~3)
  }

  deinit { wipe() }

  /// Whether the power is complete.
  var isFinished: Bool { ready == 16 && position == 0 }

  /// Does one step; true when the power is complete.
  func step() -> Bool {
    if ready < 16 {
      for _ in 0..<4 where ready < 16 {
        table[ready] = ring.multiply(table[ready &- 1], table[1])
        ready &+= 1
      }
      return isFinished
    }
    guard position > 0 else { return true }
    position &-= 4
    for _ in 0..<4 { power = ring.multiply(power, power) }
    let window = Limbs<e>.nibble(exponent, position)
    power = ring.multiply(power, Self.entry(table, window))
    return position == 0
  }

  @inline(never)
  private static func entry(_ table: InlineArray<16, Number>, _ window: UInt64) -> Number {
    var out = Limbs<n>.zero
    let masks: InlineArray<16, UInt64> = ConstantTime.masks(window)
    // Spans: an element of an array is read from a copy of all of it.
    let (rows, chosen) = (table.span, masks.span)
    for candidate in 0..<16 {
      let row = rows[candidate]
      let mask = chosen[candidate]
      for limb in 0..<n { out[limb] |= row[limb] & mask }
    }
    return out
  }

  /// Runs to the end; for tests and for short exponents.
  func finish() -> Number {
    while !step() {}
    return power
  }

  /// Overwrites the exponent and all powers.
  func wipe() {
    Wipe.words(&exponent)
    Wipe.words(&power)
    for index in 0..<16 { Wipe.words(&table[index]) }
  }
}
