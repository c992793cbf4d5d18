// SharedMemory: the memory that CPUs share, as the runtime's concurrent algorithms see it.

/// Words that several CPUs read and write, with the orderings the runtime relies on.
///
/// Every algorithm between CPUs is written once against this protocol. On bare metal it becomes plain moves and locked
/// instructions (`Failure` is `Never`, so nothing is checked); in tests an interleaver runs the same source in every order
/// that x86's store buffers allow, and ends a replayed run at its next step by throwing.
public protocol SharedMemory: DecisionMemory {
  /// Reads a word with no ordering of its own (a plain load).
  func loadRelaxed(_ cell: Cell) throws(Failure) -> UInt64
  /// Writes a word with no ordering of its own (a plain store).
  func storeRelaxed(_ value: UInt64, to cell: Cell) throws(Failure)
  /// Writes a word after all earlier accesses (on x86 a plain store; it may still wait in the store buffer).
  func storeRelease(_ value: UInt64, to cell: Cell) throws(Failure)
  /// Replaces a word and returns what it was: one locked instruction and a full fence.
  func exchange(_ value: UInt64, in cell: Cell) throws(Failure) -> UInt64
  /// Completes every earlier access before any later one (store buffers included).
  func fence() throws(Failure)
}

/// Shared memory in which inbox messages have their link words.
public protocol InboxMemory: SharedMemory {
  /// The link word that belongs to `message` alone: one for each kind in each node.
  func link(of message: InboxMessage) -> Cell
}
