// Console: where the kernel's own lines go, a byte at a time and without allocating.

/// A sink of bytes.
///
/// Writing never fails and never waits without a bound: what can't be sent is dropped.
public protocol Console {
  /// Sends one byte.
  func write(_ byte: UInt8)
}

extension Console {
  /// Sends text; a literal is not copied.
  public func write(_ text: String) {
    let bytes = text.utf8Span.span
    for index in bytes.indices { write(bytes[index]) }
  }

  /// Sends `value` in decimal.
  public func write(decimal value: UInt64) {
    var digits = InlineArray<20, UInt8>(repeating: 0)
    var count = 0
    var rest = value
    repeat {
      digits[count] = UInt8(truncatingIfNeeded: rest % 10) &+ 0x30
      rest /= 10
      count &+= 1
    } while rest != 0
    while count > 0 {
      count &-= 1
      write(digits[count])
    }
  }

  /// Sends `value` in hexadecimal after `0x`, with at least `width` digits.
  public func write(hex value: UInt64, width: Int = 1) {
    write("0x")
    var digit = 16
    var started = false
    while digit > 0 {
      digit &-= 1
      let nibble = UInt8(truncatingIfNeeded: value >> UInt64(4 &* digit)) & 0xF
      if nibble != 0 || digit < width { started = true }
      if started { write(nibble &+ (nibble < 10 ? 0x30 : 0x57)) }
    }
  }

  /// Ends the line.
  public func endLine() { write(0x0A) }

  /// Sends text and ends the line.
  public func line(_ text: String) {
    write(text)
    endLine()
  }
}
