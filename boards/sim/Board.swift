// Board: the sim: the task runtime on virtual CPUs in every order that a seed chooses, or on threads.
import Idle
import Seams
import SimMachine
import TaskRuntime
import Tasks
import Timer

@main struct SimBoard {
  static func main() {
    if SimProcess.threads > 0 {
      SimThreads.useRealClock()
      if SimProcess.hasSuite { Measuring.run() }
      runThreads()
    }
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

  private static func runThreads() -> Never {
    let relay = Relay(cpus: SimProcess.threads, wakes: SimProcess.wakes, seed: SimProcess.seed)
    let world = ThreadWorld(cpus: SimProcess.threads) { cpu throws(SpawnError) in try relay.start(cpu) }
    let isInTime = world.run(seconds: SimProcess.limit)
    if !isInTime { SimProcess.print("sim: a wake was lost, or the limit is too short\n") }
    SimProcess.print("{\"board\":\"sim\",\"threads\":")
    SimProcess.print(UInt64(SimProcess.threads))
    SimProcess.print(",\"wakes\":")
    SimProcess.print(relay.hops)
    SimProcess.print(",\"lost\":")
    SimProcess.print(relay.isComplete ? "false" : "true")
    SimProcess.print("}\n")
    SimProcess.exit(isInTime ? (relay.isComplete ? 0 : 1) : 3)
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
