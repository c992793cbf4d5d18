// ExecutorTests: tasks of one CPU: beginning, parking, waking, yielding, ending.
import TaskRuntime
import Tasks
import Testing

@Suite struct ExecutorTests {
  @Test func aSpawnedTaskRunsAtTheNextStepAndEnds() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let task = try spawn("one") { machine.journal.note("ran") }
      let before = machine.journal.take()
      let results = [machine.step(), machine.step()]
      return (before, results, machine.journal.take(), task.isIn(.done), Executor.currentCounts)
    }
    #expect(seen?.0 == [])
    #expect(seen?.1 == [.more, .idle])
    #expect(seen?.2 == ["ran"])
    #expect(seen?.3 == true)
    #expect(seen?.4.spawned == 1 && seen?.4.ended == 1)
  }

  @Test func aParkedTaskRunsOnlyAfterItsUnpark() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let journal = machine.journal
      let task = try spawn("sleeper") {
        journal.note("parks")
        await Leaf.park()
        journal.note("woke")
      }
      machine.settle()
      let parked = (task.isIn(.parked), journal.take())
      machine.settle()
      let still = journal.take()
      task.unpark()
      let ready = task.isIn(.active)
      machine.settle()
      return (parked, still, ready, journal.take())
    }
    #expect(seen?.0.0 == true && seen?.0.1 == ["parks"])
    #expect(seen?.1 == [])
    #expect(seen?.2 == true && seen?.3 == ["woke"])
  }

  @Test func anUnparkBeforeTheParkIsAPermitForOnePark() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let journal = machine.journal
      let task = try spawn("early") {
        TaskRef.running.unpark()
        TaskRef.running.unpark()
        await Leaf.park()
        journal.note("first park returned")
        await Leaf.park()
        journal.note("second park returned")
      }
      machine.settle()
      return (journal.take(), task.isIn(.parked), task.hasPermit)
    }
    #expect(seen?.0 == ["first park returned"], "permits do not add up")
    #expect(seen?.1 == true && seen?.2 == false)
  }

  @Test func yieldingTasksTakeTurnsInTheOrderTheyCame() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let journal = machine.journal
      for name in ["a", "b", "c"] {
        try spawn("turn") {
          for turn in 0..<3 {
            journal.note("\(name)\(turn)")
            await Leaf.yield()
          }
        }
      }
      machine.settle()
      return journal.take()
    }
    #expect(seen == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"])
  }

  @Test func aLoneYieldingTaskLetsThePassComeRound() {
    // I3: messages and timers are looked at after at most 64 runs of a lone task, whatever a task does.
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let turns = Shared(0)
      try spawn("spinner") {
        for _ in 0..<100 {
          turns.value += 1
          await Leaf.yield()
        }
      }
      var perStep: [Int] = []
      while machine.step() == .more {
        perStep.append(turns.value)
        turns.value = 0
      }
      return perStep
    }
    #expect(seen?.allSatisfy { $0 <= 65 } == true && seen?.reduce(0, +) == 100, "\(seen ?? [])")
  }

  @Test func aMoreUrgentTaskRunsFirst() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let journal = machine.journal
      for level in [7, 2, 0, 5] as [UInt8] {
        try spawn("level", level: level) { journal.note("\(level)") }
      }
      machine.settle()
      return journal.take()
    }
    #expect(seen == ["0", "2", "5", "7"])
  }

  @Test func theListOfTasksHoldsExactlyThoseThatHaveNotEnded() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      var parked: [TaskRef] = []
      for _ in 0..<5 { parked.append(try spawn("parked") { await Leaf.park() }) }
      machine.settle()
      func listed() -> [Int] {
        var found: [Int] = []
        Executor.forEachTask(limit: 100) { task in
          found.append(parked.firstIndex { $0 == task } ?? -1)
        }
        return found.sorted()
      }
      var history = [listed()]
      for index in [2, 0, 4, 1, 3] {
        parked[index].unpark()
        machine.settle()
        history.append(listed())
      }
      return history
    }
    #expect(seen == [[0, 1, 2, 3, 4], [0, 1, 3, 4], [1, 3, 4], [1, 3], [3], []])
  }

  @Test func forEachTaskStopsAtItsLimit() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      for _ in 0..<5 { try spawn("parked") { await Leaf.park() } }
      var count = 0
      Executor.forEachTask(limit: 3) { _ in count += 1 }
      return count
    }
    #expect(seen == 3)
  }
}
