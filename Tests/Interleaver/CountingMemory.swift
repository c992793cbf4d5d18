// CountingMemory: shared memory that counts locked instructions, fences and the cache lines that move.
import TaskRuntime

/// Runs an algorithm in one chosen order and counts what it would cost on a coherent machine.
package final class CountingMemory: InboxMemory {
  package typealias Cell = Int
  package typealias Failure = Never

  /// What was counted since `reset`.
  package struct Counts: Equatable, Sendable {
    /// Locked instructions.
    package var locked = 0
    /// Fences that are not part of a locked instruction.
    package var fences = 0
    /// Times a line came from another CPU.
    package var moves = 0
    /// Times a line that was here already had to be taken from others to be written.
    package var upgrades = 0
    /// Distinct lines that came from another CPU.
    package var lines: Set<Int> = []
  }

  /// The CPU that runs now.
  package var cpu = 0
  /// What was counted since `reset`.
  package private(set) var counts = Counts()
  private var words: [UInt64]
  private let lineOfCell: [Int]
  /// The CPUs that hold each line; a writer holds it alone.
  private var holders: [Int: Set<Int>] = [:]

  /// Cells by the number of the line that each lies on.
  package init(lineOfCell: [Int], initial: [Int: UInt64] = [:]) {
    self.lineOfCell = lineOfCell
    words = [UInt64](repeating: 0, count: lineOfCell.count)
    for (cell, value) in initial { words[cell] = value }
  }

  /// Counts from zero; the lines stay where they are.
  package func reset() { counts = Counts() }

  private func touch(_ cell: Int, writes: Bool) {
    let line = lineOfCell[cell]
    let held = holders[line] ?? []
    if !held.isEmpty, !held.contains(cpu) {
      counts.moves += 1
      counts.lines.insert(line)
    } else if writes, held.count > 1 {
      counts.upgrades += 1
    }
    holders[line] = writes ? [cpu] : held.union([cpu])
  }

  package func loadRelaxed(_ cell: Int) -> UInt64 {
    touch(cell, writes: false)
    return words[cell]
  }
  package func loadAcquire(_ cell: Int) -> UInt64 { loadRelaxed(cell) }
  package func storeRelaxed(_ value: UInt64, to cell: Int) {
    touch(cell, writes: true)
    words[cell] = value
  }
  package func storeRelease(_ value: UInt64, to cell: Int) { storeRelaxed(value, to: cell) }
  package func exchange(_ value: UInt64, in cell: Int) -> UInt64 {
    touch(cell, writes: true)
    counts.locked += 1
    defer { words[cell] = value }
    return words[cell]
  }
  package func compareExchange(_ cell: Int, expected: UInt64, desired: UInt64) -> UInt64 {
    touch(cell, writes: true)
    counts.locked += 1
    let old = words[cell]
    if old == expected { words[cell] = desired }
    return old
  }
  package func fence() { counts.fences += 1 }
  package func pause() {}
  package func link(of message: InboxMessage) -> Int { Int(message.node >> 2) }
}
