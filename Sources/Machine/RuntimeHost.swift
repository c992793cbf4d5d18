// RuntimeHost: the machine's memory for executors, and its halt.
import AsyncEntry
import Boot
public import Seams
public import Tasks
import X86

extension ApusMachine: TaskHost {
  /// Bytes of an executor's seat.
  private static var seatBytes: UInt64 { 0x8000 }

  /// The lines of all CPUs, in the image's zeroed memory.
  public var ownerTable: OwnerTable {
    // UNSAFETY: 129 lines of the image's .bss, which nobody else uses.
    unsafe OwnerTable(address: apus_owner_lines_address(), count: 128)
  }

  /// Memory for the calling CPU's executor.
  public func makeSeat() -> CPUSeat? {
    guard let memory = unsafe hostAllocate(Self.seatBytes) else { return nil }
    // UNSAFETY: freshly allocated and never given back; the block is this CPU's own.
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: Int(Self.seatBytes))
    let block = unsafe UnsafeMutableRawPointer(Processor.block)
    return unsafe CPUSeat(block: block, memory: memory, bytes: Int(Self.seatBytes))
  }
}

/// STI; HLT, with the timer armed first if there is a deadline.
public struct MachineHalter<Time: SleepClock & Sendable>: Halter, Sendable {
  private let clock: Time

  /// A halt that `clock` can end.
  public init(_ clock: Time) { self.clock = clock }

  /// CLI.
  public func holdWakes() { Interrupts.disable() }
  /// STI.
  public func releaseWakes() { Interrupts.enable() }
  /// Arms, then STI; HLT.
  public func halt(until deadline: UInt64?) {
    if let deadline { clock.arm(at: Instant(ticks: deadline)) }
    haltUntilInterrupt()
  }
  /// Reloads CR3.
  public func flush() { apus_write_cr3(apus_read_cr3()) }
}
