// Writer: a big-endian byte builder for answers and for what is hashed.
import Crypto

/// Builds a byte string; sized fields are closed when their content is known.
///
/// The room is compiled for size in a kernel; what goes over many bytes is for speed all the same.
struct Writer {
  private(set) var bytes: [UInt8] = []

  init() {}

  init(reserving count: Int) { bytes.reserveCapacity(count) }

  var count: Int { bytes.count }

  @inline(never)
  mutating func integer<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
    var shift = T.bitWidth &- 8
    while shift >= 0 {
      bytes.append(UInt8(truncatingIfNeeded: value >> T(truncatingIfNeeded: shift)))
      shift &-= 8
    }
  }

  mutating func u8(_ value: UInt8) { bytes.append(value) }
  mutating func u16(_ value: UInt16) { integer(value) }
  mutating func u32(_ value: UInt32) { integer(value) }
  mutating func u64(_ value: UInt64) { integer(value) }
  mutating func yesNo(_ value: Bool) { bytes.append(value ? 1 : 0) }
  mutating func count32(_ value: Int) { u32(UInt32(truncatingIfNeeded: value)) }
  mutating func hash(_ value: HashAlgorithm?) { u16(value?.id ?? Algorithm.null) }

  @_optimize(speed) @inline(never)
  mutating func raw(_ span: borrowing Span<UInt8>) {
    let end = bytes.count
    bytes.append(contentsOf: repeatElement(0, count: span.count))
    var place = bytes.mutableSpan
    for index in span.indices { place[end &+ index] = span[index] }
  }

  @_optimize(speed) @inline(never)
  mutating func raw(_ array: [UInt8]) { bytes.append(contentsOf: array) }
  mutating func raw<let capacity: Int>(_ value: FixedBytes<capacity>) { raw(value.span) }

  mutating func sized<let capacity: Int>(_ value: FixedBytes<capacity>) {
    u16(UInt16(truncatingIfNeeded: value.count))
    raw(value.span)
  }

  @inline(never)
  mutating func sized(_ array: [UInt8]) {
    u16(UInt16(truncatingIfNeeded: array.count))
    raw(array)
  }

  /// Opens a sized field; give the mark to `close`.
  mutating func open() -> Int {
    u16(0)
    return bytes.count
  }

  /// Writes the size of everything since `open`.
  mutating func close(_ mark: Int) {
    let count = bytes.count &- mark
    bytes[mark &- 2] = UInt8(truncatingIfNeeded: count &>> 8)
    bytes[mark &- 1] = UInt8(truncatingIfNeeded: count)
  }

  /// Replaces the four bytes at `offset`.
  mutating func patch32(_ offset: Int, _ value: UInt32) {
    guard offset >= 0, offset &+ 4 <= bytes.count else { return }
    for index in 0..<4 {
      bytes[offset &+ index] = UInt8(truncatingIfNeeded: value &>> UInt32(24 &- 8 &* index))
    }
  }

  /// XORs or replaces bytes in place through a closure-free transformation.
  @inline(never)
  mutating func replace(_ range: Range<Int>, with other: [UInt8]) {
    guard range.upperBound <= bytes.count, other.count == range.count else { return }
    for index in 0..<other.count { bytes[range.lowerBound &+ index] = other[index] }
  }

  mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

  /// Overwrites and empties.
  @inline(never)
  mutating func wipe() {
    var span = bytes.mutableSpan
    Wipe.bytes(&span)
    bytes.removeAll(keepingCapacity: true)
  }
}

extension [UInt8] {
  init<let capacity: Int>(_ value: FixedBytes<capacity>) {
    self.init(copying: value.span)
  }

  @_optimize(speed) @inline(never)
  init(copying span: borrowing Span<UInt8>) {
    self.init(repeating: 0, count: span.count)
    var place = mutableSpan
    for index in span.indices { place[index] = span[index] }
  }

  /// Overwrites every byte.
  @inline(never)
  mutating func wipe() {
    var span = mutableSpan
    Wipe.bytes(&span)
  }
}

extension Hasher {
  static func hash(_ algorithm: HashAlgorithm, _ bytes: [UInt8]) -> Digest { hash(algorithm, bytes.span) }
}
