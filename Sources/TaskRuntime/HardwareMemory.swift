// HardwareMemory: the shared memory of real CPUs, for the algorithms written against `InboxMemory`.
import Tasks

/// Plain moves and locked instructions on mapped words.
public struct HardwareMemory: InboxMemory {
  /// A mapped word.
  public typealias Cell = AtomicCell
  /// Real memory does not fail.
  public typealias Failure = Never

  /// The only value.
  public init() {}

  /// A plain load.
  @inline(__always) public func loadRelaxed(_ cell: AtomicCell) -> UInt64 { cell.loadRelaxed() }
  /// A load before any later access.
  @inline(__always) public func loadAcquire(_ cell: AtomicCell) -> UInt64 { cell.loadAcquire() }
  /// A plain store.
  @inline(__always) public func storeRelaxed(_ value: UInt64, to cell: AtomicCell) {
    cell.storeRelaxed(value)
  }
  /// A store after all earlier accesses.
  @inline(__always) public func storeRelease(_ value: UInt64, to cell: AtomicCell) {
    cell.storeRelease(value)
  }
  /// One locked exchange.
  @inline(__always) public func exchange(_ value: UInt64, in cell: AtomicCell) -> UInt64 {
    cell.exchange(value)
  }
  /// One locked compare-exchange.
  @inline(__always) public func compareExchange(
    _ cell: AtomicCell, expected: UInt64, desired: UInt64
  ) -> UInt64 {
    cell.compareExchange(expected: expected, desired: desired)
  }
  /// A full fence.
  @inline(__always) public func fence() { AtomicCell.fence() }
  /// PAUSE.
  @inline(__always) public func pause() { AtomicCell.pause() }

  /// A task header has a link word for wakes and adoptions (never both at once) and one for cancellations.
  @inline(__always) public func link(of message: InboxMessage) -> AtomicCell {
    let task = TaskRef(word: message.node)
    return message.kind == .cancel ? task.cancelLink : task.inboxLink
  }
}
