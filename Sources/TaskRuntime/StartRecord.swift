// StartRecord: the one decision whether a CPU that was told to start takes part.

/// Where a CPU's start stands.
public struct StartState: RawRepresentable, Equatable, Sendable {
  /// The word in the record.
  public let rawValue: UInt64

  /// The state of word `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Not yet told to start.
  public static var idle: StartState { StartState(rawValue: 0) }
  /// Told to start; not decided.
  public static var go: StartState { StartState(rawValue: 1) }
  /// The CPU takes part.
  public static var started: StartState { StartState(rawValue: 2) }
  /// The CPU was too late and is left out for ever.
  public static var revoked: StartState { StartState(rawValue: 3) }
}

/// One CPU's mailbox word: idle → go → started, or go → revoked, decided once by compare-exchange.
///
/// A CPU that answers after its start was revoked finds that out before it touches anything but this word, so a late one
/// can never slip in.
public struct StartRecord<Memory: SharedMemory> {
  /// The `StartState`.
  public let cell: Memory.Cell

  /// The record in `cell`, a word that starts as zero.
  public init(cell: Memory.Cell) { self.cell = cell }

  /// Tells the CPU to start.
  ///
  /// *May be called from*: the starting CPU, once.
  public func offer(in memory: Memory) throws(Memory.Failure) {
    try memory.storeRelease(StartState.go.rawValue, to: cell)
  }

  /// Waits to be told and takes the offer; false if it was revoked: park for ever on a page that never changes.
  ///
  /// *May be called from*: the started CPU, before it touches anything else.
  public func accept(in memory: Memory) throws(Memory.Failure) -> Bool {
    while true {
      let state = StartState(rawValue: try memory.loadAcquire(cell))
      if state == .go {
        return try decide(.started, in: memory)
      }
      if state == .revoked || state == .started { return false }
      try memory.pause()
    }
  }

  /// Waits until the CPU took the offer or `isOver` says to stop; whether it takes part is final either way.
  ///
  /// *May be called from*: the starting CPU, after `offer`. `isOver` is asked once for each look at the record.
  public func settle(
    in memory: Memory, isOver: () throws(Memory.Failure) -> Bool
  ) throws(Memory.Failure) -> Bool {
    while true {
      if StartState(rawValue: try memory.loadAcquire(cell)) == .started { return true }
      if try isOver() { break }
      try memory.pause()
    }
    return try !decide(.revoked, in: memory)
  }

  private func decide(_ state: StartState, in memory: Memory) throws(Memory.Failure) -> Bool {
    let go = StartState.go.rawValue
    return try memory.compareExchange(cell, expected: go, desired: state.rawValue) == go
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
