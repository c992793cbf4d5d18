// SpinLock: mutual exclusion for a few instructions, never across an await, guest entry or interrupt.
import Seams
import Synchronization

/// A lock for sections of a few dozen instructions that no interrupt handler enters.
public struct SpinLock<Hint: SpinHint>: ~Copyable, Sendable {
  private let word = Atomic<UInt32>(0)

  /// An open lock.
  public init() {}

  /// Runs `body` with the lock held.
  public func withLock<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    while word.exchange(1, ordering: .acquiring) != 0 {
      while word.load(ordering: .relaxed) != 0 { Hint.relax() }
    }
    defer { word.store(0, ordering: .releasing) }
    return try body()
  }
}
