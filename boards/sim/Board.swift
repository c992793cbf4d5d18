// Board: the sim: the task runtime on virtual CPUs, in every order that a seed chooses.
import Idle
import Seams
import SimMachine
import TaskRuntime
import Tasks
import Timer

@main struct SimBoard {
  static func main() {
    let first = SimProcess.seed
    for run in 0..<SimProcess.runs {
      let world = World(seed: first &+ run, cpus: SimProcess.cpus)
      if !world.run() {
        SimProcess.print("sim: FAILED with seed ")
        SimProcess.print(first &+ run)
        SimProcess.print("\n")
        SimProcess.exit(1)
      }
    }
    SimProcess.print("{\"board\":\"sim\",\"cpus\":")
    SimProcess.print(UInt64(SimProcess.cpus))
    SimProcess.print(",\"first_seed\":")
    SimProcess.print(first)
    SimProcess.print(",\"runs\":")
    SimProcess.print(SimProcess.runs)
    SimProcess.print("}\n")
    SimProcess.exit(0)
  }
}

/// The virtual clock as the timer service's.
struct SimClock: SleepClock, Sendable {
  static var kind: ClockKind { .polled }
  var frequency: UInt64 { 1_000_000_000 }
  func now() -> Instant { Instant(ticks: SimProcess.clock) }
  func arm(at deadline: Instant) {}
  func disarm() {}
}

/// A rest of a virtual CPU: it returns at once, and the world does not step the CPU until it is kicked or due.
struct SimHalter: Halter, Sendable {
  let world: World
  func holdWakes() {}
  func releaseWakes() {}
  func halt(until deadline: UInt64?) { world.rested(until: deadline) }
  func flush() {}
}
