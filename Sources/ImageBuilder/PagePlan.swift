// PagePlan: the pages of one board's image, collected from all that puts pages there.
import IGVM

/// The pages to import for one platform; each page has one owner.
struct PagePlan {
  /// A page and who put it there.
  struct Page {
    let gpa: UInt64
    let data: ArraySlice<UInt8>
    let flags: UInt32
    let type: PageDataType
    let owner: String
  }

  /// A range that is inserted from a parameter area, or that something else will fill.
  struct Reserved {
    let gpa: UInt64
    let byteCount: UInt64
    let owner: String
  }

  /// The first address that is not the guest's own: shared boundary, encryption bit or the platform's limit, bytes.
  let limit: UInt64
  private(set) var pages: [Page] = []
  private(set) var reserved: [Reserved] = []

  /// An empty plan for addresses below `limit`.
  init(limit: UInt64) { self.limit = limit }

  /// Places `byteCount` bytes at `gpa`: `data`, then zeros.
  ///
  /// A page of zeros carries no file data, unless `keepsZeros`: loaders may measure the two differently.
  mutating func place(
    _ data: ArraySlice<UInt8>, byteCount: UInt64, at gpa: UInt64, type: PageDataType = .normal,
    flags: UInt32 = 0, keepsZeros: Bool = false, owner: String
  ) throws(ImageError) {
    try check(gpa, byteCount, owner)
    var done: UInt64 = 0
    while done < byteCount {
      let start = min(data.startIndex + Int(done), data.endIndex)
      let slice = data[start..<min(start + 4096, data.endIndex)]
      let isZero = !keepsZeros && !slice.contains { $0 != 0 }
      pages.append(
        Page(gpa: gpa + done, data: isZero ? [] : slice, flags: flags, type: type, owner: owner))
      done += 4096
    }
  }

  /// Keeps a range free of pages.
  mutating func reserve(_ gpa: UInt64, _ byteCount: UInt64, owner: String) throws(ImageError) {
    try check(gpa, byteCount, owner)
    reserved.append(.init(gpa: gpa, byteCount: byteCount, owner: owner))
  }

  private func check(_ gpa: UInt64, _ byteCount: UInt64, _ owner: String) throws(ImageError) {
    let (end, overflow) = gpa.addingReportingOverflow(byteCount.roundedUpToPage)
    guard gpa % 4096 == 0 else {
      throw ImageError(.address, "\(owner) at \(hex(gpa)) does not start on a page", fix: "align it to 4096")
    }
    guard !overflow, end <= limit else {
      throw ImageError(
        .address, "\(owner) at \(hex(gpa)) lies beyond the platform's last private address \(hex(limit - 1))",
        fix: "place it below")
    }
  }

  /// The pages by address; throws if two owners meet in one page.
  func sorted() throws(ImageError) -> [Page] {
    var ranges = pages.map { (start: $0.gpa, end: $0.gpa + 4096, owner: $0.owner) }
    ranges += reserved.map { ($0.gpa, $0.gpa + $0.byteCount.roundedUpToPage, $0.owner) }
    ranges.sort { ($0.start, $0.end) < ($1.start, $1.end) }
    for (first, second) in zip(ranges, ranges.dropFirst()) where second.start < first.end {
      throw ImageError(
        .overlap, "\(first.owner) and \(second.owner) overlap at \(hex(second.start))",
        fix: "move one of them in the linker script, the layout or the options")
    }
    return pages.sorted { $0.gpa < $1.gpa }
  }
}
