// ChannelTests: the bounded queue of one CPU.
import TaskRuntime
import Tasks
import Testing

@Suite struct ChannelTests {
  private func sent(_ channel: Channel<Int, 3>, _ element: Int) -> String {
    do throws(WaitError) {
      try channel.send(element)
      return "sent"
    } catch {
      return "\(error)"
    }
  }

  private func spawnReceiver(
    _ machine: HostedMachine, _ channel: Channel<Int, 3>, limit: Int = .max
  ) throws(SpawnError) -> TaskRef {
    try spawn("receiver") {
      do throws(WaitError) {
        for _ in 0..<limit { machine.journal.note("\(try await channel.receive())") }
      } catch {
        machine.journal.note("\(error)")
      }
    }
  }

  @Test func aFullChannelSaysSoAtOnceAndQueuesNothing() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let channel = Channel<Int, 3>()
      let answers = (0..<5).map { sent(channel, $0) }
      let count = channel.count
      _ = try spawnReceiver(machine, channel)
      machine.settle()
      return (answers, count, machine.journal.take())
    }
    #expect(seen?.0 == ["sent", "sent", "sent", "full", "full"])
    #expect(seen?.1 == 3 && seen?.2 == ["0", "1", "2"])
  }

  @Test func elementsComeInTheOrderTheyWereSentAcrossTheEndOfTheSlots() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let channel = Channel<Int, 3>()
      _ = try spawnReceiver(machine, channel)
      for number in 0..<20 {
        _ = sent(channel, number)
        if number % 3 != 1 { machine.settle() }
      }
      machine.settle()
      return machine.journal.take()
    }
    #expect(seen == (0..<20).map(String.init))
  }

  @Test func aSendWakesTheReceiverOnce() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let channel = Channel<Int, 3>()
      let task = try spawnReceiver(machine, channel)
      machine.settle()
      let parked = task.isIn(.parked)
      _ = sent(channel, 1)
      let woken = task.isIn(.active)
      _ = sent(channel, 2)
      let permit = task.hasPermit
      machine.settle()
      return (parked, woken, permit, machine.journal.take())
    }
    #expect(seen?.0 == true && seen?.1 == true && seen?.2 == false)
    #expect(seen?.3 == ["1", "2"])
  }

  @Test func aClosedChannelGivesWhatItHasThenSaysClosed() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let channel = Channel<Int, 3>()
      _ = sent(channel, 1)
      channel.close()
      let late = sent(channel, 2)
      _ = try spawnReceiver(machine, channel)
      machine.settle()
      return (late, machine.journal.take())
    }
    #expect(seen?.0 == "closed" && seen?.1 == ["1", "closed"])
  }

  @Test func closingWakesAReceiverThatWaits() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let channel = Channel<Int, 3>()
      _ = try spawnReceiver(machine, channel)
      machine.settle()
      channel.close()
      machine.settle()
      return machine.journal.take()
    }
    #expect(seen == ["closed"])
  }

  @Test func aSecondReceiverIsRefusedAndTheFirstGoesOn() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let channel = Channel<Int, 3>()
      _ = try spawnReceiver(machine, channel)
      _ = try spawnReceiver(machine, channel)
      machine.settle()
      let refused = machine.journal.take()
      _ = sent(channel, 7)
      machine.settle()
      return (refused, machine.journal.take())
    }
    #expect(seen?.0 == ["full"] && seen?.1 == ["7"])
  }

  @Test func whatTheReceiverWasWokenWithIsOneOfTheCapacity() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let channel = Channel<Int, 3>()
      _ = try spawnReceiver(machine, channel)
      machine.settle()
      let answers = (0..<5).map { sent(channel, $0) }
      let count = channel.count
      machine.settle()
      return (answers, count, channel.count, machine.journal.take())
    }
    #expect(seen?.0 == ["sent", "sent", "sent", "full", "full"])
    #expect(seen?.1 == 3 && seen?.2 == 0 && seen?.3 == ["0", "1", "2"])
  }

  @Test func anotherTaskGetsNothingOfAReceiverThatIsWokenAndHasNotRun() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let channel = Channel<Int, 3>()
      _ = try spawnReceiver(machine, channel)
      machine.settle()
      // More urgent, so that it runs before the receiver that is woken.
      try spawn("thief", level: 0) {
        do throws(WaitError) {
          machine.journal.note("stolen \(try await channel.receive())")
        } catch {
          machine.journal.note("\(error)")
        }
      }
      _ = sent(channel, 1)
      _ = sent(channel, 2)
      machine.settle()
      return machine.journal.take()
    }
    #expect(seen?.sorted() == ["1", "2", "full"])
    #expect(seen?.filter { $0 != "full" } == ["1", "2"])
  }

  @Test func closingLeavesAWokenReceiverWhatItWasWokenWith() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let channel = Channel<Int, 3>()
      _ = try spawnReceiver(machine, channel)
      machine.settle()
      _ = sent(channel, 1)
      _ = sent(channel, 2)
      channel.close()
      let late = sent(channel, 3)
      machine.settle()
      return (late, machine.journal.take())
    }
    #expect(seen?.0 == "closed" && seen?.1 == ["1", "2", "closed"])
  }

  @Test func aReceiverWokenAndThenCancelledStillGetsWhatItWasWokenWith() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let channel = Channel<Int, 3>()
      let task = try spawnReceiver(machine, channel)
      machine.settle()
      _ = sent(channel, 1)
      task.cancel()
      machine.settle()
      let first = machine.journal.take()
      _ = sent(channel, 2)
      return (first, channel.count)
    }
    #expect(seen?.0 == ["1", "cancelled"] && seen?.1 == 1)
  }

  @Test func aCancelledReceiverLeavesTheChannelUsable() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let channel = Channel<Int, 3>()
      let task = try spawnReceiver(machine, channel)
      machine.settle()
      task.cancel()
      machine.settle()
      let first = machine.journal.take()
      _ = sent(channel, 5)
      _ = try spawnReceiver(machine, channel, limit: 1)
      machine.settle()
      return (first, machine.journal.take())
    }
    #expect(seen?.0 == ["cancelled"] && seen?.1 == ["5"])
  }

  @Test func anElementIsReleasedWhenItIsTakenOrTheChannelGoes() {
    final class Element: Sendable {}
    let seen = HostedMachine.run { machine throws(SpawnError) in
      var channel: Channel<Element, 2>? = Channel()
      weak var taken: Element?
      weak var left: Element?
      do {
        let first = Element()
        let second = Element()
        taken = first
        left = second
        try? channel?.send(first)
        try? channel?.send(second)
      }
      let both = taken != nil && left != nil
      if let channel {
        try spawn("receiver") { _ = try? await channel.receive() }
      }
      machine.settle()
      let afterReceive = (taken == nil, left != nil)
      channel = nil
      return (both, afterReceive, left == nil)
    }
    #expect(seen?.0 == true)
    #expect(seen?.1.0 == true && seen?.1.1 == true && seen?.2 == true)
  }
}
