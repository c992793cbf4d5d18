// Curve: what the point arithmetic needs of a short Weierstrass curve with a = -3.

/// Six limbs: room for a scalar or coordinate of either curve.
typealias Wide = InlineArray<6, UInt64>

/// A prime-order curve y² = x³ - 3x + b, its field in Montgomery form and its order.
///
/// All operations take the same time for all values.
protocol Curve: Sendable {
  /// A field element in Montgomery form, below the prime.
  associatedtype Element: Sendable
  /// The job that inverts modulo the order.
  associatedtype OrderPower: StepwisePower

  /// Bytes of a coordinate and of a scalar.
  static var size: Int { get }
  /// Columns of the comb: ⌈bits/6⌉.
  static var combColumns: Int { get }
  static var zero: Element { get }
  static var one: Element { get }
  /// The curve's b.
  static var b: Element { get }
  /// The prime, and the group's order.
  static var prime: Wide { get }
  static var order: Wide { get }

  static func multiply(_ left: Element, _ right: Element) -> Element
  static func add(_ left: Element, _ right: Element) -> Element
  static func subtract(_ left: Element, _ right: Element) -> Element
  static func select(_ mask: UInt64, _ first: Element, _ second: Element) -> Element
  static func wipe(_ element: inout Element)
  /// All ones for zero.
  static func isZero(_ element: Element) -> UInt64
  /// A number below the prime, into and out of Montgomery form.
  static func enter(_ number: Wide) -> Element
  static func leave(_ element: Element) -> Wide
  /// Entry `digit` (0...63) of the comb table by scanning all; entry 0 is zeros.
  static func combEntry(_ digit: UInt64) -> (x: Element, y: Element)

  /// Arithmetic modulo the order on plain numbers below it.
  static func orderMultiply(_ left: Wide, _ right: Wide) -> Wide
  static func orderAdd(_ left: Wide, _ right: Wide) -> Wide
  /// A number of the scalar's width modulo the order.
  static func orderReduce(_ number: Wide) -> Wide
  /// 1/scalar modulo the order, by Fermat: the job, and what it came to.
  static func orderPower(_ scalar: Wide) -> OrderPower
  static func orderInverse(_ power: OrderPower) -> Wide
  /// Instructions that a step of a job on the curve takes at most without SSE (`ci/bench tpm-slices`).
  static var stepCost: Int { get }
}

extension Curve {
  @inline(__always)
  static func square(_ element: Element) -> Element { multiply(element, element) }

  /// The scalar or coordinate of `size` bytes or fewer, big-endian; nil if longer.
  static func number(_ bytes: borrowing Span<UInt8>) -> Wide? {
    guard bytes.count <= size else { return nil }
    return Limbs<6>.number(bytes)
  }

  /// The number as `size` big-endian bytes.
  static func bytes(_ number: Wide) -> FixedBytes<48> {
    var out = FixedBytes<48>(zeros: size)
    var span = out.mutableSpan
    Limbs<6>.write(number, &span)
    return out
  }

  /// Whether 1 <= scalar < order.
  static func isScalar(_ scalar: Wide) -> Bool {
    Limbs<6>.less(scalar, order) & ~Limbs<6>.isZero(scalar) != 0
  }
}
