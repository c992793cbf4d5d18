// WireEncoder: appends little-endian fields to a growing byte array.

/// Collects the bytes of headers; what a `ByteReader` reads back.
struct WireEncoder {
  /// The bytes so far.
  var bytes: [UInt8] = []

  /// Appends an integer, least significant byte first.
  mutating func append<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
    for index in 0..<(T.bitWidth / 8) {
      bytes.append(UInt8(truncatingIfNeeded: value >> T(truncatingIfNeeded: 8 * index)))
    }
  }

  /// Appends zero bytes up to the next multiple of 8.
  mutating func padToEight() {
    while bytes.count % 8 != 0 { bytes.append(0) }
  }
}
