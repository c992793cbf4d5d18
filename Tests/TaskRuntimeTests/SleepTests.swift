// SleepTests: timers of tasks in the executor: never early, in order, a bounded number in a pass.
import TaskRuntime
import Tasks
import TestSupport
import Testing

@Suite struct SleepTests {
  private func spawnSleeper(
    _ machine: HostedMachine, until deadline: UInt64, _ note: @escaping @Sendable (String) -> Void
  ) throws(SpawnError) -> TaskRef {
    try spawn("sleeper") {
      note(await outcome { () throws(WaitError) in try await Executor.sleep(until: deadline) })
    }
  }

  @Test func aSleepEndsAtItsTickAndNeverBefore() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      for deadline in [1, 63, 64, 65, 4_095, 4_096, 5_000] as [UInt64] {
        _ = try spawnSleeper(machine, until: deadline) { end in
          machine.journal.note("\(deadline) \(end) at \(ThisCPU.now)")
        }
      }
      for tick in 0...5_001 as ClosedRange<UInt64> { machine.advance(to: tick) }
      return machine.journal.take()
    }
    #expect(seen == [1, 63, 64, 65, 4_095, 4_096, 5_000].map { "\($0) done at \($0)" })
  }

  @Test func randomSleepsAreNeverEarlyAndEndAtTheFirstPassThatSeesThem() {
    let seed = UInt64.random(in: .min ... .max)
    print("sleeps: random seed \(seed)")
    let seen = HostedMachine.run { machine throws(SpawnError) in
      var random = SeededRandom(seed: seed)
      var now: UInt64 = 0
      let last = Shared<UInt64>(0)
      let faults = Shared(0)
      let ended = Shared(0)
      for _ in 0..<300 {
        for _ in 0..<Int.random(in: 0...4, using: &random) {
          let deadline =
            now
            + (UInt64.random(in: 0...1 << 20, using: &random) >> UInt64.random(in: 0...20, using: &random))
          _ = try spawnSleeper(machine, until: deadline) { _ in
            ended.value += 1
            let isLate = last.value >= deadline && ThisCPU.now != last.value && deadline > last.value
            if ThisCPU.now < deadline || isLate { faults.value += 1 }
          }
        }
        machine.settle()
        last.value = now
        now += UInt64.random(in: 0...1 << 16, using: &random) >> UInt64.random(in: 0...16, using: &random)
        machine.advance(to: now)
      }
      machine.advance(to: now + 1 << 21)
      machine.settle()
      return (faults.value, ended.value, Executor.currentCounts.spawned)
    }
    #expect(seen?.0 == 0, "seed \(seed)")
    #expect(seen.map { UInt64($0.1) == $0.2 } == true, "seed \(seed): \(String(describing: seen))")
  }

  @Test func aPassHandsOutABoundedNumberOfTimers() {
    // I3: a heap of due timers does not keep a CPU from its messages.
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let woken = Shared(0)
      for _ in 0..<200 { _ = try spawnSleeper(machine, until: 10) { _ in woken.value += 1 } }
      machine.settle()
      ThisCPU.setHostedClock(10)
      var perStep: [Int] = []
      while machine.step() == .more {
        perStep.append(woken.value)
        woken.value = 0
      }
      return perStep
    }
    #expect(seen?.max() == 64 && seen?.reduce(0, +) == 200, "\(seen ?? [])")
  }

  @Test func aCancelledSleepEndsAtOnceAndIsDisarmed() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let task = try spawnSleeper(machine, until: 100) { end in machine.journal.note(end) }
      machine.settle()
      let armed = task.timerSlot != TimerSlot.unarmed
      task.cancel()
      machine.settle()
      return (armed, machine.journal.take(), task.timerSlot)
    }
    #expect(seen?.0 == true && seen?.1 == ["cancelled"] && seen?.2 == TimerSlot.unarmed)
  }

  @Test func aWakeThatIsNotTheTimerDoesNotEndASleep() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let task = try spawnSleeper(machine, until: 100) { end in machine.journal.note(end) }
      machine.settle()
      task.unpark()
      machine.advance(to: 99)
      let early = machine.journal.take()
      machine.advance(to: 100)
      return (early, machine.journal.take())
    }
    #expect(seen?.0 == [] && seen?.1 == ["done"])
  }
}
