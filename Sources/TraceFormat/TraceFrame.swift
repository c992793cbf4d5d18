// TraceFrame: one line of a trace: a payload of at most 528 bytes, its CRC-32, in base64.
import Bits

/// What a frame holds: its first byte.
public struct TraceFrameKind: RawRepresentable, Equatable, Sendable {
  /// The byte.
  public let rawValue: UInt8
  /// A kind, known or not.
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// The first frame: version, CPUs that follow, ticks per microsecond (u64).
  public static var start: Self { Self(rawValue: 1) }
  /// A CPU: records ever written (u64), stalls (u64), longest stall in ticks (u64), the stalled task (u32),
  /// records that follow (u32), tasks that follow (u32).
  public static var processor: Self { Self(rawValue: 2) }
  /// Up to 32 records of the CPU, oldest first: time (u64), task (u32), kind (u32) each.
  public static var records: Self { Self(rawValue: 3) }
  /// A task of the CPU: identifier, line, wakes, runs, longest run, longest wait (u32 each), length and bytes of its
  /// name, length and bytes of its file.
  public static var task: Self { Self(rawValue: 4) }
  /// The last frame: how many came before it (u32).
  public static var end: Self { Self(rawValue: 5) }
}

/// A frame being written: kind (u8), a small number (u8), the CPU (u16), then fields, all little-endian.
///
/// On the wire it is followed by the CRC-32 of all its bytes and sent as one line of base64 (RFC 4648 §4).
public struct TraceFrame {
  /// The most bytes of a payload: 32 records after the four bytes in front.
  public static var capacity: Int { 528 }
  /// The most records of a frame.
  public static var recordLimit: Int { 32 }
  /// The version of this format.
  public static var version: UInt8 { 1 }
  /// The line before the first frame.
  public static var begin: String { "-----BEGIN APUS TRACE-----" }
  /// The line behind the last frame.
  public static var end: String { "-----END APUS TRACE-----" }

  private var bytes = InlineArray<532, UInt8>(repeating: 0)
  private var count = 0

  /// A frame of `kind` about `cpu`.
  public init(_ kind: TraceFrameKind, number: UInt8 = 0, cpu: UInt16 = 0) {
    append(kind.rawValue)
    append(number)
    append(UInt8(truncatingIfNeeded: cpu))
    append(UInt8(truncatingIfNeeded: cpu >> 8))
  }

  /// Adds a byte; one beyond the capacity is dropped.
  public mutating func append(_ byte: UInt8) {
    guard count < Self.capacity else { return }
    bytes[count] = byte
    count &+= 1
  }

  /// Adds a 32-bit number.
  public mutating func append32(_ value: UInt32) {
    for shift in 0..<4 { append(UInt8(truncatingIfNeeded: value >> UInt32(8 &* shift))) }
  }

  /// Adds a 64-bit number.
  public mutating func append64(_ value: UInt64) {
    for shift in 0..<8 { append(UInt8(truncatingIfNeeded: value >> UInt64(8 &* shift))) }
  }

  /// Sends the frame's line, without its end, character by character.
  public func write(to put: (UInt8) -> Void) {
    var framed = bytes
    var checksum = CRC32()
    for index in 0..<count { checksum.update(bytes[index]) }
    for shift in 0..<4 {
      framed[count &+ shift] = UInt8(truncatingIfNeeded: checksum.value >> UInt32(8 &* shift))
    }
    let total = count &+ 4
    var index = 0
    while index < total {
      var group: UInt32 = 0
      for place in 0..<3 {
        group = group << 8 | (index &+ place < total ? UInt32(framed[index &+ place]) : 0)
      }
      for place in 0..<4 {
        let isPadding = index &+ place > total
        put(
          isPadding ? 0x3D : Self.character(UInt8(truncatingIfNeeded: group >> UInt32(18 &- 6 &* place)) & 63)
        )
      }
      index &+= 3
    }
  }

  private static func character(_ value: UInt8) -> UInt8 {
    switch value {
    case ..<26: 0x41 &+ value
    case ..<52: 0x61 &+ (value &- 26)
    case ..<62: 0x30 &+ (value &- 52)
    case 62: 0x2B
    default: 0x2F
    }
  }
}
