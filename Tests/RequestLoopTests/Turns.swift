// Turns: a task that notes each of its turns.
import Tasks

typealias SpawnFailure = SpawnError

/// Spawns a task that notes its turns until the log ends.
func spawnCounter(_ log: StepLog) throws(SpawnError) {
  try spawn("counter") {
    while log.steps.last != "end", log.steps.count < 10_000 {
      log.steps.append("turn")
      await Leaf.yield()
    }
  }
}
