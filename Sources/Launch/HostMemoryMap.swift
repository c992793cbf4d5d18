// HostMemoryMap: the memory map that the host writes into its parameter area, as it says and unchecked.

/// One entry of the IGVM MEMORY_MAP parameter, 24 bytes: first page u64, pages u64, type u16, flags u16, reserved u32.
///
/// Source: IGVM specification (reference igvm.md, 0x30C).
public struct HostMemoryEntry: Equatable, Sendable {
  /// Size in bytes.
  public static let byteCount = 24
  /// The first guest page.
  public let firstPage: UInt64
  /// How many pages; 0 ends the map.
  public let pageCount: UInt64
  /// 0 memory, 1 reserved by the platform, 2 persistent, 3 VTL2 protectable, 4 specific purpose, 5 hidden.
  public let type: UInt16

  /// An entry.
  public init(firstPage: UInt64, pageCount: UInt64, type: UInt16) {
    self.firstPage = firstPage
    self.pageCount = pageCount
    self.type = type
  }

  /// Whether it is ordinary memory.
  public var isMemory: Bool { type == 0 }
  /// The first page after the entry; nil if it runs past 2^52 pages' worth of addresses or is empty.
  public var endPage: UInt64? {
    let (end, overflow) = firstPage.addingReportingOverflow(pageCount)
    return overflow || pageCount == 0 || end > 1 << 40 ? nil : end
  }
}

/// The map in an area of `byteCount` bytes whose words `source` gives: hostile input, each word read once per call.
public struct HostMemoryMap<Source: LaunchSource> {
  private let source: Source
  private let capacity: Int

  /// The map in the first `byteCount` bytes of `source`.
  public init(_ source: Source, byteCount: UInt64) {
    self.source = source
    capacity = Int(truncatingIfNeeded: min(byteCount, 1 << 16)) / HostMemoryEntry.byteCount
  }

  /// Entry `index`; nil at the end of the map or of the area.
  public subscript(_ index: Int) -> HostMemoryEntry? {
    guard index >= 0, index < capacity else { return nil }
    let offset = HostMemoryEntry.byteCount * index
    let pageCount = source.word(at: offset + 8)
    guard pageCount != 0 else { return nil }
    return HostMemoryEntry(
      firstPage: source.word(at: offset), pageCount: pageCount,
      type: UInt16(truncatingIfNeeded: source.word(at: offset + 16)))
  }
}
