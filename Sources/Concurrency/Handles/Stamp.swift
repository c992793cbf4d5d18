// Stamp: fenced readings of the time-stamp counter, for measurements.
import AsyncEntry

/// The counter that latencies are measured with.
public enum Stamp {
  /// Ticks now; every earlier instruction has completed, no later one has begun.
  @inline(__always) public static func now() -> UInt64 { apus_stamp() }
}
