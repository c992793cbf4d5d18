// ParameterAreas: what the host writes into the parameter areas of an image.

import IGVM

/// The parameter areas of one platform of a file, filled.
public struct ParameterAreas: Sendable {
  /// One area.
  struct Area: Sendable {
    let index: UInt32
    var bytes: [UInt8]
  }

  private var areas: [Area] = []

  /// The most bytes that all areas of a file may have together.
  public static let maximumByteCount = 1 << 20

  /// Fills the areas that `file` inserts for the platform `mask`; the file is verified already.
  ///
  /// Rules: igvm.md §7: a value that does not fit its area is a load error. Types that this host has
  /// nothing to say about (SRAT, SLIT, PPTT) are refused, as QEMU does (§16).
  public init(
    _ file: borrowing Span<UInt8>, mask: PlatformMask, _ machine: GuestMachine
  ) throws(Refusal) {
    var total = 0
    do throws(Violation) {
      let wanted = try Self.inserted(file, mask)
      var reader = try HeaderReader(file)
      while let located = try reader.next(file) {
        switch located.header {
        case .parameterArea(let area) where wanted.contains(area.index):
          let count = Int(clamping: area.byteCount)
          total = total.addingReportingOverflow(count).partialValue
          guard count <= Self.maximumByteCount, total <= Self.maximumByteCount else {
            throw Violation(.areaTooLarge, at: UInt64(located.offset), area.byteCount)
          }
          var bytes = [UInt8](repeating: 0, count: count)
          if area.fileOffset != 0 {
            for index in 0..<count where Int(area.fileOffset) + index < file.count {
              bytes[index] = file[Int(area.fileOffset) + index]
            }
          }
          areas.append(Area(index: area.index, bytes: bytes))
        case .parameter(let parameter):
          guard let place = areas.firstIndex(where: { $0.index == parameter.areaIndex }) else { continue }
          guard let value = Self.value(parameter.kind, machine) else {
            throw Violation(.loaderHeaderType, at: UInt64(located.offset), UInt64(parameter.kind.rawValue))
          }
          let offset = Int(parameter.byteOffset)
          guard offset <= areas[place].bytes.count, value.count <= areas[place].bytes.count - offset else {
            throw Violation(.parameterBeyondArea, at: UInt64(located.offset), UInt64(value.count))
          }
          for index in value.indices { areas[place].bytes[offset + index] = value[index] }
        default: continue
        }
      }
    } catch {
      throw Refusal(error)
    }
  }

  private static func inserted(
    _ file: borrowing Span<UInt8>, _ mask: PlatformMask
  ) throws(Violation) -> [UInt32] {
    var list: [UInt32] = []
    var reader = try HeaderReader(file)
    while let located = try reader.next(file) {
      if case .parameterInsert(let insert) = located.header, insert.mask.intersects(mask) {
        list.append(insert.areaIndex)
      }
    }
    return list
  }

  /// What this host writes for a type; nil for one that it cannot.
  static func value(_ kind: HeaderType, _ machine: GuestMachine) -> [UInt8]? {
    var out = ByteList()
    switch kind {
    case .vpCountParameter:
      out.little(machine.lies.contains(.processorCount) ? 0xFFFF_FFF0 : UInt64(machine.apicIDs.count), 4)
    case .environmentInfo:
      out.little(
        (machine.isMemoryShared ? 1 : 0) | (machine.lies.contains(.environment) ? 0xFFFF_FFF0 : 0), 4)
    case .memoryMap: return HostTables.memoryMap(machine)
    case .madt: return HostTables.madt(machine)
    case .deviceTree: return HostTables.deviceTree(machine)
    case .commandLine: return machine.commandLine + [0]
    case .mmioRanges:
      // Two ranges: q35's below 4 GiB, and none above.
      for word in [UInt64(0xC_0000), 0x3_EC00, 0, 0] { out.little(word, 8) }
    default: return nil
    }
    return out.bytes
  }

  /// The 8-byte word at `offset` of page `page` of area `index`; 0 beyond it.
  public func word(area index: UInt32, page: UInt32, _ offset: Int) -> UInt64 {
    guard let area = areas.first(where: { $0.index == index }) else { return 0 }
    let first = Int(page) * 4096 + offset
    var value: UInt64 = 0
    for byte in 0..<8 where first + byte < area.bytes.count {
      value |= UInt64(area.bytes[first + byte]) << UInt64(8 * byte)
    }
    return value
  }
}
