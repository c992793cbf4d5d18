// RestTests: the idle task, the window before a rest, kicks, and what forbids guest entry.
import TaskRuntime
import Tasks
import Testing

@Suite struct RestTests {
  /// Spawns an idle task that asks to rest as `state` and notes the answer.
  private func spawnIdle(
    _ machine: HostedMachine, as state: OwnerState = .halting, before: @escaping @Sendable () -> Void = {}
  ) throws(SpawnError) {
    let journal = machine.journal
    try spawn("idle", level: 7) {
      Executor.becomeIdleTask()
      while true {
        await Executor.idleTurn()
        before()
        journal.note("\(Executor.prepareToRest(as: state) {})")
      }
    }
  }

  @Test func theIdleTaskRunsOnlyWhenNothingElseIsReady() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let journal = machine.journal
      try spawnIdle(machine)
      try spawn("worker") {
        for turn in 0..<40 {
          await Leaf.yield()
          if turn == 39 { journal.note("worker is done") }
        }
      }
      machine.settle()
      return (journal.take(), Executor.state(of: 0, in: machine.table), Executor.currentCounts.rests)
    }
    #expect(seen?.0 == ["worker is done", "rest(until: nil)"])
    #expect(seen?.1 == .halting && seen?.2 == 1)
  }

  @Test func theNextPassLeavesTheRest() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      try spawnIdle(machine)
      machine.settle()
      let rested = Executor.state(of: 0, in: machine.table)
      try spawn("observer") { machine.journal.note("\(Executor.state(of: 0, in: machine.table))") }
      _ = machine.journal.take()
      machine.step()
      return (rested, machine.journal.take())
    }
    #expect(seen?.0 == .halting)
    #expect(seen?.1 == ["\(OwnerState.running)"])
  }

  @Test func aMessageThatComesBeforeTheRestIsSeen() {
    // I2: what was pushed before the CPU published its state makes it stay.
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let once = Shared(true)
      try spawnIdle(machine) {
        guard once.value else { return }
        once.value = false
        machine.enter(1)
        _ = try? spawn("from CPU 1", on: 0) { machine.journal.note("message ran") }
        machine.enter(0)
      }
      machine.settle()
      machine.settle()
      return (machine.journal.take(), ThisCPU.hostedKicks)
    }
    #expect(seen?.0 == ["stay", "message ran", "rest(until: nil)"])
    #expect(seen?.1 == 0)
  }

  @Test func aPendingInterruptOrAReadyTaskOrADueTimerMakesItStay() {
    // I2
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let turn = Shared(0)
      try spawnIdle(machine) {
        turn.value += 1
        switch turn.value {
        case 1: ThisCPU.postPending(1)
        case 2: _ = try? spawn("late") {}
        case 3:
          _ = try? spawn("sleeper") {
            _ = await outcome { () throws(WaitError) in try await Executor.sleep(until: 10) }
          }
        case 4: ThisCPU.setHostedClock(10)
        default: break
        }
      }
      for _ in 0..<20 { machine.step() }
      return machine.journal.take()
    }
    #expect(seen?.prefix(5) == ["stay", "stay", "stay", "stay", "rest(until: nil)"])
  }

  @Test func aRestIsToldTheEarliestDeadline() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      try spawnIdle(machine)
      for deadline in [500, 70, 90] as [UInt64] {
        try spawn("sleeper") {
          _ = await outcome { () throws(WaitError) in try await Executor.sleep(until: deadline) }
        }
      }
      machine.settle()
      return machine.journal.take()
    }
    #expect(seen == ["rest(until: Optional(70))"])
  }

  @Test func aRunningCPUIsNotKickedAndARestingOneIsKickedForEachMessage() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      try spawnIdle(machine)
      machine.enter(1)
      try spawn("to a running CPU", on: 0) {}
      let whileRunning = ThisCPU.hostedKicks
      machine.settle(0)
      let state = Executor.state(of: 0, in: machine.table)
      machine.enter(1)
      try spawn("to a resting CPU", on: 0) {}
      let kicksOfSender = Executor.currentCounts.kicks
      return (whileRunning, state, ThisCPU.hostedKicks, kicksOfSender)
    }
    #expect(seen?.0 == 0)
    #expect(seen?.1 == .halting)
    #expect(seen?.2 == 1 && seen?.3 == 1)
  }

  @Test func noMutexIsHeldWhenTheGuestIsEntered() {
    // Design: an async mutex is never held across guest entry; halting with one held is allowed.
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let mutex = AsyncMutex()
      try spawnIdle(machine, as: .inGuest)
      let holder = try spawn("holder") {
        _ = await outcome { () throws(WaitError) in try await mutex.lock() }
        await Leaf.park()
        try? mutex.unlock()
      }
      machine.settle()
      let held = machine.journal.take()
      holder.unpark()
      machine.settle()
      return (held, machine.journal.take(), Executor.state(of: 0, in: machine.table))
    }
    #expect(seen?.0 == ["stay"])
    #expect(seen?.1 == ["rest(until: nil)"])
    #expect(seen?.2 == .inGuest)
  }

  @Test func haltingIsAllowedWithAMutexHeld() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let mutex = AsyncMutex()
      try spawnIdle(machine)
      try spawn("holder") {
        _ = mutex.tryLock()
        await Leaf.park()
      }
      machine.settle()
      return machine.journal.take()
    }
    #expect(seen == ["rest(until: nil)"])
  }

  @Test func aMovedGenerationIsFlushedForAtTheNextPassAndAfterARest() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let generation = FlushGeneration<HardwareMemory>(cell: machine.table.flushGeneration)
      machine.settle()
      var flushes = [machine.flushes]
      _ = generation.retire(in: HardwareMemory())
      machine.settle()
      machine.settle()
      flushes.append(machine.flushes)
      try spawnIdle(machine)
      machine.settle()
      _ = generation.retire(in: HardwareMemory())
      flushes.append(machine.flushes)
      machine.step()
      flushes.append(machine.flushes)
      return flushes
    }
    #expect(seen == [0, 1, 1, 2])
  }
}
