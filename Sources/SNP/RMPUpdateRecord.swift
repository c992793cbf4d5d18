// RMPUpdateRecord: the 16 bytes that the host hands to RMPUPDATE.

import Bits

/// The new contents of an RMP entry, as RMPUPDATE reads them through RCX.
///
/// Source: APM volume 3, RMPUPDATE; offsets from Linux `struct rmp_state` (reference B.1.2).
public struct RMPUpdateRecord: Equatable, Sendable {
  /// Size of the record in bytes.
  public static let byteCount = 16
  /// Offset of the 8-byte guest-physical address.
  public static let guestAddressOffset = 0
  /// Offset of the assigned byte.
  public static let assignedOffset = 8
  /// Offset of the page-size byte.
  public static let pageSizeOffset = 9
  /// Offset of the immutable byte.
  public static let immutableOffset = 10
  /// Offset of the 4-byte ASID.
  public static let asidOffset = 12

  /// The guest-physical address in bytes that the page is to have.
  public var guestAddress: UInt64
  /// Whether the page belongs to a guest or to the firmware.
  public var assigned: Bool
  /// The size that the entry covers.
  public var pageSize: RMPPageSize
  /// Whether RMPUPDATE is refused from now on.
  public var immutable: Bool
  /// The guest's ASID; 0 means firmware (assigned) or hypervisor (not assigned).
  public var asid: UInt32

  /// A record with these fields.
  public init(
    guestAddress: UInt64, assigned: Bool, pageSize: RMPPageSize, immutable: Bool, asid: UInt32
  ) {
    self.guestAddress = guestAddress
    self.assigned = assigned
    self.pageSize = pageSize
    self.immutable = immutable
    self.asid = asid
  }

  /// The record that gives a page back to the hypervisor.
  public static func hypervisorOwned(_ pageSize: RMPPageSize = .size4K) -> RMPUpdateRecord {
    RMPUpdateRecord(
      guestAddress: 0, assigned: false, pageSize: pageSize, immutable: false, asid: 0)
  }

  /// Reads a record from its first byte; throws `outOfBounds` if 16 bytes are not there.
  public init(_ bytes: borrowing Span<UInt8>) throws(ByteError) {
    var reader = ByteReader(limit: bytes.count)
    guestAddress = try reader.little(UInt64.self, bytes)
    assigned = try reader.u8(bytes) != 0
    pageSize = RMPPageSize(rawValue: UInt64(try reader.u8(bytes)))
    immutable = try reader.u8(bytes) != 0
    try reader.skip(1)
    asid = try reader.little(UInt32.self, bytes)
  }

  /// Writes the record; throws `outOfBounds` if the buffer is shorter than 16 bytes.
  public func encode(into bytes: inout MutableSpan<UInt8>) throws(ByteError) {
    var writer = ByteWriter(limit: bytes.count)
    try writer.little(guestAddress, &bytes)
    try writer.u8(assigned ? 1 : 0, &bytes)
    try writer.u8(UInt8(truncatingIfNeeded: pageSize.rawValue), &bytes)
    try writer.u8(immutable ? 1 : 0, &bytes)
    try writer.u8(0, &bytes)
    try writer.little(asid, &bytes)
  }
}
