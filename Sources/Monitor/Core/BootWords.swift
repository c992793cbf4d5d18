// BootWords: the words of the monitor's command line.

/// A command line cut at spaces.
public struct BootWords: Sendable {
  private let bytes: [UInt8]

  /// The words in `bytes`.
  public init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// Whether `word` stands on the line.
  public func has(_ word: String) -> Bool {
    let text = word.utf8Span.span
    return find(text, count: text.count, isWhole: true) != nil
  }

  /// The decimal number after `name=`; nil without it, or if it is none.
  public func number(_ name: String) -> UInt64? {
    let text = name.utf8Span.span
    guard let start = find(text, count: text.count, isWhole: false), start < bytes.count,
      bytes[start] == 0x3D
    else { return nil }
    var value: UInt64?
    for byte in bytes[(start + 1)...] {
      guard byte >= 0x30, byte <= 0x39, value ?? 0 < 1 << 40 else { break }
      value = (value ?? 0) * 10 + UInt64(byte - 0x30)
    }
    return value
  }

  /// Where the word that starts with `text` goes on after it.
  private func find(_ text: borrowing Span<UInt8>, count: Int, isWhole: Bool) -> Int? {
    var start = 0
    while start + count <= bytes.count {
      let isStart = start == 0 || bytes[start - 1] == 0x20
      var same = 0
      if isStart { while same < count, bytes[start + same] == text[same] { same += 1 } }
      let end = start + count
      if isStart, same == count, !isWhole || end == bytes.count || bytes[end] == 0x20 { return end }
      start += 1
    }
    return nil
  }
}
