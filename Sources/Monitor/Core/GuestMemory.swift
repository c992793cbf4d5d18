// GuestMemory: which system page stands behind a guest page.

public import Model

/// The guest's memory: one range from guest page 0, and a few single pages far above it.
///
/// Private and shared alias of a guest page have the same system page behind them; the model's states and the wiping at
/// each conversion keep the two apart.
public struct GuestMemory: Sendable {
  /// How many pages there are from guest page 0 on.
  public let pageCount: Int
  private let base: SystemPage
  // An array, not in place: this value is copied for every walk of a guest's tables.
  private var extra: [(guest: GuestPage, system: SystemPage)] = []

  /// `pageCount` pages from guest page 0 on, which lie from `base` on.
  public init(base: SystemPage, pageCount: Int) {
    self.base = base
    self.pageCount = max(0, pageCount)
  }

  /// The system page behind `page`; nil where the guest has no memory.
  public subscript(page: GuestPage) -> SystemPage? {
    if page.rawValue < UInt64(pageCount) { return base.advanced(by: page.rawValue) }
    for index in extra.indices where extra[index].guest == page { return extra[index].system }
    return nil
  }

  /// Whether `page` is in the range from 0 on.
  public func isOrdinary(_ page: GuestPage) -> Bool { page.rawValue < UInt64(pageCount) }

  /// Puts `system` behind a page outside the range; false if it has one, or eight are in use.
  public mutating func add(_ page: GuestPage, _ system: SystemPage) -> Bool {
    guard self[page] == nil, extra.count < 8 else { return false }
    extra.append((page, system))
    return true
  }
}

/// A guest's memory as words, for walks and decoders.
public struct GuestWords<Memory: PageMemory>: GuestView {
  private let layout: GuestMemory
  private var memory: Memory

  /// The guest with this layout.
  public init(_ layout: GuestMemory, _ memory: Memory) {
    self.layout = layout
    self.memory = memory
  }

  /// The word at `address`.
  public func word(_ address: UInt64) -> UInt64? {
    layout[GuestPage(containing: address)].map { memory.load($0, Int(address & 0xFF8)) }
  }

  /// Stores a word.
  public mutating func setWord(_ address: UInt64, _ value: UInt64) -> Bool {
    guard let page = layout[GuestPage(containing: address)] else { return false }
    memory.store(page, Int(address & 0xFF8), value)
    return true
  }
}
