// BlockHash: how the hashes of FIPS 180-4 take in bytes and pad the last block, whatever their blocks and words.

/// A hash with a buffer of one block.
protocol BlockHash {
  /// Bytes of a block.
  static var blockSize: Int { get }
  /// Bytes taken in so far.
  var byteCount: UInt64 { get set }
  /// Writes a byte of the buffer.
  mutating func put(_ byte: UInt8, at index: Int)
  /// Compresses the buffer.
  mutating func compress()
  /// Compresses the block at `offset`.
  mutating func compress(_ bytes: borrowing Span<UInt8>, at offset: Int)
}

extension BlockHash {
  private var used: Int {
    Int(truncatingIfNeeded: byteCount & UInt64(truncatingIfNeeded: Self.blockSize &- 1))
  }

  @inline(__always)
  mutating func absorb(_ bytes: borrowing Span<UInt8>) {
    var offset = 0
    let used = used
    byteCount &+= UInt64(truncatingIfNeeded: bytes.count)
    if used > 0 {
      offset = min(Self.blockSize &- used, bytes.count)
      for index in 0..<offset { put(bytes[index], at: used &+ index) }
      guard used &+ offset == Self.blockSize else { return }
      compress()
    }
    while bytes.count &- offset >= Self.blockSize {
      compress(bytes, at: offset)
      offset &+= Self.blockSize
    }
    for index in 0..<(bytes.count &- offset) { put(bytes[offset &+ index], at: index) }
  }

  /// One bit, zeros, and the count of bits in an eighth of a block (FIPS 180-4 §5.1).
  @inline(__always)
  mutating func pad() {
    var used = used
    put(0x80, at: used)
    used &+= 1
    let end = Self.blockSize &- Self.blockSize / 8
    if used > end {
      for index in used..<Self.blockSize { put(0, at: index) }
      compress()
      used = 0
    }
    for index in used..<(Self.blockSize &- 8) { put(0, at: index) }
    // Of a count of sixteen bytes only three more bits can be set.
    if Self.blockSize == 128 { put(UInt8(truncatingIfNeeded: byteCount &>> 61), at: Self.blockSize &- 9) }
    for index in 0..<8 {
      let shift = UInt64(truncatingIfNeeded: 56 &- 8 &* index)
      put(UInt8(truncatingIfNeeded: (byteCount &<< 3) &>> shift), at: Self.blockSize &- 8 &+ index)
    }
    compress()
  }
}

extension SHA1: BlockHash {
  mutating func put(_ byte: UInt8, at index: Int) { buffer[index] = byte }
  mutating func compress() { Self.compress(&state, buffer.span, at: 0) }
  mutating func compress(_ bytes: borrowing Span<UInt8>, at offset: Int) {
    Self.compress(&state, bytes, at: offset)
  }
}

extension SHA256: BlockHash {
  mutating func put(_ byte: UInt8, at index: Int) { buffer[index] = byte }
  mutating func compress() { Self.compress(&state, buffer.span, at: 0) }
  mutating func compress(_ bytes: borrowing Span<UInt8>, at offset: Int) {
    Self.compress(&state, bytes, at: offset)
  }
}

extension SHA512: BlockHash {
  mutating func put(_ byte: UInt8, at index: Int) { buffer[index] = byte }
  mutating func compress() { Self.compress(&state, buffer.span, at: 0) }
  mutating func compress(_ bytes: borrowing Span<UInt8>, at offset: Int) {
    Self.compress(&state, bytes, at: offset)
  }
}
