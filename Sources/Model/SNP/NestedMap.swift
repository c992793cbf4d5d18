// NestedMap: the host's nested page table of one guest, which the host may change at any time.

import SNP

/// Where one guest page leads.
public struct NestedEntry: Equatable, Sendable {
  /// The system page behind the guest page.
  public var page: SystemPage
  /// Whether the host lets the guest write.
  public var isWritable: Bool
  /// The size with which the host maps: a 2 MiB mapping is present in all its 512 entries.
  public var pageSize: RMPPageSize

  /// An entry that leads to `page`.
  public init(page: SystemPage, isWritable: Bool = true, pageSize: RMPPageSize = .size4K) {
    self.page = page
    self.isWritable = isWritable
    self.pageSize = pageSize
  }
}

/// The nested page table of one guest as an array over its windows of pages, 8 bytes each.
///
/// It belongs to the host, so nothing in it is trusted: the RMP decides. Storage is fixed at `init`.
public struct NestedMap: ~Copyable {
  /// Bit 0 present, 1 writable, 2 mapped as 2 MiB, 63:12 system page.
  private var words: [UInt64]
  /// The guest pages that the table covers.
  public let windows: PageWindows

  /// An empty table for the guest pages of `windows`.
  public init(windows: PageWindows) {
    self.windows = windows
    words = [UInt64](repeating: 0, count: windows.pageCount)
  }

  /// How many guest pages the table covers.
  public var pageCount: Int { words.count }

  /// The mapping of `page`; nil if there is none.
  public subscript(page: GuestPage) -> NestedEntry? {
    get {
      guard let index = windows.index(page) else { return nil }
      let word = words[index]
      guard word & 1 != 0 else { return nil }
      return NestedEntry(
        page: SystemPage(rawValue: word >> 12), isWritable: word & 2 != 0,
        pageSize: word & 4 != 0 ? .size2M : .size4K)
    }
    set {
      guard let index = windows.index(page) else { return }
      guard let entry = newValue else {
        words[index] = 0
        return
      }
      words[index] =
        entry.page.rawValue << 12 | 1 | (entry.isWritable ? 2 : 0) | (entry.pageSize == .size2M ? 4 : 0)
    }
  }

  /// Maps 2 MiB at once; false (and nothing done) unless both ends are aligned and the guest's in range.
  public mutating func map2M(_ guest: GuestPage, to system: SystemPage, isWritable: Bool = true) -> Bool {
    guard guest.is2MAligned, system.is2MAligned, windows.index(guest) != nil else { return false }
    for offset in 0..<UInt64(512) {
      self[guest.advanced(by: offset)] = NestedEntry(
        page: system.advanced(by: offset), isWritable: isWritable, pageSize: .size2M)
    }
    return true
  }
}
