// GuestMessage: the header of the messages between a guest and the firmware.

import Bits

/// The 96-byte header of a guest message; the encrypted payload follows it.
///
/// Source: AMD 56860 (reference snp-svsm.md B.11). The additional data of AES-256-GCM are bytes 0x30
/// to 0x5F, the IV is the sequence number and four zero bytes.
public struct GuestMessageHeader: Equatable, Sendable {
  /// Size in bytes.
  public static let byteCount = 0x60
  /// Offset of the 32-byte tag field, of which 16 are used.
  public static let tagOffset = 0x00
  /// Offset of the sequence number.
  public static let sequenceOffset = 0x20
  /// Offset of the first byte of the additional data.
  public static let additionalDataOffset = 0x30
  /// The only algorithm: AES-256-GCM.
  public static let algorithmAES256GCM: UInt8 = 1

  /// The sequence number, not 0.
  public var sequence: UInt64
  /// The algorithm.
  public var algorithm: UInt8
  /// The version of the header.
  public var headerVersion: UInt8
  /// The size of the header in bytes.
  public var headerByteCount: UInt16
  /// The type of the message.
  public var kind: GuestMessageKind
  /// The version of the message.
  public var messageVersion: UInt8
  /// The size of the payload in bytes.
  public var payloadByteCount: UInt16
  /// The number of the VMPCK, 0 to 3.
  public var vmpck: UInt8
  /// Whether every reserved byte of the header is 0.
  public var hasCleanReserved: Bool

  /// A header for a payload.
  public init(
    sequence: UInt64, kind: GuestMessageKind, payloadByteCount: UInt16, vmpck: UInt8,
    messageVersion: UInt8 = 1
  ) {
    self.sequence = sequence
    algorithm = Self.algorithmAES256GCM
    headerVersion = 1
    headerByteCount = UInt16(Self.byteCount)
    self.kind = kind
    self.messageVersion = messageVersion
    self.payloadByteCount = payloadByteCount
    self.vmpck = vmpck
    hasCleanReserved = true
  }

  /// Reads a header; throws `outOfBounds` if 96 bytes are not there.
  public init(_ bytes: borrowing Span<UInt8>) throws(ByteError) {
    guard bytes.count >= Self.byteCount else { throw .outOfBounds }
    var reader = ByteReader(from: Self.sequenceOffset, limit: bytes.count)
    sequence = try reader.little(UInt64.self, bytes)
    let first = try reader.little(UInt64.self, bytes)
    algorithm = try reader.u8(bytes)
    headerVersion = try reader.u8(bytes)
    headerByteCount = try reader.little(UInt16.self, bytes)
    kind = GuestMessageKind(rawValue: try reader.u8(bytes))
    messageVersion = try reader.u8(bytes)
    payloadByteCount = try reader.little(UInt16.self, bytes)
    let second = try reader.little(UInt32.self, bytes)
    vmpck = try reader.u8(bytes)
    var rest: UInt8 = 0
    for _ in 0..<35 { rest |= try reader.u8(bytes) }
    for index in 16..<32 { rest |= bytes[index] }
    hasCleanReserved = first == 0 && second == 0 && rest == 0
  }

  /// Writes the header with a zero tag; throws `outOfBounds` if the buffer is too short.
  public func encode(into bytes: inout MutableSpan<UInt8>) throws(ByteError) {
    var writer = ByteWriter(limit: bytes.count)
    try writer.zeros(32, &bytes)
    try writer.little(sequence, &bytes)
    try writer.zeros(8, &bytes)
    try writer.u8(algorithm, &bytes)
    try writer.u8(headerVersion, &bytes)
    try writer.little(headerByteCount, &bytes)
    try writer.u8(kind.rawValue, &bytes)
    try writer.u8(messageVersion, &bytes)
    try writer.little(payloadByteCount, &bytes)
    try writer.zeros(4, &bytes)
    try writer.u8(vmpck, &bytes)
    try writer.zeros(35, &bytes)
  }
}

/// The type of a guest message; the answer has the number of the request plus 1.
public struct GuestMessageKind: RawRepresentable, Hashable, Sendable {
  /// The byte at offset 0x34.
  public let rawValue: UInt8

  /// The type `rawValue`, known or not.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// MSG_CPUID_REQ.
  public static let cpuidRequest = GuestMessageKind(rawValue: 1)
  /// MSG_KEY_REQ.
  public static let keyRequest = GuestMessageKind(rawValue: 3)
  /// MSG_REPORT_REQ.
  public static let reportRequest = GuestMessageKind(rawValue: 5)
  /// MSG_TSC_INFO_REQ.
  public static let tscInfoRequest = GuestMessageKind(rawValue: 17)

  /// The type of the answer.
  public var response: GuestMessageKind { GuestMessageKind(rawValue: rawValue &+ 1) }
}

/// A status of the firmware.
///
/// Source: AMD 56860 (reference snp-svsm.md B.11).
public struct FirmwareStatus: RawRepresentable, Hashable, Sendable {
  /// The 32-bit code.
  public let rawValue: UInt32

  /// The status `rawValue`, known or not.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Done.
  public static let success = FirmwareStatus(rawValue: 0)
  /// The policy forbids it.
  public static let policyFailure = FirmwareStatus(rawValue: 7)
  /// An address is wrong.
  public static let invalidAddress = FirmwareStatus(rawValue: 9)
  /// A signature is wrong.
  public static let badSignature = FirmwareStatus(rawValue: 0x0A)
  /// A measurement is wrong.
  public static let badMeasurement = FirmwareStatus(rawValue: 0x0B)
  /// Not supported.
  public static let unsupported = FirmwareStatus(rawValue: 0x15)
  /// A parameter is wrong.
  public static let invalidParameter = FirmwareStatus(rawValue: 0x16)
  /// A page is in the wrong state.
  public static let invalidPageState = FirmwareStatus(rawValue: 0x1A)
  /// A page belongs to somebody else.
  public static let invalidPageOwner = FirmwareStatus(rawValue: 0x1C)
  /// A message counter is exhausted.
  public static let aeadOverflow = FirmwareStatus(rawValue: 0x1D)
  /// A key cannot be used.
  public static let invalidKey = FirmwareStatus(rawValue: 0x27)
}
