// Board: runs an object that was compiled against the toolchain's module, on our entry points.
import SimMachine
import TaskRuntime
import Tasks
import ToolchainABI

/// An event of the program: its logical task and a number.
@c(abi_record) public func abiRecord(_ task: Int, _ event: Int) {
  SimProcess.print(UInt64(task))
  SimProcess.print(event < 0 ? " -" : " ")
  SimProcess.print(UInt64(event.magnitude))
  SimProcess.print("\n")
}

/// The program has come to its end.
@c(abi_done) public func abiDone() { SimProcess.exit(0) }

@main struct Program {
  static func main() {
    let machine = SimMachine(count: SimProcess.cpus)
    Executor.prepare(machine.ownerTable)
    for cpu in 0..<machine.count {
      machine.enter(cpu)
      let index = UInt16(truncatingIfNeeded: cpu)
      guard Executor.install(index: index, table: machine.ownerTable, seat: machine.seat(cpu), flush: {})
      else {
        SimProcess.exit(1)
      }
    }
    machine.enter(0)
    abi_start()
    for step in 0..<1_000_000 {
      machine.enter(step % machine.count)
      _ = Executor.step(flush: {})
    }
    SimProcess.print("abi: the program did not end\n")
    SimProcess.exit(1)
  }
}
