// Batch: one measured batch of operations: the readings before it, and its JSON line behind it.
import Tasks

/// The readings at a batch's beginning.
struct Batch {
  private let host: BenchHost
  private let misses: UInt64
  private let heapMisses: UInt64
  private let start: UInt64

  /// Begins a batch; nothing is printed or allocated until `end`.
  @inline(__always) init(_ host: BenchHost) {
    self.host = host
    misses = ThisCPU.poolMisses
    heapMisses = host.heapMisses()
    host.mark()
    start = host.now()
  }

  /// Ends the batch and prints its readings; `count` is the metric's parameter (tasks, armed timers).
  @inline(__always) func end(_ metric: String, count: UInt64 = 1, operations: UInt64) {
    let ticks = host.now() &- start
    host.mark()
    let missed = (ThisCPU.poolMisses &- misses, host.heapMisses() &- heapMisses)
    print(metric, count: count, operations: operations, ticks: ticks, missed: missed)
  }

  @inline(never)
  private func print(
    _ metric: String, count: UInt64, operations: UInt64, ticks: UInt64, missed: (pools: UInt64, heap: UInt64)
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
    host.write(missed.pools)
    host.write(",\"heap_misses\":")
    host.write(missed.heap)
    host.write("}\n")
  }
}
