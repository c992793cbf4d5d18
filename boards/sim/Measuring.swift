// Measuring: the suites that the Linux-process build runs instead of its relay.
import Latency
import RuntimeBench
import SimMachine
import TaskLatency
import TaskRuntime
import Tasks

enum Measuring {
  /// Runs the suite that was asked for and ends the process.
  static func run() -> Never {
    if SimProcess.isSuite("runtime") { runtime() }
    if SimProcess.isSuite("latency") { latency() }
    SimProcess.print("sim: there is no such suite: runtime, latency\n")
    SimProcess.exit(2)
  }

  private static func runtime() -> Never {
    let host = BenchHost(
      now: { ThisCPU.now }, put: { SimProcess.put($0) }, mark: {}, taskBytes: { 0 },
      heapMisses: { 0 }, end: { SimThreads.stop() })
    let suite = Suite(host)
    let world = ThreadWorld(cpus: 1) { _ throws(SpawnError) in try spawn("bench") { await suite.run() } }
    guard world.run(seconds: SimProcess.limit) else { SimProcess.exit(3) }
    SimProcess.print("{\"ticks_per_millisecond\":")
    SimProcess.print(SimThreads.kilohertz)
    SimProcess.print("}\n")
    SimProcess.exit(0)
  }

  private static func latency() -> Never {
    var options = LatencyOptions()
    guard options.take(all: SimProcess.words) else {
      SimProcess.print("sim: the suite does not know one of its words\n")
      SimProcess.exit(2)
    }
    let outcome = Outcome()
    let world = ThreadWorld(cpus: SimProcess.threads)
    let host = LatencyHost(
      table: world.table, put: { SimProcess.put($0) },
      end: { isWhole in
        outcome.isWhole = isWhole
        SimThreads.stop()
      })
    host.cpus = SimProcess.threads
    host.kilohertz = SimThreads.kilohertz
    host.flags = flags
    // A kick is kept until a halt takes it, so nothing is lost between the question and the halt.
    host.rest = { deadline, isOver in if !isOver() { SimThreads.halt(ThisCPU.index, until: deadline) } }
    host.cool = { SimMeasuring.cool() }
    host.interrupt = { SimMeasuring.interrupt() }
    host.interruptStamp = { SimMeasuring.interruptStamp }
    host.beginCount = { SimMeasuring.beginCount() }
    host.endCount = { SimMeasuring.endCount() }
    host.heapCalls = { SimProcess.heapCalls }
    host.taskBytes = { SimProcess.taskBytes }
    host.hasTimer = true
    host.timerLimit = 100_000
    host.taskLimit = 100_000
    let suite = LatencySuite(host, options)
    world.start = { cpu throws(SpawnError) in
      let idle = LatencyIdle(
        host, hold: {}, release: {}, halt: { SimThreads.halt(ThisCPU.index, until: $0) }, flush: {})
      try spawn("idle", level: 7) { await idle.run() }
      if cpu == 0 { try spawn("latency") { await suite.run() } }
    }
    guard world.run(seconds: SimProcess.limit) else { SimProcess.exit(3) }
    SimProcess.exit(outcome.isWhole ? 0 : 1)
  }

  private static var flags: LatencyFlags {
    switch TraceLevel.current {
    case .off: []
    case .counters: .counters
    case .full: .trace
    }
  }

  private final class Outcome: @unchecked Sendable { var isWhole = false }
}
