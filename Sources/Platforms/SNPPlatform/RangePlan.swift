// RangePlan: what of the kernel's range the loader filled, what is shared with the host, and what is to be claimed.
import Launch
public import Seams
public import X86

/// Why a range can't be used.
public enum RangeError: Error, Equatable, Sendable {
  /// The range is not one of whole pages below 4 GiB, or an area sticks out of it.
  case malformed
  /// No room is left for the shared pages of one CPU.
  case tooSmall
}

/// The pages shared with the host: two per CPU, GHCB and doorbell.
public struct SharedPages: Equatable, Sendable {
  /// The pages.
  public let region: MemoryRegion
  /// CPUs that have pages.
  public var processorLimit: Int { Int(truncatingIfNeeded: region.bytes / (2 &* Frame.bytes)) }

  /// The pages in `region`, an even number.
  public init(_ region: MemoryRegion) { self.region = region }

  /// The GHCB page of `cpu`; nil for a CPU without pages.
  public func ghcb(of cpu: CPUIndex) -> PhysicalAddress? {
    guard cpu.rawValue < UInt32(truncatingIfNeeded: processorLimit) else { return nil }
    return region.start.advanced(by: UInt64(cpu.rawValue) &* 2 &* Frame.bytes)
  }

  /// The doorbell page of `cpu`; nil for a CPU without pages.
  public func doorbell(of cpu: CPUIndex) -> PhysicalAddress? {
    ghcb(of: cpu).map { $0.advanced(by: Frame.bytes) }
  }
}

/// The kernel's range, from the measured launch information.
///
/// The shared pages lie behind the last thing that the loader put
/// into the range, are never validated, and never hold anything of the kernel's.
public struct RangePlan: Sendable {
  /// The most pieces that are claimed: one more than there are areas.
  public static var capacity: Int { 32 }
  /// The most CPUs that get shared pages; how many of them the kernel starts is `ProcessorList`'s matter.
  public static var processorCapacity: Int { 512 }
  /// The whole range.
  public let range: MemoryRegion
  /// The pages shared with the host.
  public let shared: SharedPages
  private var filled = InlineArray<32, MemoryRegion?>(repeating: nil)
  /// Areas that the loader filled, in ascending order and not overlapping.
  public private(set) var filledCount = 0

  /// The plan of the range in `page` for at most `processors` CPUs.
  public init<Source: LaunchSource>(
    _ page: LaunchPage<Source>, processors: Int
  ) throws(RangeError) {
    let start = page.rangeStart
    let bytes = page.rangeByteCount
    guard start % Frame.bytes == 0, bytes % Frame.bytes == 0, start < 1 << 32, bytes <= 1 << 32,
      start &+ bytes <= 1 << 32,
      let range = MemoryRegion(start: PhysicalAddress(start), bytes: bytes, kind: .usable)
    else { throw .malformed }
    self.range = range
    var areas = InlineArray<32, MemoryRegion?>(repeating: nil)
    var count = 0
    for index in 0..<page.areaCount {
      guard let area = page[index], area.gpa < range.end.rawValue,
        area.gpa.addingReportingOverflow(area.byteCount).partialValue > start
      else { continue }
      guard area.gpa >= start, area.gpa % Frame.bytes == 0, area.byteCount > 0,
        area.byteCount <= range.end.rawValue &- area.gpa, count < Self.capacity
      else { throw .malformed }
      let whole = (area.byteCount &+ (Frame.bytes &- 1)) & ~(Frame.bytes &- 1)
      guard
        let region = MemoryRegion(
          start: PhysicalAddress(area.gpa), bytes: whole, kind: .reserved)
      else { throw .malformed }
      // Insertion by address; the builder lets no two areas overlap.
      var place = count
      while place > 0, let before = areas[place &- 1], before.start > region.start {
        areas[place] = before
        place &-= 1
      }
      areas[place] = region
      count &+= 1
    }
    var end = start
    for index in 0..<count {
      guard let area = areas[index], area.start.rawValue >= end else { throw .malformed }
      end = area.end.rawValue
    }
    let room = (range.end.rawValue &- end) / (2 &* Frame.bytes)
    let limit = min(UInt64(max(1, min(processors, Self.processorCapacity))), room)
    guard limit > 0,
      let shared = MemoryRegion(
        start: PhysicalAddress(end), bytes: limit &* 2 &* Frame.bytes, kind: .reserved)
    else { throw .tooSmall }
    self.shared = SharedPages(shared)
    filled = areas
    filledCount = count
  }

  /// Area `index` that the loader filled.
  public subscript(_ index: Int) -> MemoryRegion? {
    index >= 0 && index < filledCount ? filled[index] : nil
  }

  /// Piece `index` of what is to be claimed, in ascending order; nil beyond the last one.
  public func gap(_ index: Int) -> MemoryRegion? {
    var seen = 0
    var start = range.start
    for place in 0...filledCount {
      // The shared pages follow the last area.
      let end = place < filledCount ? self[place]?.start ?? range.end : shared.region.start
      if end > start {
        if seen == index {
          return MemoryRegion(start: start, bytes: end.rawValue &- start.rawValue, kind: .usable)
        }
        seen &+= 1
      }
      start = place < filledCount ? self[place]?.end ?? range.end : shared.region.end
    }
    guard seen == index, range.end > start else { return nil }
    return MemoryRegion(start: start, bytes: range.end.rawValue &- start.rawValue, kind: .usable)
  }
}
