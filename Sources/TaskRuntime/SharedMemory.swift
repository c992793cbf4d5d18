// SharedMemory: the memory that CPUs share, as the runtime's concurrent algorithms see it.

/// Words that several CPUs read and write, with the orderings the runtime relies on.
///
/// Every algorithm between CPUs is written once against this protocol. On bare metal it becomes plain moves and locked
/// instructions (`Failure` is `Never`, so nothing is checked); in tests an interleaver runs the same source in every order
/// that x86's store buffers allow, and ends a replayed run at its next step by throwing.
public protocol SharedMemory {
  /// The place of one 64-bit word.
  associatedtype Cell
  /// `Never` on a machine; how a run is cut off in an interleaver.
  associatedtype Failure: Error

  /// Reads a word with no ordering of its own (a plain load).
  func loadRelaxed(_ cell: Cell) throws(Failure) -> UInt64
  /// Reads a word before any later access (on x86 a plain load).
  func loadAcquire(_ cell: Cell) throws(Failure) -> UInt64
  /// Writes a word with no ordering of its own (a plain store).
  func storeRelaxed(_ value: UInt64, to cell: Cell) throws(Failure)
  /// Writes a word after all earlier accesses (on x86 a plain store; it may still wait in the store buffer).
  func storeRelease(_ value: UInt64, to cell: Cell) throws(Failure)
  /// Replaces a word and returns what it was: one locked instruction and a full fence.
  func exchange(_ value: UInt64, in cell: Cell) throws(Failure) -> UInt64
  /// Writes `desired` if the word is `expected`; returns what it was: one locked instruction and a full fence.
  func compareExchange(_ cell: Cell, expected: UInt64, desired: UInt64) throws(Failure) -> UInt64
  /// Completes every earlier access before any later one (store buffers included).
  func fence() throws(Failure)
  /// Says that the CPU spins until another one writes (PAUSE).
  func pause() throws(Failure)
}

/// Shared memory in which inbox messages have their link words.
public protocol InboxMemory: SharedMemory {
  /// The link word that belongs to `message` alone: one for each kind in each node.
  func link(of message: InboxMessage) -> Cell
}
