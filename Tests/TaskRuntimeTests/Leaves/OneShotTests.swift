// OneShotTests: one value, once.
import TaskRuntime
import Tasks
import Testing

@Suite struct OneShotTests {
  private func spawnReceiver(_ machine: HostedMachine, _ shot: OneShot<Int>) throws(SpawnError) -> TaskRef {
    try spawn("receiver") {
      do throws(WaitError) {
        machine.journal.note("\(try await shot.receive())")
      } catch {
        machine.journal.note("\(error)")
      }
    }
  }

  private func sent(_ shot: OneShot<Int>, _ value: Int) -> String {
    do throws(WaitError) {
      try shot.send(value)
      return "sent"
    } catch {
      return "\(error)"
    }
  }

  @Test(arguments: [false, true])
  func theValueArrivesWhetherTheReceiverWaitsOrComesLater(waits: Bool) {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let shot = OneShot<Int>()
      if waits {
        _ = try spawnReceiver(machine, shot)
        machine.settle()
      }
      let answers = [sent(shot, 1), sent(shot, 2)]
      if !waits { _ = try spawnReceiver(machine, shot) }
      machine.settle()
      return (answers, machine.journal.take())
    }
    #expect(seen?.0 == ["sent", "closed"] && seen?.1 == ["1"])
  }

  @Test func aSecondReceiveIsToldThatNothingComes() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let shot = OneShot<Int>()
      _ = sent(shot, 1)
      for _ in 0..<2 { _ = try spawnReceiver(machine, shot) }
      machine.settle()
      return machine.journal.take()
    }
    #expect(seen == ["1", "closed"])
  }

  @Test func closingWithoutAValueEndsTheWait() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let shot = OneShot<Int>()
      _ = try spawnReceiver(machine, shot)
      machine.settle()
      shot.close()
      machine.settle()
      return (machine.journal.take(), sent(shot, 1))
    }
    #expect(seen?.0 == ["closed"] && seen?.1 == "closed")
  }

  @Test func closingAfterTheValueDoesNotLoseIt() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let shot = OneShot<Int>()
      _ = sent(shot, 1)
      shot.close()
      _ = try spawnReceiver(machine, shot)
      machine.settle()
      return machine.journal.take()
    }
    #expect(seen == ["1"])
  }

  @Test func aCancelledReceiverMakesRoomForAnother() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let shot = OneShot<Int>()
      let task = try spawnReceiver(machine, shot)
      _ = try spawnReceiver(machine, shot)
      machine.settle()
      task.cancel()
      machine.settle()
      _ = try spawnReceiver(machine, shot)
      machine.settle()
      _ = sent(shot, 4)
      machine.settle()
      return machine.journal.take()
    }
    #expect(seen == ["full", "cancelled", "4"])
  }
}
