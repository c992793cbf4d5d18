// SliceHost: what the measuring task needs of the board it runs on.

/// The board's counter of instructions, its output and its heap.
public final class SliceHost: @unchecked Sendable {
  let now: () -> UInt64
  let put: (UInt8) -> Void
  let heapBytes: () -> UInt64
  let end: (Bool) -> Void

  /// A host; `now` counts instructions, `end` is told whether all commands succeeded.
  public init(
    now: @escaping () -> UInt64, put: @escaping (UInt8) -> Void, heapBytes: @escaping () -> UInt64,
    end: @escaping (Bool) -> Void
  ) {
    self.now = now
    self.put = put
    self.heapBytes = heapBytes
    self.end = end
  }

  func write(_ text: String) {
    let bytes = text.utf8Span.span
    for index in bytes.indices { put(bytes[index]) }
  }

  func write(_ value: UInt64) {
    if value >= 10 { write(value / 10) }
    put(UInt8(truncatingIfNeeded: value % 10) &+ 0x30)
  }
}
