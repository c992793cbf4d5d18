// RequiredMemory: headers 0x305 and 0x30D, ranges that the host must provide.
import Bits

/// REQUIRED_MEMORY, 24 bytes: a hint that memory must exist; the guest may not trust it (reference §7).
public struct RequiredMemory: Equatable, Sendable {
  /// The guest-physical address, bytes.
  public var gpa: UInt64
  /// The platforms it is for.
  public var mask: PlatformMask
  /// Bytes, a multiple of 4096.
  public var byteCount: UInt32
  /// Bit 0: the range can be protected for VTL2.
  public var flags: UInt32
  /// Zero.
  public var reserved: UInt32

  /// A range with all its fields.
  public init(gpa: UInt64, mask: PlatformMask, byteCount: UInt32, flags: UInt32 = 0) {
    self.gpa = gpa
    self.mask = mask
    self.byteCount = byteCount
    self.flags = flags
    reserved = 0
  }

  init(_ reader: inout ByteReader, _ file: borrowing Span<UInt8>) throws(ByteError) {
    gpa = try reader.little(UInt64.self, file)
    mask = .init(try reader.little(UInt32.self, file))
    byteCount = try reader.little(UInt32.self, file)
    flags = try reader.little(UInt32.self, file)
    reserved = try reader.little(UInt32.self, file)
  }

  func encode(_ out: inout WireEncoder) {
    out.append(gpa)
    for word in [mask.rawValue, byteCount, flags, reserved] { out.append(word) }
  }
}

/// ERROR_RANGE, 16 bytes: pages shared with the host for the life of the guest (reference §7).
public struct ErrorRange: Equatable, Sendable {
  /// The guest-physical address, bytes.
  public var gpa: UInt64
  /// The platforms it is for.
  public var mask: PlatformMask
  /// Bytes.
  public var byteCount: UInt32

  /// A range with all its fields.
  public init(gpa: UInt64, mask: PlatformMask, byteCount: UInt32) {
    self.gpa = gpa
    self.mask = mask
    self.byteCount = byteCount
  }

  init(_ reader: inout ByteReader, _ file: borrowing Span<UInt8>) throws(ByteError) {
    gpa = try reader.little(UInt64.self, file)
    mask = .init(try reader.little(UInt32.self, file))
    byteCount = try reader.little(UInt32.self, file)
  }

  func encode(_ out: inout WireEncoder) {
    out.append(gpa)
    out.append(mask.rawValue)
    out.append(byteCount)
  }
}
