// ConstantTime: selection and comparison without branches or look-ups that depend on secrets.

/// Branch-free primitives on masks: a mask is all ones for true and zero for false.
///
/// `ci/crypto-asm` checks that the code which a kernel image has for the users of these contains no
/// conditional jump that depends on data.
public enum ConstantTime {
  /// All ones if the lowest bit of `bit` is set, otherwise zero.
  @inline(__always)
  public static func mask(bit: UInt64) -> UInt64 { 0 &- (bit & 1) }

  /// All ones if `value` is zero, otherwise zero.
  @inline(__always)
  public static func isZero(_ value: UInt64) -> UInt64 {
    0 &- ((~value & (value &- 1)) &>> 63)
  }

  /// All ones if both are equal, otherwise zero.
  @inline(__always)
  public static func equal(_ left: UInt64, _ right: UInt64) -> UInt64 { isZero(left ^ right) }

  /// All ones if `left` is less than `right`, otherwise zero.
  @inline(__always)
  public static func less(_ left: UInt64, _ right: UInt64) -> UInt64 {
    // The borrow of left - right, from its sign bits (Hacker's Delight §2-12).
    0 &- (((~left & right) | ((~left | right) & (left &- right))) &>> 63)
  }

  /// For each number from `first` on, the mask of its being `digit`: what a look-up in a table is done with.
  ///
  /// They are handed over in memory on purpose. Of a mask that is made beside its use LLVM knows that it is
  /// all ones or zero, and it did put a branch around the use; of words in memory it knows nothing.
  @inline(never)
  static func masks<let count: Int>(_ digit: UInt64, from first: UInt64 = 0) -> InlineArray<count, UInt64> {
    var out = InlineArray<count, UInt64>(repeating: 0)
    for index in 0..<count { out[index] = equal(UInt64(truncatingIfNeeded: index) &+ first, digit) }
    return out
  }

  /// `first` where `mask` has ones, `second` where it has zeros.
  @inline(__always)
  public static func select(_ mask: UInt64, _ first: UInt64, _ second: UInt64) -> UInt64 {
    second ^ (mask & (first ^ second))
  }

  /// Whether two spans have the same length and bytes; the time depends on the lengths only.
  @inline(never)
  public static func equal(_ left: borrowing Span<UInt8>, _ right: borrowing Span<UInt8>) -> Bool {
    guard left.count == right.count else { return false }
    var difference: UInt8 = 0
    for index in left.indices { difference |= left[index] ^ right[index] }
    return difference == 0
  }
}
