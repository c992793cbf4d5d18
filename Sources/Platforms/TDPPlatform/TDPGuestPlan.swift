// TDPGuestPlan: the guest that the image carries: its memory, its image, and L1's pages for its vCPUs.
import Launch
public import Seams
import X86

/// Where the guest is, as far as the measured launch page and the host's memory map say.
public struct TDPGuestPlan: Sendable {
  /// Regions that are kept.
  public static var capacity: Int { 16 }
  /// The guest's memory, without the kernel's range: usable regions in the host's order that do not meet.
  public private(set) var memory = MemoryMap()
  /// The flat image at 2 MiB, whole pages.
  public let image: MemoryRegion
  /// The kernel's own pages for vCPUs, two for each: saved state and virtual-APIC page.
  public let own: MemoryRegion
  /// The kernel's whole range.
  public let range: MemoryRegion
  /// vCPUs that `own` has room for.
  public let processorCount: Int

  /// Where flat images lie (boards/guest/README.md).
  static var imageAddress: UInt64 { 0x20_0000 }

  /// The plan; nil without a guest image, or without host memory around it.
  init?<Memory: PhysicalMemory>(_ launch: TDPLaunch<Memory>, sharedMask: UInt64) {
    guard let area = launch.guestImage, area.gpa == Self.imageAddress,
      let image = MemoryRegion(
        start: PhysicalAddress(area.gpa), bytes: (area.byteCount &+ 0xFFF) & ~0xFFF, kind: .usable),
      let own = launch.vcpuPages, let map = launch.hostMap(limit: sharedMask)
    else { return nil }
    self.image = image
    self.own = own
    range = launch.range
    processorCount = Int(truncatingIfNeeded: own.bytes / (2 &* Frame.bytes))
    // The range that page states and tables were sized for is the image's word, not the host's.
    var left = launch.guestByteCount
    for index in 0..<map.count {
      guard let region = map[index], region.kind == .usable else { continue }
      add(from: region.start.rawValue, to: min(region.end.rawValue, range.start.rawValue), &left)
      add(from: max(region.start.rawValue, range.end.rawValue), to: region.end.rawValue, &left)
    }
    guard contains(image.start.rawValue, bytes: image.bytes) else { return nil }
  }

  private mutating func add(from start: UInt64, to end: UInt64, _ left: inout UInt64) {
    // The reset page, if the host calls it memory, is the kernel's.
    let stop = start < 0xFFFF_F000 ? min(end, 0xFFFF_F000) : end
    guard start < stop, start != 0xFFFF_F000, left > 0, memory.count < Self.capacity else { return }
    let bytes = min(stop &- start, left)
    left &-= bytes
    memory.add(MemoryRegion(start: PhysicalAddress(start), bytes: bytes, kind: .usable))
  }

  /// Whether all of `bytes` from `address` are the guest's memory.
  public func contains(_ address: UInt64, bytes: UInt64) -> Bool {
    for index in 0..<memory.count {
      guard let region = memory[index] else { continue }
      if address >= region.start.rawValue, address < region.end.rawValue {
        return bytes <= region.end.rawValue &- address
      }
    }
    return false
  }

  /// The end of the guest's memory below 4 GiB.
  public var endBelow4G: UInt64 {
    var end: UInt64 = 0
    for index in 0..<memory.count {
      if let region = memory[index], region.start.rawValue < 1 << 32 {
        end = max(end, min(region.end.rawValue, 1 << 32))
      }
    }
    return end
  }
}
