// Operation: one step of a CPU that the interleaver schedules.

/// What a program does next, as far as anybody else can tell.
package enum Operation: Hashable, Sendable {
  /// Reads a cell: the newest own store that still waits, else memory.
  case load(Int)
  /// Puts a store in the CPU's store buffer.
  case store(Int, UInt64)
  /// Exchange, locked: waits for an empty store buffer.
  case exchange(Int, UInt64)
  /// Compare-exchange, locked: waits for an empty store buffer.
  case compareExchange(Int, expected: UInt64, desired: UInt64)
  /// Waits for an empty store buffer.
  case fence
  /// Waits until another CPU has written since this one last read.
  case pause
  /// Sends an interrupt to a CPU.
  case kick(Int)
  /// CLI (false) or STI (true).
  case setInterrupts(Bool)
  /// Enters (true) or leaves the range of instructions that an event handler redirects out of.
  case window(Bool)
  /// STI and HLT as one, or a guest entry: waits for an interrupt; 0 when it came.
  case rest
  /// Any of 0..<n: an outcome the program doesn't control.
  case choose(Int)
  /// Translates through the TLB: a cached entry, else the page-table entry in memory, which is then cached.
  case translate(Int)
  /// Empties the CPU's TLB.
  case flush
}

/// Why a program's run ends before its end.
package enum Stop: Error {
  /// All results so far are used up: this operation is next.
  case next(Operation)
  /// The program saw something that must not be.
  case violation(String)
}
