// SharedWords: a few 64-bit words on lines of their own that several CPUs share.

/// `count` zeroed words, each found by its number; freed with the object.
@safe public final class SharedWords: @unchecked Sendable {
  private let memory: UnsafeMutableRawPointer
  private let count: Int

  /// Fresh words; at least one.
  public init(count: Int) {
    self.count = max(1, count)
    let bytes = self.count &* 8
    unsafe memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
  }

  /// Word `index`; the last one for a number beyond it.
  @inline(__always) public subscript(index: Int) -> AtomicCell {
    // The index is clamped into the allocation.
    unsafe AtomicCell(address: memory + (index >= 0 && index < count ? index : count &- 1) &* 8)
  }

  deinit { unsafe memory.deallocate() }
}
