// MailboxTests: the queue between CPUs: order, full, wrap-around, and cancellation against a wake (I5).
import TaskRuntime
import Tasks
import TestSupport
import Testing

@Suite struct MailboxTests {
  private func sent(_ box: Mailbox<4>, _ word: UInt64) -> String {
    do throws(WaitError) {
      try box.send(word)
      return "sent"
    } catch {
      return "\(error)"
    }
  }

  private func spawnReceiver(
    _ machine: HostedMachine, _ box: Mailbox<4>, on cpu: UInt16 = 1, limit: Int = .max,
    deadline: UInt64 = .max
  ) throws(SpawnError) -> TaskRef {
    try spawn("receiver", on: cpu) {
      let end = await outcome { () throws(WaitError) in
        try await withDeadline(deadline) { () throws(WaitError) in
          for _ in 0..<limit { machine.journal.note("\(try await box.receive())") }
        }
      }
      machine.journal.note(end)
      // A wake that came for a wait that is over must not end this park.
      await Leaf.park()
      machine.journal.note("stray wake")
    }
  }

  @Test func aFullMailboxSaysSoAtOnce() {
    let box = Mailbox<4>()
    #expect((0..<6).map { sent(box, $0) } == ["sent", "sent", "sent", "sent", "full", "full"])
    #expect(box.tryReceive() == 0)
    #expect(sent(box, 9) == "sent" && sent(box, 10) == "full")
    #expect((0..<5).map { _ in box.tryReceive() } == [1, 2, 3, 9, nil])
  }

  @Test func wordsComeInOrderRoundAndRound() {
    let box = Mailbox<4>()
    var next: UInt64 = 0
    var expected: UInt64 = 0
    var random = SeededRandom(seed: 5)
    for _ in 0..<1_000 {
      for _ in 0..<Int.random(in: 0...5, using: &random) where sent(box, next) == "sent" { next += 1 }
      for _ in 0..<Int.random(in: 0...5, using: &random) {
        guard let word = box.tryReceive() else { break }
        #expect(word == expected)
        expected += 1
      }
    }
    #expect(expected > 1_000)
  }

