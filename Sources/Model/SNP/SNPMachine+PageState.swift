// SNPMachine+PageState: page-state changes by list.

import SNP

extension SNPMachine {
  /// NAE event page-state change.
  ///
  /// Rule: reference B.5.2, D.124: `end` of 253 or more, or reserved bits, is an invalid header; a current
  /// page beyond the entry, a misaligned 2 MiB entry, an unknown operation or reserved bits an invalid
  /// entry. The host advances `current` entry by entry; at most 253 entries of 512 pages.
  mutating func pageStateChange<Memory: PageMemory & ~Copyable>(
    _ ghcb: GHCBView, _ bytes: inout Memory
  ) -> NAEAction {
    guard let guestPage = guestPage(of: ghcb.page),
      let offset = ghcb.scratch(8, guestPage: guestPage, bytes)
    else {
      ghcb.finish(info1: GHCBResult.error, info2: GHCBResult.invalidScratch, &bytes)
      return .answered
    }
    var header = PageStateHeader(rawValue: bytes.load(ghcb.page, offset))
    guard header.reserved == 0, Int(header.end) < PageStateHeader.maximumCount, offset & 7 == 0,
      ghcb.scratch(8 + 8 * (Int(header.end) + 1), guestPage: guestPage, bytes) != nil
    else {
      ghcb.succeed(info2: PageStateHeader.invalidHeader, &bytes)
      return .answered
    }
    while header.current <= header.end {
      let place = offset + 8 + 8 * Int(header.current)
      var entry = PageStateEntry(rawValue: bytes.load(ghcb.page, place))
      let pageCount: UInt16 = entry.is2M ? 512 : 1
      let page = GuestPage(rawValue: entry.page)
      guard entry.reserved == 0, entry.currentPage <= pageCount, !entry.is2M || page.is2MAligned,
        (1...4).contains(entry.operation.rawValue)
      else {
        ghcb.succeed(info2: PageStateHeader.invalidEntry, &bytes)
        return .answered
      }
      guard entry.currentPage == pageCount || change(entry) else {
        ghcb.succeed(info2: PageStateHeader.genericError, &bytes)
        return .answered
      }
      entry.currentPage = pageCount
      bytes.store(ghcb.page, place, entry.rawValue)
      header.current &+= 1
      bytes.store(ghcb.page, offset, header.rawValue)
    }
    ghcb.succeed(info2: 0, &bytes)
    return .answered
  }

  /// One entry: as 2 MiB where that works, else page by page.
  private mutating func change(_ entry: PageStateEntry) -> Bool {
    let page = GuestPage(rawValue: entry.page)
    guard entry.is2M else { return changePageState(page, entry.operation, is2M: false) }
    if entry.currentPage == 0, changePageState(page, entry.operation, is2M: true) { return true }
    for offset in UInt64(entry.currentPage)..<512 {
      guard changePageState(page.advanced(by: offset), entry.operation, is2M: false) else {
        return false
      }
    }
    return true
  }

  /// The guest page of the GHCB in system page `page`, among those that are registered.
  func guestPage(of page: SystemPage) -> GuestPage? {
    for vcpu in vcpus {
      for level in 0..<4 {
        if let guest = vcpu.ghcbs[level], memory.nested[guest]?.page == page { return guest }
      }
    }
    return nil
  }
}
