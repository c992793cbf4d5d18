// PageOwnership: which system pages belong to a TD, so that none backs two guest pages.

/// One bit per system page, as the module's physical-address metadata tables keep it.
///
/// Rule: a page is given to a TD only if it is free (TDX module, PAMT; tdx.md H "private and shared
/// backing must be separate").
public struct PageOwnership: ~Copyable {
  private var words: [UInt64]
  private let pageCount: Int

  /// All `pageCount` pages free.
  public init(pageCount: Int) {
    self.pageCount = max(0, pageCount)
    words = [UInt64](repeating: 0, count: self.pageCount / 64 + 1)
  }

  /// Whether `page` is free; false outside system memory.
  public func isFree(_ page: SystemPage) -> Bool {
    guard let index = Int(exactly: page.rawValue), index < pageCount else { return false }
    return words[index / 64] >> UInt64(index % 64) & 1 == 0
  }

  /// Whether the host may write to `page`: it belongs to no TD.
  public func mayHostWrite(_ page: SystemPage) -> Bool { isFree(page) }

  /// Takes `count` pages from `page` if all are free; otherwise takes none and answers false.
  mutating func take(_ page: SystemPage, count: UInt64) -> Bool {
    for offset in 0..<count where !isFree(page.advanced(by: offset)) { return false }
    for offset in 0..<count { set(page.advanced(by: offset), true) }
    return true
  }

  /// Frees `count` pages from `page`.
  mutating func free(_ page: SystemPage, count: UInt64) {
    for offset in 0..<count { set(page.advanced(by: offset), false) }
  }

  private mutating func set(_ page: SystemPage, _ isTaken: Bool) {
    guard let index = Int(exactly: page.rawValue), index < pageCount else { return }
    let bit = UInt64(1) << UInt64(index % 64)
    if isTaken { words[index / 64] |= bit } else { words[index / 64] &= ~bit }
  }
}
