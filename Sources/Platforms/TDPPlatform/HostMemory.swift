// HostMemory: the memory map that an IGVM loader leaves, which is the host's word, checked as a whole.
import Launch
public import Seams
public import X86

/// Memory as a source of words for `Launch`.
struct MemorySource<Memory: PhysicalMemory>: LaunchSource {
  let memory: Memory
  let base: PhysicalAddress

  func word(at offset: Int) -> UInt64 {
    memory.load(UInt64.self, at: base.advanced(by: UInt64(truncatingIfNeeded: offset)))
  }
}

/// Checks the host's memory map before a region of it is used.
public enum HostMemory {
  /// Why a map is of no use.
  public enum Failure: Error, Equatable, Sendable {
    /// A region wraps or reaches the shared half.
    case range
    /// Two regions overlap.
    case overlap
    /// More regions than are kept, or no end within the area.
    case tooLong
  }

  /// The regions in the `byteCount` bytes at `address`, each below `limit`; ordinary memory is usable, all else reserved.
  public static func decode(
    at address: PhysicalAddress, byteCount: UInt64, limit: UInt64, _ memory: some PhysicalMemory
  ) throws(Failure) -> MemoryMap {
    var map = MemoryMap()
    let source = HostMemoryMap(MemorySource(memory: memory, base: address), byteCount: byteCount)
    let capacity = min(byteCount, 1 << 16) / UInt64(HostMemoryEntry.byteCount)
    for index in 0..<Int(truncatingIfNeeded: capacity) {
      guard let entry = source[index] else { return map }
      guard let end = entry.endPage, end <= limit / Frame.bytes else { throw .range }
      guard map.count < MemoryMap.capacity else { throw .tooLong }
      let region = MemoryRegion(
        start: PhysicalAddress(entry.firstPage &* Frame.bytes), bytes: entry.pageCount &* Frame.bytes,
        kind: entry.isMemory ? .usable : .reserved)
      for other in 0..<map.count {
        guard let region, let before = map[other] else { continue }
        if region.start < before.end, before.start < region.end { throw .overlap }
      }
      map.add(region)
    }
    throw .tooLong
  }
}
