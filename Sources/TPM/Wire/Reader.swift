// Reader: a big-endian cursor over a command's parameters that numbers its errors.
import Crypto

/// Reads parameters in order; an error carries the number of the parameter under way.
struct Reader {
  let bytes: [UInt8]
  private(set) var offset: Int
  let limit: Int
  /// The parameter being read, 1 for the first.
  private(set) var number = 0

  init(_ bytes: [UInt8], from offset: Int, to limit: Int) {
    self.bytes = bytes
    self.offset = max(0, offset)
    self.limit = min(limit, bytes.count)
  }

  var remaining: Int { limit &- offset }

  /// A reader of a structure that was itself a parameter: errors get that parameter's number.
  func nested(_ range: Range<Int>) -> Reader {
    var reader = Reader(bytes, from: range.lowerBound, to: min(range.upperBound, limit))
    reader.number = number
    return reader
  }

  /// Says that the next field begins a parameter.
  mutating func next() { number &+= 1 }

  @inline(never)
  func error(_ code: ResponseCode) -> Stop { number > 0 ? .parameter(code, number) : .code(code) }

  @inline(never)
  mutating func integer<T: FixedWidthInteger & UnsignedInteger>(_ type: T.Type) throws(Stop) -> T {
    let width = T.bitWidth / 8
    guard remaining >= width else { throw error(.insufficient) }
    var value: T = 0
    for index in 0..<width {
      value = value << 8 | T(truncatingIfNeeded: bytes[offset &+ index])
    }
    offset &+= width
    return value
  }

  mutating func u8() throws(Stop) -> UInt8 { try integer(UInt8.self) }
  mutating func u16() throws(Stop) -> UInt16 { try integer(UInt16.self) }
  mutating func u32() throws(Stop) -> UInt32 { try integer(UInt32.self) }
  mutating func u64() throws(Stop) -> UInt64 { try integer(UInt64.self) }

  /// TPMI_YES_NO.
  @inline(never)
  mutating func yesNo() throws(Stop) -> Bool {
    let value = try u8()
    guard value < 2 else { throw error(.value) }
    return value == 1
  }

  /// A sized byte string of at most `limit` bytes (default: its capacity).
  @inline(never)
  mutating func sized<let capacity: Int>(
    _ type: FixedBytes<capacity>.Type = FixedBytes<capacity>.self, limit: Int = capacity
  ) throws(Stop) -> FixedBytes<capacity> {
    let count = Int(try u16())
    guard count <= limit, count <= capacity else { throw error(.size) }
    return try raw(count)
  }

  /// `count` bytes as they are.
  @inline(never)
  mutating func raw<let capacity: Int>(_ count: Int) throws(Stop) -> FixedBytes<capacity> {
    guard count <= remaining else { throw error(.insufficient) }
    guard count <= capacity else { throw error(.size) }
    let out = FixedBytes<capacity>(bytes.span.extracting(offset..<(offset &+ count)))
    offset &+= count
    return out
  }

  /// A sized byte string of at most `limit` bytes, as an array.
  @inline(never)
  mutating func sizedArray(limit: Int) throws(Stop) -> [UInt8] {
    let count = Int(try u16())
    guard count <= limit else { throw error(.size) }
    guard count <= remaining else { throw error(.insufficient) }
    let out = [UInt8](copying: bytes.span.extracting(offset..<(offset &+ count)))
    offset &+= count
    return out
  }

  /// The range of a sized structure, skipped; the caller reads it with `nested`.
  @inline(never)
  mutating func sizedRange() throws(Stop) -> Range<Int> {
    let count = Int(try u16())
    guard count <= remaining else { throw error(.insufficient) }
    let range = offset..<(offset &+ count)
    offset &+= count
    return range
  }

  /// TPMI_ALG_HASH.
  @inline(never)
  mutating func hash() throws(Stop) -> HashAlgorithm {
    guard let hash = Algorithm.hash(try u16()) else { throw error(.hash) }
    return hash
  }

  /// TPMI_ALG_HASH or NULL.
  mutating func hashOrNull() throws(Stop) -> HashAlgorithm? {
    let id = try u16()
    if id == Algorithm.null { return nil }
    guard let hash = Algorithm.hash(id) else { throw error(.hash) }
    return hash
  }

  /// Skips to the end of what a nested reader read.
  func expectEnd() throws(Stop) {
    guard remaining == 0 else { throw error(.size) }
  }
}
