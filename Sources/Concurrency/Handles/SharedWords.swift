// SharedWords: a few 64-bit words on lines of their own that several CPUs share.

/// `count` zeroed words, each found by its number; freed with the object.
@safe public final class SharedWords: @unchecked Sendable {
  private let memory: UnsafeMutableRawPointer
  private let count: Int
  private let lastLine: UInt

  /// Fresh words; at least one.
  public init(count: Int) {
    self.count = max(1, count)
    // Whole lines of eight words.
    lastLine = UInt(bitPattern: (self.count &- 1) >> 3)
    let bytes = (self.count &+ 7) / 8 &* 64
    unsafe memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
  }

  /// Word `index`; the last one for a number beyond it.
  @inline(__always) public subscript(index: Int) -> AtomicCell {
    // The index is clamped into the allocation; a negative one is a large one.
    unsafe AtomicCell(
      address: memory + Int(bitPattern: min(UInt(bitPattern: index), UInt(bitPattern: count &- 1)) &* 8))
  }

  /// Words 8·`index` to 8·`index` + 7; the last line for a number beyond it.
  @inline(__always) public func line(_ index: Int) -> SharedLine {
    // The index is clamped into the allocation; a negative one is a large one.
    unsafe SharedLine(first: memory + Int(bitPattern: min(UInt(bitPattern: index), lastLine) &* 64))
  }

  deinit { unsafe memory.deallocate() }
}

/// Eight words of a `SharedWords` on one cache line, found once; to be used no longer than those live.
@safe public struct SharedLine: @unchecked Sendable {
  private let first: UnsafeMutableRawPointer

  @inline(__always) fileprivate init(first: UnsafeMutableRawPointer) { unsafe self.first = first }

  /// Word `index` modulo 8.
  @inline(__always) public subscript(index: Int) -> AtomicCell {
    unsafe AtomicCell(address: first + (index & 7) &* 8)
  }
}
