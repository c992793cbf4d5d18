// Mutants: shared memory with one guarantee taken away, to see that a test would notice.
import TaskRuntime

/// Which guarantee is missing.
package enum Mutation: Sendable, CaseIterable {
  /// Nothing is.
  case none
  /// Fences do nothing.
  case noFence
  /// After a fence, the next load of the watched cell answers zero: the re-check is left out.
  case noRecheck
  /// Exchanges and compare-exchanges are a load and a plain store.
  case noLock
}

/// Model memory under a mutation; the algorithms under test are the real ones.
package final class MutantMemory: InboxMemory {
  package typealias Cell = Int
  package typealias Failure = Stop

  private let base: ModelMemory
  private let mutation: Mutation
  private let watched: Int
  private let pausesWait: Bool
  private var isAfterFence = false

  /// Model memory under `mutation`, with the cell whose re-check `noRecheck` leaves out.
  ///
  /// A loop that counts its turns sets
  /// `pausesWait` to false: its pauses then pass at once.
  package init(_ base: ModelMemory, _ mutation: Mutation, watched: Int = -1, pausesWait: Bool = true) {
    self.base = base
    self.mutation = mutation
    self.watched = watched
    self.pausesWait = pausesWait
  }

  package func loadRelaxed(_ cell: Int) throws(Stop) -> UInt64 {
    if isAfterFence, cell == watched, mutation == .noRecheck {
      isAfterFence = false
      return 0
    }
    return try base.loadRelaxed(cell)
  }
  package func loadAcquire(_ cell: Int) throws(Stop) -> UInt64 { try loadRelaxed(cell) }
  package func storeRelaxed(_ value: UInt64, to cell: Int) throws(Stop) {
    try base.storeRelaxed(value, to: cell)
  }
  package func storeRelease(_ value: UInt64, to cell: Int) throws(Stop) {
    try base.storeRelease(value, to: cell)
  }
  package func exchange(_ value: UInt64, in cell: Int) throws(Stop) -> UInt64 {
    guard mutation == .noLock else { return try base.exchange(value, in: cell) }
    let old = try base.loadRelaxed(cell)
    try base.storeRelaxed(value, to: cell)
    return old
  }
  package func compareExchange(_ cell: Int, expected: UInt64, desired: UInt64) throws(Stop) -> UInt64 {
    guard mutation == .noLock else {
      return try base.compareExchange(cell, expected: expected, desired: desired)
    }
    let old = try base.loadRelaxed(cell)
    if old == expected { try base.storeRelaxed(desired, to: cell) }
    return old
  }
  package func fence() throws(Stop) {
    if mutation != .noFence { try base.fence() }
    isAfterFence = true
  }
  package func pause() throws(Stop) { if pausesWait { try base.pause() } }
  package func link(of message: InboxMessage) -> Int { base.link(of: message) }
}
