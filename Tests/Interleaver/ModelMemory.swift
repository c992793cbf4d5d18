// ModelMemory: shared memory whose every access is a step that the interleaver schedules.
import TaskRuntime

/// One CPU's view of the model: replays the results known so far, then stops at the next operation.
///
/// A program is run anew for each of its steps, so it must depend on results of these operations only.
package final class ModelMemory: InboxMemory {
  package typealias Cell = Int
  package typealias Failure = Stop

  /// The CPU whose program runs.
  package let cpu: Int
  private let results: [UInt64]
  private var used = 0

  init(cpu: Int, results: [UInt64]) {
    self.cpu = cpu
    self.results = results
  }

  /// The result of `operation`, or a stop if it has not been scheduled yet.
  @discardableResult
  package func perform(_ operation: Operation) throws(Stop) -> UInt64 {
    guard used < results.count else { throw .next(operation) }
    defer { used += 1 }
    return results[used]
  }

  /// Ends the exploration if `condition` is false.
  package func require(_ condition: Bool, _ message: String) throws(Stop) {
    if !condition { throw .violation(message) }
  }

  package func loadRelaxed(_ cell: Int) throws(Stop) -> UInt64 { try perform(.load(cell)) }
  package func loadAcquire(_ cell: Int) throws(Stop) -> UInt64 { try perform(.load(cell)) }
  package func storeRelaxed(_ value: UInt64, to cell: Int) throws(Stop) { try perform(.store(cell, value)) }
  package func storeRelease(_ value: UInt64, to cell: Int) throws(Stop) { try perform(.store(cell, value)) }
  package func exchange(_ value: UInt64, in cell: Int) throws(Stop) -> UInt64 {
    try perform(.exchange(cell, value))
  }
  package func compareExchange(_ cell: Int, expected: UInt64, desired: UInt64) throws(Stop) -> UInt64 {
    try perform(.compareExchange(cell, expected: expected, desired: desired))
  }
  package func fence() throws(Stop) { try perform(.fence) }
  package func pause() throws(Stop) { try perform(.pause) }

  /// A message's word names its link cell: cell number times four, plus the kind.
  package func link(of message: InboxMessage) -> Int { Int(message.node >> 2) }

  /// The message whose link word is `cell`.
  package static func message(_ kind: InboxMessage.Kind, link cell: Int) -> InboxMessage {
    guard let message = InboxMessage(kind, node: UInt64(cell) << 2) else {
      preconditionFailure("cell 0 can't be a link")
    }
    return message
  }
}
