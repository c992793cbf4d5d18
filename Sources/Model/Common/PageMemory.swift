// PageMemory: the bytes behind the page numbers, provided by the machine around the model.

/// System memory as the models read and write it: by page and 8-byte word.
///
/// The hosted machine implements it with arrays, the monitor with its direct map. Offsets are in
/// bytes, below 4096 and multiples of 8; what lies outside memory reads as zero and swallows writes.
public protocol PageMemory: ~Copyable {
  /// The little-endian word at `offset` bytes of `page`.
  func load(_ page: SystemPage, _ offset: Int) -> UInt64
  /// Stores a word.
  mutating func store(_ page: SystemPage, _ offset: Int, _ value: UInt64)
  /// Clears the whole page.
  mutating func zero(_ page: SystemPage)
  /// Orders every store before it ahead of every load behind it; a memory of one thread needs nothing.
  func fence()
}

extension PageMemory where Self: ~Copyable {
  /// Nothing.
  public func fence() {}
}

/// System memory as one array, for hosted use and for tests.
public struct ArrayMemory: PageMemory, ~Copyable {
  private var words: [UInt64]

  /// Zeroed memory of `pageCount` pages.
  public init(pageCount: Int) { words = [UInt64](repeating: 0, count: max(0, pageCount) * 512) }

  private func index(_ page: SystemPage, _ offset: Int) -> Int? {
    guard offset >= 0, offset < 4096, page.rawValue < UInt64(words.count / 512) else { return nil }
    return Int(truncatingIfNeeded: page.rawValue) * 512 + offset / 8
  }

  /// The word at `offset`; 0 outside.
  public func load(_ page: SystemPage, _ offset: Int) -> UInt64 {
    index(page, offset).map { words[$0] } ?? 0
  }

  /// Stores a word; outside, nothing.
  public mutating func store(_ page: SystemPage, _ offset: Int, _ value: UInt64) {
    guard let index = index(page, offset) else { return }
    words[index] = value
  }

  /// Clears a page; outside, nothing.
  public mutating func zero(_ page: SystemPage) {
    guard let first = index(page, 0) else { return }
    for index in first..<(first + 512) { words[index] = 0 }
  }
}
