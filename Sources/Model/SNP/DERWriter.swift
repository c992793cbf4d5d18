// DERWriter: the few ASN.1 encodings that a model certificate needs.

/// Builds DER values as byte arrays (ITU-T X.690).
enum DERWriter {
  /// A value with its tag and length.
  static func value(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
    var header = [tag]
    let count = content.count
    if count < 0x80 {
      header.append(UInt8(truncatingIfNeeded: count))
    } else if count < 0x100 {
      header += [0x81, UInt8(truncatingIfNeeded: count)]
    } else {
      header += [0x82, UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)]
    }
    return header + content
  }

  /// SEQUENCE of encoded parts.
  static func sequence(_ parts: [UInt8]...) -> [UInt8] { value(0x30, join(parts)) }

  /// INTEGER from a big-endian magnitude: no leading zeros but the one that keeps it positive.
  static func integer(_ bytes: [UInt8]) -> [UInt8] {
    var magnitude = Array(bytes.drop { $0 == 0 })
    if (magnitude.first ?? 0x80) & 0x80 != 0 { magnitude.insert(0, at: 0) }
    return value(0x02, magnitude)
  }

  /// BIT STRING without unused bits.
  static func bitString(_ content: [UInt8]) -> [UInt8] { value(0x03, [0] + content) }

  private static func join(_ parts: [[UInt8]]) -> [UInt8] {
    var all: [UInt8] = []
    for part in parts { all += part }
    return all
  }
}
