// SimMachine: the sim's virtual CPUs: their blocks, seats and owner lines, and whose turn it is.
import SimHost
public import Tasks

/// The machine that one Linux process plays: up to 64 virtual CPUs on one thread and one clock.
@safe public struct SimMachine: @unchecked Sendable {
  /// How many virtual CPUs there are.
  public let count: Int
  private let memory: UnsafeMutableRawPointer
  private static var seatBytes: Int { 0x8000 }
  private static var blockBytes: Int { 0x1000 }

  /// A machine of `count` CPUs, in fresh memory.
  public init(count: Int) {
    self.count = count
    let bytes = count &* (Self.seatBytes &+ Self.blockBytes) &+ 65 &* 64
    unsafe memory = sim_memory(UInt64(bytes))
  }

  /// The lines by which CPUs reach each other.
  public var ownerTable: OwnerTable {
    unsafe OwnerTable(address: memory + count &* (Self.seatBytes &+ Self.blockBytes), count: count)
  }

  /// Where CPU `cpu`'s executor goes.
  ///
  /// *Requires*: `cpu` is below `count`.
  public func seat(_ cpu: Int) -> CPUSeat {
    let place = unsafe memory + cpu &* (Self.seatBytes &+ Self.blockBytes)
    return unsafe CPUSeat(block: place, memory: place + Self.blockBytes, bytes: Self.seatBytes)
  }

  /// Makes the process CPU `cpu` until the next call.
  ///
  /// *Requires*: `cpu` is below `count`.
  public func enter(_ cpu: Int) {
    unsafe sim_enter(memory + cpu &* (Self.seatBytes &+ Self.blockBytes))
  }
}

/// The process's options, clock and output.
public enum SimProcess {
  /// Virtual CPUs asked for.
  public static var cpus: Int { Int(sim_cpus()) }
  /// The first seed.
  public static var seed: UInt64 { sim_seed() }
  /// How many seeds to run.
  public static var runs: UInt64 { sim_runs() }
  /// Whether every event is printed.
  public static var traces: Bool { sim_traces() != 0 }
  /// The virtual clock, in nanoseconds.
  public static var clock: UInt64 {
    get { sim_clock() }
    set { sim_set_clock(newValue) }
  }
  /// CPUs kicked since the last call, a bit each.
  public static func takeKicks() -> UInt64 { sim_take_kicks() }
  /// Prints a text.
  public static func print(_ text: StaticString) {
    text.withUTF8Buffer { bytes in
      for index in 0..<bytes.count { unsafe sim_put(bytes[index]) }
    }
  }
  /// Prints a number in decimal.
  public static func print(_ value: UInt64) {
    if value >= 10 { print(value / 10) }
    sim_put(UInt8(truncatingIfNeeded: value % 10) &+ 48)
  }
  /// Prints one byte.
  public static func put(_ byte: UInt8) { sim_put(byte) }
  /// Ends the process.
  public static func exit(_ code: Int32) -> Never { sim_exit(code) }
}
