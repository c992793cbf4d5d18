// PageMemory+Bytes: access to parts of words, which the structures of both architectures need.

extension PageMemory where Self: ~Copyable {
  /// The byte at `offset`.
  func byte(_ page: SystemPage, _ offset: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: load(page, offset & ~7) >> UInt64(8 * (offset & 7)))
  }

  /// Stores a byte.
  mutating func storeByte(_ page: SystemPage, _ offset: Int, _ value: UInt8) {
    let shift = UInt64(8 * (offset & 7))
    let old = load(page, offset & ~7)
    store(page, offset & ~7, (old & ~(0xFF << shift)) | UInt64(value) << shift)
  }

  /// The 32-bit word at `offset`, a multiple of 4.
  func load32(_ page: SystemPage, _ offset: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: load(page, offset & ~7) >> UInt64(8 * (offset & 4)))
  }

  /// Copies bytes out of a page, from `offset` on, as many as `bytes` holds and the page has.
  func copy(_ page: SystemPage, _ offset: Int, to bytes: inout MutableSpan<UInt8>) {
    for index in bytes.indices where offset + index < 4096 {
      bytes[index] = byte(page, offset + index)
    }
  }

  /// Copies bytes into a page, from `offset` on, as many as fit.
  mutating func fill(_ page: SystemPage, _ offset: Int, from bytes: borrowing Span<UInt8>) {
    for index in bytes.indices where offset + index < 4096 {
      storeByte(page, offset + index, bytes[index])
    }
  }
}
