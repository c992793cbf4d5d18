// DeadlineTests: limits in time around any await, on the tests' own clock.
import TaskRuntime
import Tasks
import Testing

@Suite struct DeadlineTests {
  /// Spawns a task that waits under deadlines nested as given, outermost first, and notes each end.
  private func spawnNested(
    _ machine: HostedMachine, _ deadlines: [UInt64], _ event: Event
  ) throws(SpawnError) -> TaskRef {
    try spawn("nested") { await self.nest(machine, deadlines[...], event) }
  }

  private func nest(_ machine: HostedMachine, _ deadlines: ArraySlice<UInt64>, _ event: Event) async {
    guard let first = deadlines.first else {
      let end = await outcome { () throws(WaitError) in try await event.wait() }
      return machine.journal.note("wait \(end) at \(ThisCPU.now)")
    }
    _ = await outcome { () throws(WaitError) in
      try await withDeadline(first) { () throws(WaitError) in
        await nest(machine, deadlines.dropFirst(), event)
        let end = await outcome { () throws(WaitError) in try await event.wait() }
        machine.journal.note("\(first) \(end) at \(ThisCPU.now)")
      }
    }
  }

  @Test(arguments: [
    ([100, 50] as [UInt64], ["wait timedOut at 50", "50 timedOut at 50", "100 timedOut at 100"]),
    ([50, 100], ["wait timedOut at 50", "100 timedOut at 50", "50 timedOut at 50"]),
    ([90, 30, 60], ["wait timedOut at 30", "60 timedOut at 30", "30 timedOut at 30", "90 timedOut at 90"]),
  ])
  func theEarliestDeadlineHoldsAndTheOuterOneComesBack(deadlines: [UInt64], ends: [String]) {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let task = try spawnNested(machine, deadlines, Event())
      machine.settle()
      for tick in 0...120 as ClosedRange<UInt64> { machine.advance(to: tick) }
      return (machine.journal.take(), task.scopeDeadline)
    }
    #expect(seen?.0 == ends && seen?.1 == .max)
  }

  @Test func aDeadlineGoneByEndsTheFirstWaitAtOnce() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      ThisCPU.setHostedClock(10)
      _ = try spawnNested(machine, [10], Event())
      machine.settle()
      return machine.journal.take()
    }
    #expect(seen == ["wait timedOut at 10", "10 timedOut at 10"])
  }

  @Test func aWaitThatIsServedInTimeDisarmsItsTimer() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let event = Event()
      let task = try spawn("waiter") {
        _ = await outcome { () throws(WaitError) in
          try await withDeadline(50) { () throws(WaitError) in try await event.wait() }
        }
        machine.journal.note("served")
        await Leaf.park()
        machine.journal.note("stray wake")
      }
      machine.settle()
      let armed = task.timerSlot != TimerSlot.unarmed
      event.set()
      machine.settle()
      machine.advance(to: 1_000)
      return (armed, task.timerSlot, machine.journal.take())
    }
    #expect(seen?.0 == true && seen?.1 == TimerSlot.unarmed && seen?.2 == ["served"])
  }

  @Test func everyLeafThrowsTimedOutAtTheDeadlineAndNotBefore() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let event = Event()
      let semaphore = Semaphore(permits: 0)
      let mutex = AsyncMutex()
      _ = mutex.tryLock()
      let channel = Channel<Int, 1>()
      let shot = OneShot<Int>()
      let box = Mailbox<2>()
      for number in 0..<8 {
        try spawn("waiter") {
          let end = await outcome { () throws(WaitError) in
            try await withDeadline(100) { () throws(WaitError) in
              switch number {
              case 0: try await event.wait()
              case 1: try await semaphore.acquire()
              case 2: try await mutex.lock()
              case 3: _ = try await channel.receive()
              case 4: _ = try await shot.receive()
              case 5: _ = try await box.receive()
              case 6: try await Executor.waitForInterrupt(1)
              default: try await Executor.sleep(until: 200)
              }
            }
          }
          machine.journal.note("\(number) \(end)")
        }
      }
      machine.settle()
      machine.advance(to: 99)
      let early = machine.journal.take()
      machine.advance(to: 100)
      return (early, machine.journal.take().sorted())
    }
    #expect(seen?.0 == [])
    #expect(seen?.1 == (0..<8).map { "\($0) timedOut" })
  }
}
