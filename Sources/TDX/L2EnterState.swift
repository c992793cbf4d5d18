// L2EnterState: the guest state that TDG.VP.ENTER reads and rewrites.

import Bits

/// The 160-byte structure whose 256-byte aligned address TDG.VP.ENTER takes in RDX.
///
/// Source: TDX module 1.5.01 (reference tdx.md B.5).
public struct L2EnterState: Equatable, Sendable {
  /// Size in bytes.
  public static let byteCount = 0xA0
  /// Alignment that RDX must have, in bytes.
  public static let alignment: UInt64 = 256
  /// Offset of the first general register; they follow in encoding order, 8 bytes each.
  public static let registersOffset = 0x00
  /// Offset of RFLAGS.
  public static let rflagsOffset = 0x80
  /// Offset of RIP.
  public static let ripOffset = 0x88
  /// Offset of SSP.
  public static let sspOffset = 0x90
  /// Offset of the 2-byte guest interrupt status.
  public static let interruptStatusOffset = 0x98

  /// The general registers, RSP included.
  public var registers = GeneralRegisters()
  /// RFLAGS.
  public var rflags: UInt64 = 0
  /// RIP.
  public var rip: UInt64 = 0
  /// The shadow stack pointer.
  public var ssp: UInt64 = 0
  /// RVI in the low byte, SVI in the high byte.
  public var interruptStatus: UInt16 = 0

  /// All zero.
  public init() {}

  /// Reads the structure from the start of `bytes`; throws `outOfBounds` if it is too short.
  public init(_ bytes: borrowing Span<UInt8>) throws(ByteError) {
    var reader = ByteReader(limit: bytes.count)
    for number in 0..<16 { registers[number] = try reader.little(UInt64.self, bytes) }
    rflags = try reader.little(UInt64.self, bytes)
    rip = try reader.little(UInt64.self, bytes)
    ssp = try reader.little(UInt64.self, bytes)
    interruptStatus = try reader.little(UInt16.self, bytes)
  }

  /// Writes the structure, padding included; throws `outOfBounds` if `bytes` is too short.
  public func encode(into bytes: inout MutableSpan<UInt8>) throws(ByteError) {
    var writer = ByteWriter(limit: bytes.count)
    for number in 0..<16 { try writer.little(registers[number], &bytes) }
    try writer.little(rflags, &bytes)
    try writer.little(rip, &bytes)
    try writer.little(ssp, &bytes)
    try writer.little(interruptStatus, &bytes)
    try writer.zeros(6, &bytes)
  }
}
