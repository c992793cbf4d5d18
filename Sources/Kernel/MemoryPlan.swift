// MemoryPlan: where the frame table can lie, decided before there is a frame table.
import Seams
import X86

/// How much memory there is and where its table goes.
public struct MemoryPlan: Equatable, Sendable {
  /// Frames from 0 to the end of the highest usable region.
  public let frameCount: UInt64
  /// Where the frame table goes.
  public let metadata: PhysicalAddress

  /// Plans for `map`, keeping off `image` and off everything below 1 MiB and at or above `limit`.
  ///
  /// Throws `exhausted` if no usable region holds the table.
  public init(map: MemoryMap, image: MemoryRegion, limit: PhysicalAddress) throws(MemoryError) {
    var top: UInt64 = 0
    for index in 0..<map.count {
      guard let region = map[index], region.kind == .usable else { continue }
      top = max(top, min(region.end.rawValue, KernelLayout.directMapBytes))
    }
    frameCount = top / Frame.bytes
    let bytes = FrameTable<NoMemory>.metadataBytes(frameCount: frameCount)
    for index in 0..<map.count {
      guard let region = map[index], region.kind == .usable else { continue }
      if let place = Self.place(bytes, in: region, map: map, image: image, limit: limit) {
        metadata = place
        return
      }
    }
    throw .exhausted
  }

  // The lowest place in `region`: each obstacle moves the candidate up, at most once per obstacle.
  private static func place(
    _ bytes: UInt64, in region: MemoryRegion, map: MemoryMap, image: MemoryRegion, limit: PhysicalAddress
  ) -> PhysicalAddress? {
    var start = roundUp(max(region.start.rawValue, 0x10_0000))
    var moved = true
    for _ in 0...map.count where moved {
      moved = false
      if start < image.end.rawValue, image.start.rawValue < start &+ bytes {
        start = roundUp(image.end.rawValue)
        moved = true
      }
      for index in 0..<map.count {
        guard let other = map[index], other.kind == .reserved else { continue }
        if start < other.end.rawValue, other.start.rawValue < start &+ bytes {
          start = roundUp(other.end.rawValue)
          moved = true
        }
      }
    }
    let (end, overflow) = start.addingReportingOverflow(bytes)
    guard !moved, !overflow, end <= region.end.rawValue, end <= limit.rawValue else { return nil }
    return PhysicalAddress(start)
  }

  private static func roundUp(_ address: UInt64) -> UInt64 {
    let (sum, overflow) = address.addingReportingOverflow(Frame.bytes &- 1)
    return overflow ? ~(Frame.bytes &- 1) : sum & ~(Frame.bytes &- 1)
  }
}

/// No memory at all: for the arithmetic of a generic table.
struct NoMemory: PhysicalMemory, Sendable {
  var limit: PhysicalAddress { PhysicalAddress(0) }
  func load<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ type: Value.Type, at address: PhysicalAddress
  )
    -> Value
  {
    .max
  }
  func store<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ value: Value, at address: PhysicalAddress
  ) {}
  func zero(_ address: PhysicalAddress, count: UInt64) {}
}
