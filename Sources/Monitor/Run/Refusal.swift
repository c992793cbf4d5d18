// Refusal: why the monitor will not start a run, as one line.

import IGVM

/// An input that cannot be run: exit code 2, and one line that names the field (issue 4 "Bad input").
public struct Refusal: Error, Equatable, Sendable {
  /// The line, without its end.
  public let line: LineText

  /// A refusal of `field` because of `reason`.
  public init(_ field: String, _ reason: String) {
    var line = LineText("monitor: ")
    line.add(field)
    line.add(": ")
    line.add(reason)
    self.line = line
  }

  /// A refusal that ends in a number.
  public init(_ field: String, _ reason: String, hex value: UInt64) {
    var line = Refusal(field, reason).line
    line.add(byte: 0x20)
    line.add(hex: value)
    self.line = line
  }

  /// A refusal that ends in a word of the input.
  public init(_ field: String, _ reason: String, word: borrowing Span<UInt8>) {
    var line = Refusal(field, reason).line
    line.add(" '")
    line.add(foreign: word)
    line.add("'")
    self.line = line
  }

  /// A breach of the image format: its rule, place and value.
  public init(_ violation: Violation) {
    var line = LineText("monitor: image: ")
    line.add(violation.rule.name.description)
    line.add(" at byte ")
    line.add(decimal: violation.offset)
    line.add(", value ")
    line.add(hex: violation.value)
    self.line = line
  }
}
