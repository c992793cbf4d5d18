// Point: curve points in projective coordinates with complete addition formulas.

/// A point (X : Y : Z) of a curve with a = -3; (0 : 1 : 0) is the neutral element.
///
/// The formulas are complete (Renes, Costello, Batina, "Complete addition formulas for prime order
/// elliptic curves", algorithms 4, 5 and 6): no input needs a special case, hence no branch.
struct Point<C: Curve>: Sendable {
  var x: C.Element
  var y: C.Element
  var z: C.Element

  /// The neutral element.
  static var neutral: Point { Point(x: C.zero, y: C.one, z: C.zero) }

  /// The sum with any point (algorithm 4).
  @inline(never)
  func adding(_ other: Point) -> Point {
    var t0 = C.multiply(x, other.x)
    var t1 = C.multiply(y, other.y)
    var t2 = C.multiply(z, other.z)
    var t3 = C.multiply(C.add(x, y), C.add(other.x, other.y))
    t3 = C.subtract(t3, C.add(t0, t1))
    var t4 = C.multiply(C.add(y, z), C.add(other.y, other.z))
    t4 = C.subtract(t4, C.add(t1, t2))
    var y3 = C.multiply(C.add(x, z), C.add(other.x, other.z))
    y3 = C.subtract(y3, C.add(t0, t2))
    var x3 = C.subtract(y3, C.multiply(C.b, t2))
    x3 = C.add(x3, C.add(x3, x3))
    let z3 = C.subtract(t1, x3)
    x3 = C.add(t1, x3)
    y3 = C.multiply(C.b, y3)
    t2 = C.add(C.add(t2, t2), t2)
    y3 = C.subtract(C.subtract(y3, t2), t0)
    y3 = C.add(C.add(y3, y3), y3)
    t0 = C.subtract(C.add(C.add(t0, t0), t0), t2)
    t1 = C.multiply(t4, y3)
    t2 = C.multiply(t0, y3)
    return Point(
      x: C.subtract(C.multiply(t3, x3), t1),
      y: C.add(C.multiply(x3, z3), t2),
      z: C.add(C.multiply(t4, z3), C.multiply(t3, t0)))
  }

  /// The sum with an affine point, which cannot be the neutral element (algorithm 5).
  @inline(never)
  func adding(x x2: C.Element, y y2: C.Element) -> Point {
    var t0 = C.multiply(x, x2)
    let t1 = C.multiply(y, y2)
    var t3 = C.multiply(C.add(x2, y2), C.add(x, y))
    t3 = C.subtract(t3, C.add(t0, t1))
    let t4 = C.add(C.multiply(y2, z), y)
    var y3 = C.add(C.multiply(x2, z), x)
    var x3 = C.subtract(y3, C.multiply(C.b, z))
    x3 = C.add(x3, C.add(x3, x3))
    let z3 = C.subtract(t1, x3)
    x3 = C.add(t1, x3)
    y3 = C.multiply(C.b, y3)
    let t2 = C.add(C.add(z, z), z)
    y3 = C.subtract(C.subtract(y3, t2), t0)
    y3 = C.add(C.add(y3, y3), y3)
    t0 = C.subtract(C.add(C.add(t0, t0), t0), t2)
    let u1 = C.multiply(t4, y3)
    let u2 = C.multiply(t0, y3)
    return Point(
      x: C.subtract(C.multiply(t3, x3), u1),
      y: C.add(C.multiply(x3, z3), u2),
      z: C.add(C.multiply(t4, z3), C.multiply(t3, t0)))
  }

  /// Twice the point (algorithm 6).
  @inline(never)
  func doubled() -> Point {
    var t0 = C.square(x)
    let t1 = C.square(y)
    var t2 = C.square(z)
    var t3 = C.multiply(x, y)
    t3 = C.add(t3, t3)
    var z3 = C.multiply(x, z)
    z3 = C.add(z3, z3)
    var y3 = C.subtract(C.multiply(C.b, t2), z3)
    y3 = C.add(C.add(y3, y3), y3)
    var x3 = C.subtract(t1, y3)
    y3 = C.add(t1, y3)
    y3 = C.multiply(x3, y3)
    x3 = C.multiply(x3, t3)
    t2 = C.add(C.add(t2, t2), t2)
    z3 = C.subtract(C.subtract(C.multiply(C.b, z3), t2), t0)
    z3 = C.add(C.add(z3, z3), z3)
    t0 = C.subtract(C.add(C.add(t0, t0), t0), t2)
    y3 = C.add(y3, C.multiply(t0, z3))
    t0 = C.multiply(y, z)
    t0 = C.add(t0, t0)
    x3 = C.subtract(x3, C.multiply(t0, z3))
    z3 = C.multiply(t0, t1)
    z3 = C.add(z3, z3)
    return Point(x: x3, y: y3, z: C.add(z3, z3))
  }

  /// `first` where `mask` is all ones, `second` where it is zero.
  @inline(__always)
  static func select(_ mask: UInt64, _ first: Point, _ second: Point) -> Point {
    Point(
      x: C.select(mask, first.x, second.x), y: C.select(mask, first.y, second.y),
      z: C.select(mask, first.z, second.z))
  }

  /// Overwrites the coordinates.
  mutating func wipe() {
    C.wipe(&x)
    C.wipe(&y)
    C.wipe(&z)
  }

  /// The point of affine coordinates; nil unless both are below the prime and on the curve.
  init?(x: Wide, y: Wide) {
    guard Limbs<6>.less(x, C.prime) & Limbs<6>.less(y, C.prime) != 0 else { return nil }
    self.init(x: C.enter(x), y: C.enter(y), z: C.one)
    // y² = x³ - 3x + b
    let threeX = C.add(C.add(self.x, self.x), self.x)
    let right = C.add(C.subtract(C.multiply(C.square(self.x), self.x), threeX), C.b)
    guard C.isZero(C.subtract(C.square(self.y), right)) != 0 else { return nil }
  }

  init(x: C.Element, y: C.Element, z: C.Element) {
    self.x = x
    self.y = y
    self.z = z
  }
}
