// BudgetTests: a task whose leaves are always ready still lets others run (I3).
import TaskRuntime
import Tasks
import Testing

@Suite struct BudgetTests {
  /// Entry.S hands over by itself where one other task is ready (`PARK_LEAF`).
  @Test func theEntryCodeWritesTheRuntimesOwnNumbers() {
    #expect(TaskFlags.entryCode.parked == TaskState.parked.rawValue)
    #expect(TaskFlags.entryCode.permit == TaskFlags.permit)
    #expect(TaskFlags.entryCode.ownContext == TaskFlags.ownContext)
    #expect(Executor.budgetPerRun == ThisCPU.budgetPerRun)
  }

  /// The same code counts down the turns and takes the only ready task where an executor begins.
  @Test func theEntryCodeFindsItsWordsInTheExecutor() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let turns = Shared<[Int]>([])
      let task = try spawn("only") {
        turns.value.append(ThisCPU.handover.turns)
        Executor.passSoon()
        turns.value.append(ThisCPU.handover.turns)
      }
      let isFound = ThisCPU.handover.lone == task
      machine.settle()
      return (isFound, turns.value)
    }
    #expect(seen?.0 == true && seen?.1 == [63, 0], "\(String(describing: seen))")
    let masks = HostedMachine.run { machine throws(SpawnError) in
      try spawn("one") {}
      let alone = ThisCPU.handover.mask
      try spawn("two") {}
      let both = ThisCPU.handover
      machine.settle()
      return [alone, both.mask, both.lone == nil ? 0 : 1]
    }
    #expect(masks?.first == 0 && masks?[1].nonzeroBitCount == 1 && masks?.last == 0)
  }

  /// A yield during a round takes the next of the round's level by itself (`YIELD_LEAF`): while none is under way every level
  /// must look too urgent for that.
  @Test func theEntryCodeFindsTheRoundUnderWayInTheExecutor() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let found = Shared<[Bool]>([])
      let next = Shared<TaskRef?>(nil)
      try spawn("first") {
        let words = ThisCPU.handover
        found.value.append(words.next == next.value && words.urgent & words.mask == 0)
        found.value.append(words.urgent &+ 1 == 1 << UInt32(TaskRef.running.level))
      }
      next.value = try spawn("second") {}
      try spawn("third") { found.value.append(ThisCPU.handover.urgent == .max) }
      found.value.append(ThisCPU.handover.urgent == .max)
      machine.settle()
      found.value.append(ThisCPU.handover.urgent == .max)
      return found.value
    }
    #expect(seen == [true, true, true, true, true])
  }

  /// A leaf that never suspends, as the hog's loop uses it.
  enum Operation: CaseIterable, Sendable {
    case event
    case semaphore
    case mutex
    case channel
    case mailbox
    case sleepUntilATimeGoneBy
  }

  @Test(arguments: Operation.allCases)
  func aTaskThatNeverSuspendsLetsOthersRunAfterItsBudget(operation: Operation) {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let event = Event(isSet: true)
      let semaphore = Semaphore(permits: 1)
      let mutex = AsyncMutex()
      let channel = Channel<Int, 1>()
      let box = Mailbox<2>()
      let operations = Shared(0)
      let atTurns = Shared<[Int]>([])
      let hog = try spawn("hog") {
        _ = await outcome { () throws(WaitError) in
          while operations.value < 1_000 {
            operations.value += 1
            switch operation {
            case .event: try await event.wait()
            case .semaphore:
              try await semaphore.acquire()
              try semaphore.release()
            case .mutex: try await mutex.withLock {}
            case .channel:
              try channel.send(1)
              _ = try await channel.receive()
            case .mailbox:
              try box.send(1)
              _ = try await box.receive()
            case .sleepUntilATimeGoneBy: try await Executor.sleep(until: 0)
            }
          }
        }
      }
      try spawn("other") {
        for _ in 0..<3 {
          atTurns.value.append(operations.value)
          await Leaf.yield()
        }
      }
      machine.settle()
      return (atTurns.value, operations.value, hog.isIn(.done))
    }
    // The budget of a run is 128 operations; the operation after them is the one that yields.
    let run = Executor.budgetPerRun + 1
    #expect(
      seen?.0 == [run, 2 * run, 3 * run] && seen?.1 == 1_000 && seen?.2 == true, "\(String(describing: seen))"
    )
  }
}
