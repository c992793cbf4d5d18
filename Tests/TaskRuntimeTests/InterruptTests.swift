// InterruptTests: tasks that wait for what an interrupt handler posts.
import TaskRuntime
import Tasks
import Testing

@Suite struct InterruptTests {
  private func spawnWaiter(
    _ machine: HostedMachine, _ source: Int, times: Int = 1
  ) throws(SpawnError) -> TaskRef {
    let journal = machine.journal
    return try spawn("waiter") {
      for _ in 0..<times {
        let end = await outcome { () throws(WaitError) in try await Executor.waitForInterrupt(source) }
        journal.note("\(source) \(end)")
      }
    }
  }

  @Test func aPostWakesTheTaskThatWaitsForItsSourceAndNoOther() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      for source in [0, 5, 15] { _ = try spawnWaiter(machine, source) }
      machine.settle()
      var history: [[String]] = []
      for bits in [1 << 5, 1 << 16, 1 << 15 | 1] as [UInt64] {
        ThisCPU.postPending(bits)
        machine.settle()
        history.append(machine.journal.take())
      }
      return history
    }
    #expect(seen == [["5 done"], [], ["0 done", "15 done"]])
  }

  @Test func aPostThatComesWhileNobodyWaitsIsNotLost() {
    // A delayed interrupt never loses one (issue 2, item 4): the handler may run while the task is busy.
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let task = try spawnWaiter(machine, 3, times: 2)
      ThisCPU.postPending(8)
      machine.settle()
      let first = (machine.journal.take(), task.isIn(.parked))
      ThisCPU.postPending(8)
      machine.settle()
      return (first, machine.journal.take(), task.isIn(.done))
    }
    #expect(seen?.0.0 == ["3 done"] && seen?.0.1 == true)
    #expect(seen?.1 == ["3 done"] && seen?.2 == true)
  }

  @Test func aWakeThatIsNoInterruptDoesNotEndTheWait() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let task = try spawnWaiter(machine, 3)
      machine.settle()
      task.unpark()
      machine.settle()
      let early = machine.journal.take()
      ThisCPU.postPending(8)
      machine.settle()
      return (early, machine.journal.take())
    }
    #expect(seen?.0 == [] && seen?.1 == ["3 done"])
  }

  @Test func aWaitEndsByCancellationAndLeavesTheSourceFree() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let task = try spawnWaiter(machine, 3)
      machine.settle()
      task.cancel()
      machine.settle()
      let first = machine.journal.take()
      _ = try spawnWaiter(machine, 3)
      machine.settle()
      ThisCPU.postPending(8)
      machine.settle()
      return (first, machine.journal.take())
    }
    #expect(seen?.0 == ["3 cancelled"] && seen?.1 == ["3 done"])
  }

  @Test func aSecondWaiterAndASourceThatDoesNotExistAreRefused() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      _ = try spawnWaiter(machine, 3)
      machine.settle()
      for source in [3, 16, -1] { _ = try spawnWaiter(machine, source) }
      machine.settle()
      return machine.journal.take()
    }
    #expect(seen == ["3 full", "16 closed", "-1 closed"])
  }
}
