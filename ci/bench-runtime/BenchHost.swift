// BenchHost: what the measuring tasks need of the board they run on.

/// The board's clock, output and counters, as closures so that tasks can hold them.
public final class BenchHost: @unchecked Sendable {
  /// Ticks: instructions under icount, nanoseconds in the Linux process.
  let now: () -> UInt64
  /// Sends a byte of output.
  let put: (UInt8) -> Void
  /// Called right before and right after each measured batch; a marker for instruction counters.
  let mark: () -> Void
  /// Bytes that the tasks' pools hold.
  let taskBytes: () -> UInt64
  /// Calls that this CPU's stock of heap objects could not serve.
  let heapMisses: () -> UInt64
  /// Called when everything has been measured.
  let end: () -> Void

  /// A host.
  public init(
    now: @escaping () -> UInt64, put: @escaping (UInt8) -> Void, mark: @escaping () -> Void,
    taskBytes: @escaping () -> UInt64, heapMisses: @escaping () -> UInt64,
    end: @escaping () -> Void
  ) {
    self.now = now
    self.put = put
    self.mark = mark
    self.taskBytes = taskBytes
    self.heapMisses = heapMisses
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
