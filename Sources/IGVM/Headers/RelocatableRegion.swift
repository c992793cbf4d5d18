// RelocatableRegion: headers 0x102 and 0x103, regions and page tables that a loader may slide.
import Bits

/// RELOCATABLE_REGION, 48 bytes (reference §6).
///
/// Neither our builder nor QEMU uses it.
public struct RelocatableRegion: Equatable, Sendable {
  /// The platforms it is for.
  public var mask: PlatformMask
  /// The virtual processor whose registers move along.
  public var vpIndex: UInt16
  /// The trust level of that processor's context.
  public var vtl: UInt8
  /// Bit 0 VTL2, bit 1 move RIP, bit 2 move GDTR.
  public var flags: UInt8
  /// Bytes, a multiple of 4 KiB.
  public var alignment: UInt64
  /// Where the region lies in the file's view, bytes.
  public var gpa: UInt64
  /// Bytes, a multiple of 4 KiB.
  public var size: UInt64
  /// The lowest address it may move to.
  public var minimumGPA: UInt64
  /// The highest address that it may occupy.
  public var maximumGPA: UInt64

  /// A region with all its fields.
  public init(
    mask: PlatformMask, vpIndex: UInt16, vtl: UInt8, flags: UInt8, alignment: UInt64, gpa: UInt64,
    size: UInt64, minimumGPA: UInt64, maximumGPA: UInt64
  ) {
    self.mask = mask
    self.vpIndex = vpIndex
    self.vtl = vtl
    self.flags = flags
    self.alignment = alignment
    self.gpa = gpa
    self.size = size
    self.minimumGPA = minimumGPA
    self.maximumGPA = maximumGPA
  }

  init(_ reader: inout ByteReader, _ file: borrowing Span<UInt8>) throws(ByteError) {
    mask = .init(try reader.little(UInt32.self, file))
    vpIndex = try reader.little(UInt16.self, file)
    vtl = try reader.u8(file)
    flags = try reader.u8(file)
    alignment = try reader.little(UInt64.self, file)
    gpa = try reader.little(UInt64.self, file)
    size = try reader.little(UInt64.self, file)
    minimumGPA = try reader.little(UInt64.self, file)
    maximumGPA = try reader.little(UInt64.self, file)
  }

  func encode(_ out: inout WireEncoder) {
    out.append(mask.rawValue)
    out.append(vpIndex)
    out.append(vtl)
    out.append(flags)
    for word in [alignment, gpa, size, minimumGPA, maximumGPA] { out.append(word) }
  }
}

/// PAGE_TABLE_RELOCATION_REGION, 32 bytes (reference §6).
public struct PageTableRelocationRegion: Equatable, Sendable {
  /// The platforms it is for.
  public var mask: PlatformMask
  /// The virtual processor whose CR3 lies in the region.
  public var vpIndex: UInt16
  /// The trust level of that processor's context.
  public var vtl: UInt8
  /// Zero.
  public var reserved: UInt8
  /// Where the tables lie, bytes.
  public var gpa: UInt64
  /// Bytes, a multiple of 4 KiB.
  public var size: UInt64
  /// How many of them hold tables.
  public var usedSize: UInt64

  /// A region with all its fields.
  public init(mask: PlatformMask, vpIndex: UInt16, vtl: UInt8, gpa: UInt64, size: UInt64, usedSize: UInt64) {
    self.mask = mask
    self.vpIndex = vpIndex
    self.vtl = vtl
    reserved = 0
    self.gpa = gpa
    self.size = size
    self.usedSize = usedSize
  }

  init(_ reader: inout ByteReader, _ file: borrowing Span<UInt8>) throws(ByteError) {
    mask = .init(try reader.little(UInt32.self, file))
    vpIndex = try reader.little(UInt16.self, file)
    vtl = try reader.u8(file)
    reserved = try reader.u8(file)
    gpa = try reader.little(UInt64.self, file)
    size = try reader.little(UInt64.self, file)
    usedSize = try reader.little(UInt64.self, file)
  }

  func encode(_ out: inout WireEncoder) {
    out.append(mask.rawValue)
    out.append(vpIndex)
    out.append(vtl)
    out.append(reserved)
    for word in [gpa, size, usedSize] { out.append(word) }
  }
}
