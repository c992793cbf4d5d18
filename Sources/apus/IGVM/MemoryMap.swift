// MemoryMap: the guest memory that a file fills, drawn as ranges with gaps between.
import IGVM

/// Ranges of guest memory by address.
struct MemoryMap {
  /// A run of pages of one kind.
  struct Range {
    var start: UInt64
    var end: UInt64
    let kind: String
    let mask: PlatformMask

    var byteCount: UInt64 { end - start }
  }

  /// The ranges by address.
  let ranges: [Range]

  /// The map of what `headers` import; required memory is listed by `inspect` among the headers.
  init(_ headers: [LocatedHeader]) {
    var sizes: [UInt32: UInt64] = [:]
    var found: [Range] = []
    for located in headers {
      switch located.header {
      case .parameterArea(let area): sizes[area.index] = area.byteCount
      case .parameterInsert(let insert):
        let size = sizes[insert.areaIndex] ?? 0
        let (end, overflow) = insert.gpa.addingReportingOverflow(size)
        guard size > 0, !overflow else { continue }
        found.append(
          .init(start: insert.gpa, end: end, kind: "parameter area \(insert.areaIndex)", mask: insert.mask))
      case .pageData(let page):
        let (end, overflow) = page.gpa.addingReportingOverflow(PageData.pageSize)
        guard !overflow else { continue }
        found.append(.init(start: page.gpa, end: end, kind: page.kindName, mask: page.mask))
      case .vpContext(let context) where context.gpa != 0:
        let (end, overflow) = context.gpa.addingReportingOverflow(PageData.pageSize)
        guard !overflow else { continue }
        found.append(
          .init(start: context.gpa, end: end, kind: "VP context \(context.vpIndex)", mask: context.mask))
      default: continue
      }
    }
    found.sort { ($0.start, $0.mask.rawValue) < ($1.start, $1.mask.rawValue) }
    var merged: [Range] = []
    for range in found {
      if let last = merged.last, last.end == range.start, last.kind == range.kind, last.mask == range.mask {
        merged[merged.count - 1].end = range.end
      } else {
        merged.append(range)
      }
    }
    ranges = merged
  }

  /// The map as text: one line for each range, a bar as long as the logarithm of its pages, a dotted line for a gap.
  var text: String {
    var rows: [[String]] = []
    var previous: UInt64?
    for range in ranges {
      if let previous, range.start > previous {
        rows.append(["", "", "", Number.size(range.start - previous) + " free", "."])
      }
      previous = max(previous ?? 0, range.end)
      let pages = range.byteCount / PageData.pageSize
      let bar = String(repeating: "#", count: 1 + max(0, UInt64.bitWidth - 1 - pages.leadingZeroBitCount))
      rows.append([
        Number.hex(range.start, width: 12), Number.hex(range.end - 1, width: 12),
        Number.hex(UInt64(range.mask.rawValue)),
        Number.size(range.byteCount), bar + " " + range.kind,
      ])
    }
    return TextTable.render([["first", "last", "mask", "size", ""]] + rows, indent: "  ")
  }

  /// The map as JSON.
  var json: JSONValue {
    .array(
      ranges.map {
        .object([
          ("start", .string(Number.hex($0.start))), ("bytes", .number($0.byteCount)),
          ("mask", .string(Number.hex(UInt64($0.mask.rawValue)))), ("kind", .string($0.kind)),
        ])
      })
  }
}

extension PageData {
  /// What the page is, in a word or two.
  fileprivate var kindName: String {
    if isShared { return "shared" }
    switch type {
    case .secrets: return "secrets"
    case .cpuid, .cpuidXF: return "CPUID"
    default: return (fileOffset == 0 ? "zeros" : "data") + (isMeasured ? "" : ", unmeasured")
    }
  }
}
