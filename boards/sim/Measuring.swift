// Measuring: the suites that the Linux-process build runs instead of its relay.
import RuntimeBench
import SimMachine
import TaskRuntime
import Tasks

enum Measuring {
  /// Runs the suite that was asked for and ends the process.
  static func run() -> Never {
    guard SimProcess.isSuite("runtime") else {
      SimProcess.print("sim: there is no such suite: runtime\n")
      SimProcess.exit(2)
    }
    let host = BenchHost(
      now: { ThisCPU.now }, put: { SimProcess.put($0) }, mark: {}, taskBytes: { 0 },
      end: { SimThreads.stop() })
    let suite = Suite(host)
    end(ThreadWorld(cpus: 1) { _ throws(SpawnError) in try spawn("bench") { await suite.run() } })
  }

  private static func end(_ world: ThreadWorld) -> Never {
    guard world.run(seconds: SimProcess.limit) else { SimProcess.exit(3) }
    SimProcess.print("{\"ticks_per_millisecond\":")
    SimProcess.print(SimThreads.kilohertz)
    SimProcess.print("}\n")
    SimProcess.exit(0)
  }
}
