// PageWindows: which guest pages a model keeps state for, as a few ranges.

/// Up to four ranges of guest pages and the place of each page in one array.
///
/// Guest memory is dense at the bottom, but the reset page, the BIOS hole and the launch VMSA lie far
/// above; an array over all of it would not fit. Ranges are multiples of 2 MiB.
public struct PageWindows: Sendable {
  private var first = InlineArray<4, UInt64>(repeating: 0)
  private var counts = InlineArray<4, Int>(repeating: 0)
  private var used = 0

  /// Memory from page 0, `pageCount` pages rounded up to 2 MiB.
  public init(pageCount: Int) {
    add(GuestPage(rawValue: 0), pageCount: pageCount)
  }

  /// Adds the 2 MiB ranges that cover `pageCount` pages from `page`.
  ///
  /// False, and nothing added, if four ranges are in use, the range is empty or it meets another.
  @discardableResult
  public mutating func add(_ page: GuestPage, pageCount: Int) -> Bool {
    guard used < 4, pageCount > 0, pageCount < 1 << 40, page.rawValue < 1 << 40 else { return false }
    let start = page.base2M.rawValue
    let end = (page.rawValue &+ UInt64(pageCount) &+ 511) & ~511
    for index in 0..<used {
      if start < first[index] &+ UInt64(counts[index]), first[index] < end { return false }
    }
    guard let count = Int(exactly: end &- start) else { return false }
    first[used] = start
    counts[used] = count
    used += 1
    return true
  }

  /// How many pages all ranges have together.
  public var pageCount: Int {
    var sum = 0
    for index in 0..<used { sum += counts[index] }
    return sum
  }

  /// The place of `page`, from 0 to `pageCount` - 1; nil outside all ranges.
  public func index(_ page: GuestPage) -> Int? {
    var base = 0
    for window in 0..<used {
      if page.rawValue >= first[window] {
        let offset = page.rawValue &- first[window]
        if offset < UInt64(counts[window]) { return base + Int(truncatingIfNeeded: offset) }
      }
      base += counts[window]
    }
    return nil
  }
}
