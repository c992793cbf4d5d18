// Board: the conformance program on our runtime, on one virtual CPU or several.
import Conformance
import SimMachine
import TaskRuntime
import Tasks
import _Concurrency

final class Events: Recorder, @unchecked Sendable {
  private var lines: [(task: Int, event: Int)] = []
  private(set) var isDone = false
  func record(_ task: Int, _ event: Int) { lines.append((task, event)) }
  func done() { isDone = true }
  func print() {
    for task in 0..<32 {
      for line in lines where line.task == task {
        SimProcess.print(UInt64(task))
        SimProcess.print(line.event < 0 ? " -" : " ")
        SimProcess.print(UInt64(line.event.magnitude))
        SimProcess.print("\n")
      }
    }
  }
}

@main struct Program {
  static func main() {
    let machine = SimMachine(count: SimProcess.cpus)
    Executor.prepare(machine.ownerTable)
    let events = Events()
    for cpu in 0..<machine.count {
      machine.enter(cpu)
      if !Executor.install(index: UInt16(cpu), table: machine.ownerTable, seat: machine.seat(cpu), flush: {})
      {
        SimProcess.exit(1)
      }
    }
    machine.enter(machine.count - 1)
    do throws(SpawnError) {
      try spawn("conformance") {
        await conformance(events)
        events.done()
      }
    } catch {
      SimProcess.exit(1)
    }
    var steps = 0
    while !events.isDone && steps < 1_000_000 {
      machine.enter(steps % machine.count)
      _ = Executor.step(flush: {})
      steps += 1
    }
    events.print()
    SimProcess.exit(events.isDone ? 0 : 1)
  }
}
