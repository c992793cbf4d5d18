// InterruptVectors: 256 interrupt vectors as a local APIC keeps them.

/// One bit per vector, in eight 32-bit registers as IRR, ISR and TMR are read.
public struct InterruptVectors: Equatable, Sendable {
  private var words = InlineArray<8, UInt32>(repeating: 0)

  /// No vector.
  public init() {}

  /// Whether a vector is in the set.
  public subscript(vector: UInt8) -> Bool {
    get { words[Int(vector >> 5)] >> UInt32(vector & 31) & 1 == 1 }
    set {
      let bit: UInt32 = 1 << UInt32(vector & 31)
      if newValue { words[Int(vector >> 5)] |= bit } else { words[Int(vector >> 5)] &= ~bit }
    }
  }

  /// The 32-bit register `index`, 0 to 7; 0 beyond.
  public func word(_ index: Int) -> UInt32 { index >= 0 && index < 8 ? words[index] : 0 }

  /// The most urgent vector.
  public var highest: UInt8? {
    var index = 7
    while index >= 0 {
      if words[index] != 0 { return UInt8(index &* 32 &+ 31 &- words[index].leadingZeroBitCount) }
      index &-= 1
    }
    return nil
  }

  /// Two sets are the same if every register is.
  public static func == (left: Self, right: Self) -> Bool {
    for index in 0..<8 where left.words[index] != right.words[index] { return false }
    return true
  }
}
