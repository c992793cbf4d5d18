// EventTests: the flag that wakes all its waiters.
import TaskRuntime
import Tasks
import Testing

@Suite struct EventTests {
  private func spawnWaiter(
    _ machine: HostedMachine, _ name: String, on event: Event
  ) throws(SpawnError) -> TaskRef {
    try spawn("waiter") {
      machine.journal.note(name + " " + (await outcome { () throws(WaitError) in try await event.wait() }))
    }
  }

  @Test func settingWakesAllWaitersInTheOrderTheyCame() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let event = Event()
      for name in ["a", "b", "c"] { _ = try spawnWaiter(machine, name, on: event) }
      machine.settle()
      let early = machine.journal.take()
      event.set()
      machine.settle()
      return (early, machine.journal.take(), event.isSet)
    }
    #expect(seen?.0 == [] && seen?.1 == ["a done", "b done", "c done"] && seen?.2 == true)
  }

  @Test func aSetEventIsPassedAtOnceAndAResetOneIsNot() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let event = Event(isSet: true)
      _ = try spawnWaiter(machine, "a", on: event)
      machine.settle()
      let first = machine.journal.take()
      event.reset()
      let second = try spawnWaiter(machine, "b", on: event)
      machine.settle()
      return (first, machine.journal.take(), second.isIn(.parked))
    }
    #expect(seen?.0 == ["a done"] && seen?.1 == [] && seen?.2 == true)
  }

  @Test func aWakeThatIsNotTheEventDoesNotEndTheWait() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let event = Event()
      let task = try spawnWaiter(machine, "a", on: event)
      machine.settle()
      task.unpark()
      machine.settle()
      let early = machine.journal.take()
      event.set()
      machine.settle()
      return (early, machine.journal.take())
    }
    #expect(seen?.0 == [] && seen?.1 == ["a done"])
  }

  @Test func aCancelledWaiterLeavesTheListAndTheOthersStay() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let event = Event()
      _ = try spawnWaiter(machine, "a", on: event)
      let middle = try spawnWaiter(machine, "b", on: event)
      _ = try spawnWaiter(machine, "c", on: event)
      machine.settle()
      middle.cancel()
      machine.settle()
      event.set()
      machine.settle()
      return machine.journal.take()
    }
    #expect(seen == ["b cancelled", "a done", "c done"])
  }

  @Test func aTaskCancelledBeforeItsWaitDoesNotWait() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let task = try spawnWaiter(machine, "a", on: Event())
      task.cancel()
      machine.settle()
      return machine.journal.take()
    }
    #expect(seen == ["a cancelled"])
  }

  @Test func anEventSetAfterTheCancellationButBeforeTheTaskRanIsHad() {
    // A grant is never thrown away: whoever took the waiter out of the list has given it the wait.
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let event = Event()
      let task = try spawnWaiter(machine, "a", on: event)
      machine.settle()
      task.cancel()
      event.set()
      machine.settle()
      return machine.journal.take()
    }
    #expect(seen == ["a done"])
  }
}