  @Test func aSendFromAnotherCPUWakesTheReceiverThere() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let box = Mailbox<4>()
      let task = try spawnReceiver(machine, box, limit: 2)
      machine.settle(1)
      machine.enter(0)
      _ = sent(box, 11)
      _ = sent(box, 12)
      let untouched = task.isIn(.parked)
      machine.settle(0)
      let early = machine.journal.take()
      machine.settle(1)
      return (untouched, early, machine.journal.take(), Executor.currentCounts.messages)
    }
    #expect(seen?.0 == true && seen?.1 == [])
    #expect(seen?.2 == ["11", "12", "done"])
    #expect(seen?.3 == 2, "the first run and one wake for two words")
  }

  @Test func aSendOfTheSameCPUNeedsNoMessage() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let box = Mailbox<4>()
      _ = try spawnReceiver(machine, box, on: 0, limit: 1)
      machine.settle()
      _ = sent(box, 1)
      machine.settle()
      return (machine.journal.take(), Executor.currentCounts.messages)
    }
    #expect(seen?.0 == ["1", "done"] && seen?.1 == 0)
  }

  @Test func aCancellationWhileAWakeIsOnItsWayLosesNoWordAndLeavesNoStrayWake() {
    // I5: the sender has the wake right; its message must be out of the inbox before anything else.
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let box = Mailbox<4>()
      let task = try spawnReceiver(machine, box)
      machine.settle(1)
      machine.enter(0)
      _ = sent(box, 1)
      machine.enter(1)
      task.cancel()
      machine.settle(1)
      return (machine.journal.take(), task.isIn(.parked), box.tryReceive())
    }
    #expect(seen?.0 == ["1", "cancelled"])
    #expect(seen?.1 == true && seen?.2 == nil)
  }

  @Test func aCancelledReceiverThatRunsBeforeItsWakeIsHandledWaitsForIt() {
    // I5: cancellation and wake right go out in the same round, so that the message is still in the inbox.
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let box = Mailbox<4>()
      let task = try spawnReceiver(machine, box)
      machine.settle(1)
      machine.enter(0)
      try spawn("interferer", on: 1) {
        task.cancel()
        machine.enter(0)
        _ = sent(box, 1)
        machine.enter(1)
      }
      let results = [machine.step(1)]
      let firstPass = (machine.journal.take(), task.isIn(.active))
      machine.settle(1)
      return (results, firstPass, machine.journal.take(), task.isIn(.parked))
    }
    #expect(seen?.0 == [.more])
    #expect(seen?.1.0 == [] && seen?.1.1 == true, "it yields until its wake is out of the inbox")
    #expect(seen?.2 == ["1", "cancelled"] && seen?.3 == true)
  }

  @Test func aReceiverWithoutAWordEndsByCancellationAndByDeadline() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let box = Mailbox<4>()
      let first = try spawnReceiver(machine, box)
      machine.settle(1)
      machine.enter(0)
      first.cancel()
      machine.settle(1)
      let cancelled = machine.journal.take()
      machine.enter(0)
      _ = try spawnReceiver(machine, box, deadline: 50)
      machine.settle(1)
      ThisCPU.setHostedClock(49)
      machine.settle(1)
      let early = machine.journal.take()
      ThisCPU.setHostedClock(50)
      machine.settle(1)
      let timedOut = machine.journal.take()
      let answer = sent(box, 3)
      machine.settle(1)
      return (cancelled, early, timedOut, answer, machine.journal.take())
    }
    #expect(seen?.0 == ["cancelled"] && seen?.1 == [] && seen?.2 == ["timedOut"])
    #expect(seen?.3 == "sent" && seen?.4 == [], "nobody waits, so nobody is woken")
  }

  @Test func aDeadlineWhileAWakeIsOnItsWayLosesNoWord() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let box = Mailbox<4>()
      _ = try spawnReceiver(machine, box, limit: 1, deadline: 50)
      machine.settle(1)
      machine.enter(0)
      _ = sent(box, 1)
      ThisCPU.setHostedClock(60)
      machine.settle(1)
      return machine.journal.take()
    }
    #expect(seen == ["1", "done"])
  }

  @Test func randomSendsStepsAndCancellationsKeepEveryWord() {
    let seed = UInt64.random(in: .min ... .max)
    print("mailbox: random seed \(seed)")
    let seen = HostedMachine.run { machine throws(SpawnError) in
      var random = SeededRandom(seed: seed)
      let box = Mailbox<4>()
      let received = Shared<[UInt64]>([])
      let generation = Shared(0)
      func receiver() throws(SpawnError) -> TaskRef {
        try spawn("receiver", on: 1) {
          _ = await outcome { () throws(WaitError) in
            while true { received.value.append(try await box.receive()) }
          }
          generation.value += 1
        }
      }
      machine.enter(0)
      var task = try receiver()
      var spawned = 1
      var next: UInt64 = 0
      for _ in 0..<(RunLength.isFull ? 1_000_000 : 10_000) {
        switch Int.random(in: 0..<8, using: &random) {
        case 0...2:
          machine.enter(UInt16.random(in: 0...1, using: &random))
          if sent(box, next) == "sent" { next += 1 }
        case 3...6: machine.step(UInt16.random(in: 0...1, using: &random))
        default:
          machine.enter(UInt16.random(in: 0...1, using: &random))
          task.cancel()
          if generation.value == spawned {
            machine.enter(0)
            task = try receiver()
            spawned += 1
          }
        }
      }
      // Whoever is cancelled ends; a last receiver takes what is left.
      task.cancel()
      machine.settleBoth()
      machine.enter(0)
      _ = try receiver()
      machine.settleBoth()
      return (received.value == Array(0..<next), next, spawned)
    }
    #expect(seen?.0 == true, "seed \(seed)")
    #expect(seen.map { $0.1 > 1_000 && $0.2 > 100 } == true, "\(String(describing: seen))")
  }
}
