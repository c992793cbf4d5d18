// ExecutorMessageTests: wakes, first runs, moves and cancellations between two CPUs.
import TaskRuntime
import Tasks
import Testing

@Suite struct ExecutorMessageTests {
  @Test func aTaskForAnotherCPURunsThereAndIsCountedThere() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let journal = machine.journal
      let task = try spawn("remote", on: 1) { journal.note("on \(ThisCPU.index)") }
      machine.settle(0)
      let early = (journal.take(), task.isIn(.moving))
      machine.settle(1)
      let counts = Executor.currentCounts
      return (early, journal.take(), counts, task.isIn(.done))
    }
    #expect(seen?.0.0 == [] && seen?.0.1 == true)
    #expect(seen?.1 == ["on 1"])
    #expect(seen?.2.spawned == 1 && seen?.2.ended == 1 && seen?.2.messages == 1)
    #expect(seen?.3 == true)
  }

  @Test func messagesOfOneSenderAreHandledInTheOrderTheyWereSent() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let journal = machine.journal
      for number in 0..<20 { try spawn("numbered", on: 1) { journal.note("\(number)") } }
      machine.settle(1)
      return journal.take()
    }
    #expect(seen == (0..<20).map(String.init))
  }

  @Test func aRemoteUnparkEndsTheParkOnTheOwnersCPU() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let journal = machine.journal
      let task = try spawn("parked", on: 1) {
        await Leaf.park()
        journal.note("woke on \(ThisCPU.index)")
      }
      machine.settle(1)
      machine.enter(0)
      task.unparkRemotely()
      let parked = task.isIn(.parked)
      machine.settle(0)
      let early = journal.take()
      machine.settle(1)
      return (parked, early, journal.take())
    }
    #expect(seen?.0 == true && seen?.1 == [] && seen?.2 == ["woke on 1"])
  }

  @Test func aTaskThatVisitsAnotherCPUEndsAtItsHome() {
    // I1: the list of a CPU's tasks is touched by that CPU only.
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let journal = machine.journal
      let task = try spawn("visitor") {
        journal.note("\(ThisCPU.index)")
        await Leaf.visit(1)
        journal.note("\(ThisCPU.index)")
        await Leaf.yield()
        journal.note("\(ThisCPU.index)")
      }
      machine.settle(0)
      machine.settle(1)
      let away = (task.isIn(.moving), task.place)
      let endedAway = Executor.currentCounts.ended
      machine.settle(0)
      var listed = 0
      Executor.forEachTask(limit: 10) { _ in listed += 1 }
      return (journal.take(), away, endedAway, task.isIn(.done), Executor.currentCounts.ended, listed)
    }
    #expect(seen?.0 == ["0", "1", "1"])
    #expect(seen?.1.0 == true && seen?.1.1 == 0)
    #expect(seen?.2 == 0 && seen?.3 == true && seen?.4 == 1 && seen?.5 == 0)
  }

  @Test func aTaskThatParksAwayFromHomeIsWokenWhereItIs() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let journal = machine.journal
      let task = try spawn("visitor") {
        await Leaf.visit(1)
        await Leaf.park()
        journal.note("woke on \(ThisCPU.index)")
      }
      machine.settleBoth()
      machine.enter(0)
      task.unparkRemotely()
      machine.settleBoth()
      return (journal.take(), task.isIn(.done))
    }
    #expect(seen?.0 == ["woke on 1"] && seen?.1 == true)
  }

  @Test func aCancellationByMessageWakesALeafOnTheOwnersCPU() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let journal = machine.journal
      let task = try spawn("waiter", on: 1) {
        let event = Event()
        journal.note(await outcome { () throws(WaitError) in try await event.wait() })
      }
      machine.settle(1)
      machine.enter(0)
      task.cancel()
      let early = (task.isIn(.parked), task.isCancelled)
      machine.settle(1)
      return (early, journal.take())
    }
    #expect(seen?.0.0 == true && seen?.0.1 == true)
    #expect(seen?.1 == ["cancelled"])
  }

  @Test func aWakeAndACancellationInOneBatchLoseNothing() {
    // The cancellation calls back into the executor while it handles its messages.
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let journal = machine.journal
      var tasks: [TaskRef] = []
      for number in 0..<12 {
        tasks.append(
          try spawn("waiter", on: 1) {
            let box = Mailbox<2>()
            if number.isMultiple(of: 2) {
              _ = await outcome { () throws(WaitError) in _ = try await box.receive() }
            } else {
              await Leaf.park()
            }
            journal.note("\(number)")
          })
      }
      machine.settle(1)
      machine.enter(0)
      for (number, task) in tasks.enumerated() {
        if number.isMultiple(of: 2) { task.cancel() } else { task.unparkRemotely() }
      }
      machine.settle(1)
      return journal.take()
    }
    #expect(seen == (0..<12).map(String.init))
  }

  @Test func aCancellationOfATaskOnItsWayIsSeenWhenItArrives() {
    // The task is in CPU 1's inbox (moving): the message waits there behind it and nothing is lost.
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let journal = machine.journal
      let task = try spawn("mover") {
        await Leaf.visit(1)
        let event = Event()
        journal.note(await outcome { () throws(WaitError) in try await event.wait() })
      }
      machine.settle(0)
      let moving = task.isIn(.moving)
      task.cancel()
      machine.settleBoth()
      return (moving, journal.take(), task.isIn(.done))
    }
    #expect(seen?.0 == true && seen?.1 == ["cancelled"] && seen?.2 == true)
  }

  @Test func aCancellationThatArrivesBeforeTheTaskIsSeenToo() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let journal = machine.journal
      let task = try spawn("never started", on: 1) {
        let event = Event()
        journal.note(await outcome { () throws(WaitError) in try await event.wait() })
      }
      machine.enter(1)
      task.cancel()
      machine.settle(1)
      return (journal.take(), task.isIn(.done))
    }
    #expect(seen?.0 == ["cancelled"] && seen?.1 == true)
  }

  @Test func aCancellationThatComesAfterTheEndDoesNothing() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let task = try spawn("short", on: 1) {}
      machine.settle(1)
      machine.enter(0)
      task.cancel()
      machine.settle(1)
      return task.isIn(.done)
    }
    #expect(seen == true)
  }

  @Test func aTaskWithANewHomeIsListedAndEndsThere() {
    // I1: neither CPU's list may be linked by the other one.
    let seen = HostedMachine.run { machine throws(SpawnError) in
      var tasks: [TaskRef] = []
      for number in 0..<3 {
        tasks.append(
          try spawn("settler") {
            if number == 1 {
              machine.journal.note("\(TaskRef.running.setHome(9)) \(TaskRef.running.setHome(1))")
              machine.journal.note("\(TaskRef.running.setHome(0))")
              await Leaf.visit(1)
            }
            await Leaf.park()
          })
      }
      machine.settleBoth()
      func listed(_ cpu: UInt16) -> [Int] {
        machine.enter(cpu)
        var found: [Int] = []
        Executor.forEachTask(limit: 10) { task in found.append(tasks.firstIndex { $0 == task } ?? -1) }
        return found
      }
      let settled = [listed(0), listed(1)]
      machine.enter(1)
      tasks[1].unpark()
      machine.settleBoth()
      return (machine.journal.take(), settled, [listed(0), listed(1)], tasks[1].isIn(.done))
    }
    #expect(seen?.0 == ["false true", "false"])
    #expect(seen?.1 == [[2, 0], [1]])
    #expect(seen?.2 == [[2, 0], []] && seen?.3 == true)
  }
}
