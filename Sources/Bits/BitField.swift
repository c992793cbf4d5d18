// BitField: a named range of bits inside a register or wire word.

/// A run of `width` bits that starts at bit `low` of a word, as manuals draw them.
public struct BitField: Equatable, Sendable {
  /// The number of the lowest bit.
  public let low: Int
  /// How many bits, 1 to 64.
  public let width: Int

  /// The field of bits `bits.upperBound` down to `bits.lowerBound`, written as in the manuals.
  public init(_ bits: ClosedRange<Int>) {
    low = bits.lowerBound
    width = bits.count
  }

  /// The one-bit field at `bit`.
  public init(_ bit: Int) {
    low = bit
    width = 1
  }

  /// Ones at the bottom of a word, as many as the field is wide.
  public var lowMask: UInt64 { width >= 64 ? .max : (1 << UInt64(width)) &- 1 }

  /// Ones at the field's place.
  public var mask: UInt64 { lowMask << UInt64(low) }

  /// The field's value in `word`.
  public func get(_ word: UInt64) -> UInt64 { (word >> UInt64(low)) & lowMask }

  /// `word` with the field replaced by the low bits of `value`.
  public func setting(_ value: UInt64, in word: UInt64) -> UInt64 {
    (word & ~mask) | ((value & lowMask) << UInt64(low))
  }
}

extension FixedWidthInteger where Self: UnsignedInteger {
  /// Whether bit `number` is set; false for a bit beyond the word.
  @inlinable public func bit(_ number: Int) -> Bool {
    number >= 0 && number < Self.bitWidth && (self >> Self(truncatingIfNeeded: number)) & 1 == 1
  }
}
