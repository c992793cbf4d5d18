// GuestMemoryPlan: the guest's memory out of the host's map: sorted, merged, without the kernel's range, within bounds.
import Launch
public import Seams
import X86

/// Which addresses are the guest's memory.
///
/// The host's map is hostile input: entries may overlap, wrap, name the kernel's range or addresses beyond the
/// encryption bit. What is not memory by the map, or reserved by any entry, is not the guest's.
public struct GuestMemoryPlan: Sendable {
  /// The most regions that are kept.
  public static var capacity: Int { 16 }
  /// Entries of the host's map that are looked at.
  public static var longestMap: Int { 170 }
  private var regions = InlineArray<16, MemoryRegion?>(repeating: nil)
  /// Regions kept.
  public private(set) var count = 0
  /// Pages in all regions.
  public private(set) var pageCount: UInt64 = 0

  /// The memory in `map` below `limit` (a page number), without `range`, at most `pageLimit` pages.
  public init<Source: LaunchSource>(
    _ map: HostMemoryMap<Source>, without range: MemoryRegion, limit: UInt64, pageLimit: UInt64
  ) {
    var cursor: UInt64 = 0
    // Each round finds the next address that is memory, and how far it stays so: every boundary is one of the map's.
    var left = pageLimit
    while left > 0, count < Self.capacity, let run = Self.nextRun(map, range, from: cursor, limit: limit) {
      cursor = run.end
      let pages = min(run.end &- run.start, left)
      left &-= pages
      regions[count] = MemoryRegion(
        start: PhysicalAddress(run.start << 12), bytes: pages << 12, kind: .usable)
      count &+= 1
      pageCount &+= pages
    }
  }

  /// Region `index`, in ascending order and not overlapping.
  public subscript(_ index: Int) -> MemoryRegion? { index >= 0 && index < count ? regions[index] : nil }

  /// The regions as a map.
  public var map: MemoryMap {
    var map = MemoryMap()
    for index in 0..<count { map.add(self[index]) }
    return map
  }

  /// Whether all of `bytes` from `address` lie in one region.
  public func contains(_ address: UInt64, bytes: UInt64) -> Bool {
    for index in 0..<count {
      guard let region = self[index] else { continue }
      if address >= region.start.rawValue, address < region.end.rawValue {
        return bytes <= region.end.rawValue &- address
      }
    }
    return false
  }

  // The next run of memory at or after page `from`.
  private static func nextRun<Source: LaunchSource>(
    _ map: HostMemoryMap<Source>, _ range: MemoryRegion, from: UInt64, limit: UInt64
  ) -> (start: UInt64, end: UInt64)? {
    var start = from
    // Every step moves `start` to an entry's boundary, of which there are two per entry.
    for _ in 0...(2 &* longestMap &+ 2) {
      guard start < limit else { return nil }
      let here = look(map, range, at: start, limit: limit)
      if here.isMemory {
        var end = here.next
        for _ in 0...(2 &* longestMap &+ 2) where end < limit {
          let more = look(map, range, at: end, limit: limit)
          guard more.isMemory else { break }
          end = more.next
        }
        return (start, end)
      }
      start = here.next
    }
    return nil
  }

  // Whether page `page` is memory, and the next page at which that could change.
  private static func look<Source: LaunchSource>(
    _ map: HostMemoryMap<Source>, _ range: MemoryRegion, at page: UInt64, limit: UInt64
  ) -> (isMemory: Bool, next: UInt64) {
    var isMemory = false
    var isReserved = false
    var next = limit
    func consider(_ first: UInt64, _ end: UInt64) -> Bool {
      if page < first {
        next = min(next, first)
        return false
      }
      if page < end { next = min(next, end) }
      return page < end
    }
    for index in 0..<longestMap {
      guard let entry = map[index] else { break }
      // An entry that wraps reserves everything from its start on.
      let end = entry.endPage ?? .max
      if consider(entry.firstPage, end) {
        if entry.isMemory, entry.endPage != nil { isMemory = true } else { isReserved = true }
      }
    }
    if consider(range.start.rawValue >> 12, range.end.rawValue >> 12) { isReserved = true }
    return (isMemory && !isReserved, next)
  }
}
