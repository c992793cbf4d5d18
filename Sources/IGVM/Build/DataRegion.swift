// DataRegion: the file data of a file being built, each distinct blob once.

/// Collects blobs and gives each an absolute file offset; equal blobs share one (first occurrence wins).
struct DataRegion {
  /// A blob that is stored: where it lies and how long it is with its padding.
  private struct Blob {
    let bytes: ArraySlice<UInt8>
    let size: Int
    let offset: UInt32
    let hash: UInt64
  }

  private let start: Int
  private var blobs: [Blob] = []
  /// Open addressing: 0 = free, else the place of a blob plus 1.
  ///
  /// A power of two, at most half full.
  private var table: [Int32]
  /// Bytes so far.
  private(set) var size = 0

  /// A region that starts at file offset `start`.
  init(start: Int) {
    self.start = start
    table = [Int32](repeating: 0, count: 64)
  }

  /// The file offset of `data` padded with zeros to `size`: that of an equal blob, or of a new one.
  mutating func store(_ data: ArraySlice<UInt8>, paddedTo size: Int) throws(BuildError) -> UInt32 {
    let bytes = data.withoutTrailingZeros
    let hash = Self.hash(bytes) ^ UInt64(truncatingIfNeeded: size)
    var slot = Int(truncatingIfNeeded: hash) & (table.count - 1)
    while table[slot] != 0 {
      let blob = blobs[Int(table[slot]) - 1]
      if blob.hash == hash, blob.size == size, blob.bytes.elementsEqual(bytes) { return blob.offset }
      slot = (slot + 1) & (table.count - 1)
    }
    let offset = try append(bytes, paddedTo: size, hash: hash)
    guard let entry = Int32(exactly: blobs.count) else { throw .tooLarge }
    table[slot] = entry
    if blobs.count * 2 > table.count { grow() }
    return offset
  }

  /// Adds a blob without looking for an equal one.
  @discardableResult
  mutating func append(
    _ bytes: ArraySlice<UInt8>, paddedTo size: Int, hash: UInt64 = 0
  ) throws(BuildError) -> UInt32 {
    guard let offset = UInt32(exactly: start + self.size) else { throw .tooLarge }
    blobs.append(.init(bytes: bytes, size: size, offset: offset, hash: hash))
    self.size += size
    return offset
  }

  /// Appends all blobs to `file`, in the order in which they were stored.
  func append(to file: inout [UInt8]) {
    for blob in blobs {
      file.append(contentsOf: blob.bytes)
      file.append(contentsOf: repeatElement(0, count: blob.size - blob.bytes.count))
    }
  }

  private mutating func grow() {
    table = [Int32](repeating: 0, count: table.count * 2)
    for (place, blob) in blobs.enumerated() {
      var slot = Int(truncatingIfNeeded: blob.hash) & (table.count - 1)
      while table[slot] != 0 { slot = (slot + 1) & (table.count - 1) }
      table[slot] = Int32(truncatingIfNeeded: place + 1)
    }
  }

  /// A hash with no seed.
  private static func hash(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    let span = bytes.span
    var state: UInt64 = 0xCBF2_9CE4_8422_2325
    var index = 0
    while index + 8 <= span.count {
      var word: UInt64 = 0
      for byte in 0..<8 { word |= UInt64(span[index + byte]) << UInt64(8 * byte) }
      if word != 0 { state = mix(state, word, index) }
      index += 8
    }
    var word: UInt64 = 0
    var shift: UInt64 = 0
    for rest in index..<span.count {
      word |= UInt64(span[rest]) << shift
      shift += 8
    }
    return word == 0 ? state : mix(state, word, index)
  }

  private static func mix(_ state: UInt64, _ word: UInt64, _ index: Int) -> UInt64 {
    let keyed = (state ^ word) &+ UInt64(truncatingIfNeeded: index)
    let product = (keyed ^ 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
    return product.high ^ product.low
  }
}

extension ArraySlice<UInt8> {
  /// The bytes up to the last that is not zero: padding adds the others again.
  var withoutTrailingZeros: ArraySlice<UInt8> {
    var end = endIndex
    while end > startIndex, self[end - 1] == 0 { end -= 1 }
    return self[startIndex..<end]
  }
}
