// StartRecord: the one decision whether a CPU that was told to start takes part.
public import Seams

/// Memory in which a decision is taken: a word that is read, and changed by compare-exchange only.
public protocol DecisionMemory {
  /// The place of one 64-bit word.
  associatedtype Cell
  /// `Never` on a machine; how a run is cut off in an interleaver.
  associatedtype Failure: Error
  /// Reads a word before any later access (on x86 a plain load).
  func loadAcquire(_ cell: Cell) throws(Failure) -> UInt64
  /// Writes `desired` if the word is `expected`; returns what it was: one locked instruction and a full fence.
  func compareExchange(_ cell: Cell, expected: UInt64, desired: UInt64) throws(Failure) -> UInt64
  /// Says that the CPU spins until another one writes (PAUSE).
  func pause() throws(Failure)
}

/// One CPU's start record: a `StartState`, each change of which is one compare-exchange that one side wins.
///
/// A CPU that answers after its start was revoked finds that out before it touches anything but this word, and one that took
/// the call and then hung before it touches anything that was not set aside for it: a late one can never slip in. The boot
/// CPU runs this source; the other side of it on a machine is trampoline.S (`take`) and `StartedProcessor` (`arrive`).
public struct StartRecord<Memory: DecisionMemory> {
  /// The `StartState`.
  public let cell: Memory.Cell

  /// The record in `cell`, a word that starts as `StartState.empty`.
  public init(cell: Memory.Cell) { self.cell = cell }

  /// What the record says now.
  public func state(in memory: Memory) throws(Memory.Failure) -> StartState {
    StartState(rawValue: UInt32(truncatingIfNeeded: try memory.loadAcquire(cell)))
  }

  /// Lets the CPU start: all it needs is set aside.
  ///
  /// *May be called from*: the starting CPU, once.
  public func offer(in memory: Memory) throws(Memory.Failure) {
    _ = try change(.empty, to: .go, in: memory)
  }

  /// Whether it is still open what becomes of the CPU.
  public func isOpen(in memory: Memory) throws(Memory.Failure) -> Bool {
    let state = try state(in: memory)
    return state == .go || state == .started
  }

  /// Closes the door.
  ///
  /// A CPU that is not in by now never will be. What it came to is final: `online`, `revoked`, `expelled`,
  /// or `empty` if it was not offered a start.
  ///
  /// *May be called from*: the starting CPU, after `offer`. The CPU may win either exchange at the last moment; then it is a
  /// step further.
  public func close(in memory: Memory) throws(Memory.Failure) -> StartState {
    let before = try change(.go, to: .revoked, in: memory)
    if before == .go { return .revoked }
    guard before == .started else { return before }
    let last = try change(.started, to: .expelled, in: memory)
    return last == .started ? .expelled : last
  }

  /// Waits to be offered a start and takes it; false if it was revoked: park for ever on a page that never changes.
  ///
  /// *May be called from*: the started CPU, before it touches anything else.
  public func take(in memory: Memory) throws(Memory.Failure) -> Bool {
    while try state(in: memory) == .empty { try memory.pause() }
    return try change(.go, to: .started, in: memory) == .go
  }

  /// The CPU has set itself up; false if it was expelled meanwhile: park for ever.
  ///
  /// *May be called from*: the started CPU, after `take`, before it touches anything but what was set aside for it.
  public func arrive(in memory: Memory) throws(Memory.Failure) -> Bool {
    try change(.started, to: .online, in: memory) == .started
  }

  private func change(_ expected: StartState, to desired: StartState, in memory: Memory) throws(Memory
    .Failure)
    -> StartState
  {
    let before = try memory.compareExchange(
      cell, expected: UInt64(expected.rawValue), desired: UInt64(desired.rawValue))
    return StartState(rawValue: UInt32(truncatingIfNeeded: before))
  }
}

/// How long a CPU gets to start: a span of ticks and a number of looks, whichever ends later.
///
/// Under emulation the clock may run on while the other CPU gets no turn; the looks bound that.
public struct StartLimit: Equatable, Sendable {
  private let deadline: UInt64
  private var looksLeft: Int

  /// A limit of `ticks` from tick `now` and of `looks`, 1,000 unless told.
  public init(now: UInt64, ticks: UInt64, looks: Int = 1000) {
    let (sum, overflow) = now.addingReportingOverflow(ticks)
    deadline = overflow ? .max : sum
    looksLeft = looks
  }

  /// Counts one look at tick `now`; true once both bounds are passed.
  public mutating func isOver(now: UInt64) -> Bool {
    if looksLeft > 0 { looksLeft &-= 1 }
    return looksLeft == 0 && now >= deadline
  }
}
