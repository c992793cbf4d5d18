// TraceFields: the bytes of one frame, read in order and never beyond their end.
import Bits

/// A cursor over a frame's payload.
package struct TraceFields {
  private var bytes: [UInt8] = []
  private var next = 0

  /// The bytes of one line of base64 (RFC 4648 §4); nil if it isn't that, or not its canonical form.
  package init?(base64 text: [UInt8]) {
    guard text.count % 4 == 0 else { return nil }
    var padding = 0
    if text.last == 0x3D { padding = text.count >= 2 && text[text.count - 2] == 0x3D ? 2 : 1 }
    var group: UInt32 = 0
    for (index, character) in text.enumerated() {
      let isPadding = index >= text.count - padding
      guard let value = isPadding ? 0 : Self.value(character) else { return nil }
      group = group << 6 | UInt32(value)
      if index % 4 == 3 {
        for shift in [16, 8, 0] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: group >> shift)) }
        group = 0
      }
    }
    for _ in 0..<padding where bytes.removeLast() != 0 { return nil }
  }

  private static func value(_ character: UInt8) -> UInt8? {
    switch character {
    case 0x41...0x5A: character - 0x41
    case 0x61...0x7A: character - 0x61 + 26
    case 0x30...0x39: character - 0x30 + 52
    case 0x2B: 62
    case 0x2F: 63
    default: nil
    }
  }

  /// Whether every byte has been read.
  package var isEmpty: Bool { next == bytes.count }

  /// Takes the CRC-32 off the end; false if it isn't that of the rest.
  package mutating func checkAndDropChecksum() -> Bool {
    guard bytes.count >= 4 else { return false }
    var stated: UInt32 = 0
    for _ in 0..<4 { stated = stated << 8 | UInt32(bytes.removeLast()) }
    var checksum = CRC32()
    for byte in bytes { checksum.update(byte) }
    return checksum.value == stated
  }

  package mutating func u8() -> UInt8? {
    guard next < bytes.count else { return nil }
    next += 1
    return bytes[next - 1]
  }

  private mutating func little(_ width: UInt64) -> UInt64? {
    var value: UInt64 = 0
    for place in 0..<width {
      guard let byte = u8() else { return nil }
      value |= UInt64(byte) << (8 * place)
    }
    return value
  }

  package mutating func u16() -> UInt16? { little(2).map { UInt16(truncatingIfNeeded: $0) } }
  package mutating func u32() -> UInt32? { little(4).map { UInt32(truncatingIfNeeded: $0) } }
  package mutating func u64() -> UInt64? { little(8) }

  /// A length and that many bytes.
  package mutating func text() -> [UInt8]? {
    guard let length = u8() else { return nil }
    var text: [UInt8] = []
    for _ in 0..<length {
      guard let byte = u8() else { return nil }
      text.append(byte)
    }
    return text
  }
}
