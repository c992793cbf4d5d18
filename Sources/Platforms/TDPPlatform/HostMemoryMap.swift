// HostMemoryMap: the memory map that an IGVM loader leaves, which is the host's word.
public import Seams
public import X86

/// Decodes IGVM_VHS_MEMORY_MAP_ENTRY records (reference igvm.md): {page u64, pages u64, type u16, flags u16, reserved u32},
/// ended by one of no pages.
public enum HostMemoryMap {
  /// Bytes in a record.
  static var entryBytes: UInt64 { 24 }

  /// Why a map is of no use.
  public enum Failure: Error, Equatable, Sendable {
    /// A region wraps or reaches the shared half.
    case range
    /// Two regions overlap.
    case overlap
    /// More regions than are kept, or no end within the area.
    case tooLong
  }

  /// The regions in the `byteCount` bytes at `address`, each below `limit`; type 0 is usable, all else reserved.
  public static func decode(
    at address: PhysicalAddress, byteCount: UInt64, limit: UInt64, _ memory: some PhysicalMemory
  ) throws(Failure) -> MemoryMap {
    var map = MemoryMap()
    for index in 0..<byteCount / entryBytes {
      let entry = address.advanced(by: index &* entryBytes)
      let page = memory.load(UInt64.self, at: entry)
      let count = memory.load(UInt64.self, at: entry.advanced(by: 8))
      let type = memory.load(UInt16.self, at: entry.advanced(by: 16))
      if count == 0 { return map }
      let pages = limit / Frame.bytes
      guard page < pages, count <= pages &- page else { throw .range }
      guard map.count < MemoryMap.capacity else { throw .tooLong }
      let region = MemoryRegion(
        start: PhysicalAddress(page &* Frame.bytes), bytes: count &* Frame.bytes,
        kind: type == 0 ? .usable : .reserved)
      for other in 0..<map.count {
        guard let region, let before = map[other] else { continue }
        if region.start < before.end, before.start < region.end { throw .overlap }
      }
      map.add(region)
    }
    throw .tooLong
  }
}
