// BootOptions: what the kernel's command line asks for.
import Seams

/// Words of the command line, `name` or `name=value`, split at spaces.
public struct BootOptions: Sendable {
  private let line: CommandLine

  /// The options in `line`.
  public init(_ line: CommandLine) { self.line = line }

  /// Whether `name` stands there, alone or with a value.
  public func has(_ name: String) -> Bool { find(name) != nil }

  /// Whether `name=value` stands there.
  public func has(_ name: String, _ value: String) -> Bool {
    guard let range = find(name) else { return false }
    let bytes = value.utf8Span.span
    guard range.count == bytes.count else { return false }
    for index in bytes.indices where bytes[index] != line[range.lowerBound &+ index] { return false }
    return true
  }

  /// The decimal value of `name`, nil if it is missing, not a number or beyond 64 bits.
  public func number(_ name: String) -> UInt64? {
    guard let range = find(name), !range.isEmpty else { return nil }
    var value: UInt64 = 0
    for index in range {
      let digit = line[index] &- 0x30
      guard digit < 10 else { return nil }
      let (product, tooMuch) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflow) = product.addingReportingOverflow(UInt64(digit))
      guard !tooMuch, !overflow else { return nil }
      value = sum
    }
    return value
  }

  // Where the value of the last word called `name` lies; empty without `=`.
  private func find(_ name: String) -> Range<Int>? {
    let bytes = name.utf8Span.span
    var found: Range<Int>?
    var start = 0
    while start < line.count {
      var end = start
      while end < line.count, line[end] != 0x20 { end &+= 1 }
      var matched = 0
      while matched < bytes.count, start &+ matched < end, line[start &+ matched] == bytes[matched] {
        matched &+= 1
      }
      if matched == bytes.count {
        if start &+ matched == end { found = end..<end }
        if start &+ matched < end, line[start &+ matched] == 0x3D { found = (start &+ matched &+ 1)..<end }
      }
      start = end &+ 1
    }
    return found
  }
}
