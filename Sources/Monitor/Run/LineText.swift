// LineText: one line of a report, built piece by piece.

/// A line of ASCII text of at most 200 bytes; what does not fit is cut off.
public struct LineText: Equatable, Sendable {
  /// The longest line, bytes.
  public static let capacity = 200
  /// The line so far, without an end-of-line byte.
  public private(set) var bytes: [UInt8] = []

  /// An empty line.
  public init() {}

  /// A line of `text`.
  public init(_ text: String) { add(text) }

  /// Appends one byte; what is not printable ASCII becomes `?`.
  public mutating func add(byte: UInt8) {
    if bytes.count < Self.capacity { bytes.append((0x20...0x7E).contains(byte) ? byte : 0x3F) }
  }

  /// Appends text.
  public mutating func add(_ text: String) {
    let span = text.utf8Span.span
    for index in span.indices { add(byte: span[index]) }
  }

  /// Appends bytes that somebody else gave.
  public mutating func add(foreign text: borrowing Span<UInt8>) {
    for index in text.indices { add(byte: text[index]) }
  }

  /// Appends a number in decimal.
  public mutating func add(decimal value: UInt64) {
    if value >= 10 { add(decimal: value / 10) }
    add(byte: 0x30 &+ UInt8(truncatingIfNeeded: value % 10))
  }

  /// Appends a number in hexadecimal after `0x`.
  public mutating func add(hex value: UInt64) {
    add("0x")
    var shift: UInt64 = 60
    while shift > 0, value >> shift == 0 { shift &-= 4 }
    while true {
      let nibble = UInt8(truncatingIfNeeded: value >> shift) & 15
      add(byte: nibble &+ (nibble < 10 ? 0x30 : 0x57))
      if shift == 0 { break }
      shift &-= 4
    }
  }
}
