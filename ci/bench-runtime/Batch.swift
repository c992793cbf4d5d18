// Batch: one measured batch of operations: the readings before it, and its JSON line behind it.
import Tasks

/// The readings at a batch's beginning.
struct Batch {
  private let host: BenchHost
  private let misses: UInt64
  private let start: UInt64

  /// Begins a batch; nothing is printed or allocated until `end`.
  @inline(__always) init(_ host: BenchHost) {
    self.host = host
    misses = ThisCPU.poolMisses
    host.mark()
    start = host.now()
  }

  /// Ends the batch and prints its readings; `count` is the metric's parameter (tasks, armed timers).
  @inline(__always) func end(_ metric: String, count: UInt64 = 1, operations: UInt64) {
    let ticks = host.now() &- start
    host.mark()
    let missed = ThisCPU.poolMisses &- misses
    print(metric, count: count, operations: operations, ticks: ticks, missed: missed)
  }

  @inline(never)
  private func print(
    _ metric: String, count: UInt64, operations: UInt64, ticks: UInt64, missed: UInt64
  ) {
    host.write("{\"metric\":\"")
    host.write(metric)
    host.write("\",\"count\":")
    host.write(count)
    host.write(",\"operations\":")
    host.write(operations)
    host.write(",\"ticks\":")
    host.write(ticks)
    host.write(",\"pool_misses\":")
    host.write(missed)
    host.write("}\n")
  }
}
