// LatencyHost: what the suite needs of the board it runs on, as closures so that tasks can hold them.
public import Latency
public import Tasks

/// The board below the suite.
public final class LatencyHost: @unchecked Sendable {
  /// CPUs that run.
  public var cpus = 1
  /// The lines by which CPUs reach each other.
  public let table: OwnerTable
  /// Ticks of the counter in a millisecond.
  public var kilohertz: UInt64 = 1_000_000
  /// What the counter counts.
  public var flags: LatencyFlags = []
  /// Sends a byte of output.
  public let put: (UInt8) -> Void
  /// Called when everything was measured; false if a measurement was refused.
  public let end: (Bool) -> Void
  /// Rests the calling CPU until it is kicked or until a tick, without the executor, unless the closure, asked with
  /// wakes held off, says that the reason to rest is gone; nil if it cannot.
  public var rest: ((UInt64?, () -> Bool) -> Void)?
  /// Empties the caches; nil if that cannot be done.
  public var cool: (() -> Void)?
  /// Interrupts the calling CPU: the handler keeps its own stamp and posts bit 0; nil without interrupts.
  public var interrupt: (() -> Void)?
  /// The stamp that the handler kept.
  public var interruptStamp: (() -> UInt64)?
  /// Counts instructions and locked instructions from the first call to the second, of the calling CPU.
  public var beginCount: (() -> Void)?
  /// Ends the counting.
  public var endCount: (() -> (instructions: UInt64, locked: UInt64))?
  /// Calls of the heap so far.
  public var heapCalls: (() -> UInt64)?
  /// Bytes that the tasks' pools hold.
  public var taskBytes: (() -> UInt64)?
  /// Instructions from entry until the suite began; nil if they were not counted.
  public var bootInstructions: UInt64?
  /// Whether tasks can sleep.
  public var hasTimer = false
  /// The most armed timers, and the most tasks at once, that memory allows.
  public var timerLimit = 10_000
  /// Tasks in the largest ring.
  public var taskLimit = 1_000

  /// Word 0: 1 while idle CPUs poll instead of halting.
  let shared = SharedWords(count: 32)

  /// A host.
  public init(table: OwnerTable, put: @escaping (UInt8) -> Void, end: @escaping (Bool) -> Void) {
    self.table = table
    self.put = put
    self.end = end
  }

  /// Whether idle CPUs poll instead of halting.
  public var idlePolls: Bool { shared[0].loadAcquire() != 0 }

  func setIdlePolls(_ polls: Bool) {
    shared[0].storeRelease(polls ? 1 : 0)
    for cpu in 1..<max(1, cpus) { ThisCPU.kick(UInt16(truncatingIfNeeded: cpu)) }
  }
}
