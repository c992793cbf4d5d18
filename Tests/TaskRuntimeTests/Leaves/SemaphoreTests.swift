// SemaphoreTests: permits handed out in the order of asking, never more than there are.
import TaskRuntime
import Tasks
import TestSupport
import Testing

@Suite struct SemaphoreTests {
  private func spawnTaker(
    _ machine: HostedMachine, _ name: String, _ semaphore: Semaphore
  ) throws(SpawnError) -> TaskRef {
    try spawn("taker") {
      let end = await outcome { () throws(WaitError) in try await semaphore.acquire() }
      machine.journal.note(name + " " + end)
    }
  }

  @Test func permitsGoToWaitersInTheOrderOfAsking() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let semaphore = Semaphore(permits: 2)
      for name in ["a", "b", "c", "d"] { _ = try spawnTaker(machine, name, semaphore) }
      machine.settle()
      var history = [machine.journal.take()]
      for _ in 0..<2 {
        try? semaphore.release()
        // A permit on its way to a waiter can't be snatched.
        if semaphore.tryAcquire() { machine.journal.note("barged") }
        machine.settle()
        history.append(machine.journal.take())
      }
      return history
    }
    #expect(seen == [["a done", "b done"], ["c done"], ["d done"]])
  }

  @Test func thereAreNeverMorePermitsThanTheLimit() {
    let seen = HostedMachine.run { _ throws(SpawnError) in
      let semaphore = Semaphore(permits: 9, limit: 2)
      var errors: [WaitError] = []
      let had = [semaphore.available]
      do throws(WaitError) { try semaphore.release() } catch { errors.append(error) }
      let took = [semaphore.tryAcquire(), semaphore.tryAcquire(), semaphore.tryAcquire()]
      do throws(WaitError) {
        try semaphore.release()
        try semaphore.release()
        try semaphore.release()
      } catch { errors.append(error) }
      return (had, errors, took, semaphore.available)
    }
    #expect(seen?.0 == [2])
    #expect(seen?.1 == [.full, .full])
    #expect(seen?.2 == [true, true, false] && seen?.3 == 2)
  }

  @Test func aCancelledWaiterTakesNoPermit() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let semaphore = Semaphore(permits: 0)
      let task = try spawnTaker(machine, "a", semaphore)
      _ = try spawnTaker(machine, "b", semaphore)
      machine.settle()
      task.cancel()
      machine.settle()
      try? semaphore.release()
      machine.settle()
      return (machine.journal.take(), semaphore.available)
    }
    #expect(seen?.0 == ["a cancelled", "b done"] && seen?.1 == 0)
  }

  @Test func aPermitGivenToATaskThatIsBeingCancelledIsNotLost() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let semaphore = Semaphore(permits: 0, limit: 1)
      let task = try spawnTaker(machine, "a", semaphore)
      machine.settle()
      task.cancel()
      try? semaphore.release()
      machine.settle()
      return (machine.journal.take(), semaphore.available)
    }
    #expect(seen?.0 == ["a done"] && seen?.1 == 0)
  }

  @Test func randomUseNeverHandsOutMoreThanThereAre() {
    let seed = UInt64.random(in: .min ... .max)
    print("semaphore: random seed \(seed)")
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let random = Shared(SeededRandom(seed: seed))
      let semaphore = Semaphore(permits: 3, limit: 3)
      let holders = Shared((now: 0, most: 0, total: 0))
      for _ in 0..<20 {
        try spawn("user") {
          for _ in 0..<50 {
            guard await outcome({ () throws(WaitError) in try await semaphore.acquire() }) == "done" else {
              return
            }
            holders.value.now += 1
            holders.value.total += 1
            holders.value.most = max(holders.value.most, holders.value.now)
            for _ in 0..<Int.random(in: 0..<3, using: &random.value) { await Leaf.yield() }
            holders.value.now -= 1
            try? semaphore.release()
          }
        }
      }
      machine.settle()
      return (holders.value.most, holders.value.total, semaphore.available)
    }
    #expect(seen?.0 == 3 && seen?.1 == 1_000 && seen?.2 == 3, "seed \(seed)")
  }
}
