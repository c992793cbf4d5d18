// AsyncMutexTests: mutual exclusion across awaits, in the order of asking.
import TaskRuntime
import Tasks
import Testing

@Suite struct AsyncMutexTests {
  @Test func oneTaskAtATimeIsInsideAcrossAwaits() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let mutex = AsyncMutex()
      let inside = Shared((now: 0, most: 0))
      for number in 0..<5 {
        try spawn("user") {
          _ = await outcome { () throws(WaitError) in
            try await mutex.withLock {
              inside.value.now += 1
              inside.value.most = max(inside.value.most, inside.value.now)
              await Leaf.yield()
              await Leaf.yield()
              inside.value.now -= 1
              machine.journal.note("\(number)")
            }
          }
        }
      }
      machine.settle()
      return (inside.value.most, machine.journal.take())
    }
    #expect(seen?.0 == 1)
    #expect(seen?.1 == ["0", "1", "2", "3", "4"])
  }

  @Test func anUnlockHandsOverAndNobodyCanStepIn() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let mutex = AsyncMutex()
      let first = mutex.tryLock()
      try spawn("waiter") {
        _ = await outcome { () throws(WaitError) in try await mutex.lock() }
        machine.journal.note("waiter has it")
        try? mutex.unlock()
      }
      machine.settle()
      try? mutex.unlock()
      let barged = mutex.tryLock()
      machine.settle()
      return (first, barged, machine.journal.take(), mutex.tryLock())
    }
    #expect(seen?.0 == true && seen?.1 == false)
    #expect(seen?.2 == ["waiter has it"] && seen?.3 == true)
  }

  @Test func aTaskThatAsksAgainAtOnceGoesBehindTheOthers() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let mutex = AsyncMutex()
      for name in ["a", "b"] {
        try spawn("greedy") {
          for _ in 0..<3 {
            _ = await outcome { () throws(WaitError) in
              try await mutex.withLock {
                machine.journal.note(name)
                await Leaf.yield()
              }
            }
          }
        }
      }
      machine.settle()
      return machine.journal.take()
    }
    #expect(seen == ["a", "b", "a", "b", "a", "b"])
  }

  @Test func aCancelledWaiterDoesNotGetIt() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let mutex = AsyncMutex()
      _ = mutex.tryLock()
      var tasks: [TaskRef] = []
      for name in ["a", "b"] {
        tasks.append(
          try spawn("waiter") {
            machine.journal.note(
              name + " " + (await outcome { () throws(WaitError) in try await mutex.lock() }))
          })
      }
      machine.settle()
      tasks[0].cancel()
      machine.settle()
      try? mutex.unlock()
      machine.settle()
      return machine.journal.take()
    }
    #expect(seen == ["a cancelled", "b done"])
  }

  @Test func onlyTheHolderCanUnlock() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let mutex = AsyncMutex()
      try spawn("holder") {
        _ = await outcome { () throws(WaitError) in
          try await mutex.lock()
          for _ in 0..<3 { await Leaf.yield() }
          try mutex.unlock()
        }
        machine.journal.note("holder is out")
      }
      try spawn("other") {
        machine.journal.note("other " + (await outcome { () throws(WaitError) in try mutex.unlock() }))
        machine.journal.note("free \(mutex.tryLock())")
      }
      machine.settle()
      let first = machine.journal.take()
      try spawn("late") {
        machine.journal.note("late " + (await outcome { () throws(WaitError) in try mutex.unlock() }))
      }
      machine.settle()
      return (first, machine.journal.take(), mutex.tryLock())
    }
    #expect(seen?.0 == ["other notHolder", "free false", "holder is out"])
    #expect(seen?.1 == ["late notHolder"] && seen?.2 == true)
  }
}
