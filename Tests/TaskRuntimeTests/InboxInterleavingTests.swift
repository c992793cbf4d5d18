// InboxInterleavingTests: inbox, owner word and idle handshake in every order that x86 allows.
import Interleaver
import TaskRuntime
import Testing

/// The cells of one owner's line, of the flush generation and of messages to it.
private enum Cell {
  static let names = ["none", "word", "head", "generation", "first", "second", "third"]
  static let word = 1
  static let head = 2
  static let generation = 3
  static let first = 4
  static let second = 5
  static let third = 6
}

/// What the owner leaves out, to see that it is noticed.
private enum Slip { case none, interruptsLeftOn, noWindow }

@Suite struct InboxInterleavingTests {
  private func line<Memory: InboxMemory>(_: Memory) -> OwnerLine<Memory> where Memory.Cell == Int {
    OwnerLine(word: Cell.word, inbox: Inbox(head: Cell.head))
  }

  /// Handles messages until each of `links` came once, resting in between; of one sender, lower links come first.
  private func owner(
    of links: [Int], ordered: Bool, _ mutation: Mutation, slip: Slip = .none,
    isMaskable: Bool = true
  ) -> Interleaver.Program {
    { (model) throws(Stop) in
      let memory = MutantMemory(model, mutation, watched: Cell.head)
      let line = line(memory)
      let flushes = FlushGeneration<MutantMemory>(cell: Cell.generation)
      let flush: () throws(Stop) -> Void = { () throws(Stop) in try model.perform(.flush) }
      var seen: [Int] = []
      while true {
        var batch = try line.inbox.drain(in: memory)
        while let message = try batch.popFirst(in: memory) {
          let link = memory.link(of: message)
          try model.require(!seen.contains(link), "message \(link) came twice")
          try model.require(!ordered || seen.allSatisfy { $0 < link }, "message \(link) overtook another")
          seen.append(link)
        }
        if seen.count == links.count { return }
        if isMaskable {
          if slip != .interruptsLeftOn { try model.perform(.setInterrupts(false)) }
        } else if slip != .noWindow {
          try model.perform(.window(true))
        }
        if try line.rest(as: .halting, observing: flushes, in: memory, flush: flush) {
          try model.perform(.rest)
          if !isMaskable, slip != .noWindow { try model.perform(.window(false)) }
          try line.leave(observing: flushes, in: memory, flush: flush)
        } else {
          try model.perform(isMaskable ? .setInterrupts(true) : .window(false))
        }
      }
    }
  }

  private func sender(of links: [Int], _ mutation: Mutation) -> Interleaver.Program {
    { (model) throws(Stop) in
      let memory = MutantMemory(model, mutation)
      for link in links {
        let message = ModelMemory.message(.wake, link: link)
        if try line(memory).post(message, in: memory) == .kick { try model.perform(.kick(0)) }
      }
    }
  }

  private func explore(_ cpus: [Interleaver.CPU]) -> Interleaver.Outcome {
    Interleaver(cells: Cell.names, cpus: cpus).explore { memory in
      memory[Cell.head] == 0 ? nil : "a message is left"
    }
  }

  private func twoCPUs(_ owned: Mutation, _ sent: Mutation, slip: Slip = .none) -> Interleaver.Outcome {
    let links = [Cell.first, Cell.second, Cell.third]
    return explore([
      .init(owner(of: links, ordered: true, owned, slip: slip)), .init(sender(of: links, sent)),
    ])
  }

  @Test func threeWakesFromAnotherCPUAreNeverLostAndKeepTheirOrder() {
    let outcome = twoCPUs(.none, .none)
    print("interleaver: 2 CPUs, 3 wakes: \(outcome.stateCount) states, \(outcome.stepCount) steps")
    #expect(outcome.isProved, "\(outcome.report)")
    #expect(outcome.stateCount > 1000)
  }

  @Test func anInterruptAndAnotherCPUWakeTheSameOwner() {
    let handler: Interleaver.Program = { (model) throws(Stop) in
      try line(model).inbox.push(ModelMemory.message(.wake, link: Cell.third), in: model)
    }
    let links = [Cell.first, Cell.second, Cell.third]
    let outcome = explore([
      .init(interrupts: 1, handler: handler, owner(of: links, ordered: false, .none)),
      .init(sender(of: [Cell.first, Cell.second], .none)),
    ])
    print("interleaver: interrupt and 2 wakes: \(outcome.stateCount) states, \(outcome.stepCount) steps")
    #expect(outcome.isProved, "\(outcome.report)")
  }

  @Test func twoSendersAtOnceLoseNothing() {
    let outcome = explore([
      .init(owner(of: [Cell.first, Cell.second], ordered: false, .none)),
      .init(sender(of: [Cell.first], .none)), .init(sender(of: [Cell.second], .none)),
    ])
    print("interleaver: 3 CPUs, 2 wakes: \(outcome.stateCount) states, \(outcome.stepCount) steps")
    #expect(outcome.isProved, "\(outcome.report)")
  }

  /// SNP: #HV comes whatever the interrupt flag says, so its handler redirects the CPU out of the window.
  private func unmaskable(slip: Slip) -> Interleaver.Outcome {
    let handler: Interleaver.Program = { (model) throws(Stop) in
      try line(model).inbox.push(ModelMemory.message(.wake, link: Cell.third), in: model)
    }
    let main = owner(of: [Cell.first, Cell.third], ordered: false, .none, slip: slip, isMaskable: false)
    return explore([
      .init(interrupts: 1, isMaskable: false, handler: handler, main), .init(sender(of: [Cell.first], .none)),
    ])
  }

  @Test func eventsThatCannotBeMaskedLoseNothingIfTheWindowIsLeft() {
    let outcome = unmaskable(slip: .none)
    print("interleaver: unmaskable events: \(outcome.stateCount) states, \(outcome.stepCount) steps")
    #expect(outcome.isProved, "\(outcome.report)")
  }

  @Test func aMissingWindowIsCaught() {
    #expect(unmaskable(slip: .noWindow).failure == "CPU 0 waits for ever")
  }

  @Test func aMissingFenceOnTheOwnersSideIsCaught() {
    let outcome = twoCPUs(.noFence, .none)
    #expect(outcome.failure == "CPU 0 waits for ever", "\(outcome.report)")
    #expect(!outcome.schedule.isEmpty)
  }

  @Test func aMissingRecheckIsCaught() {
    #expect(twoCPUs(.noRecheck, .none).failure == "CPU 0 waits for ever")
  }

  @Test func aPushWithoutALockIsCaught() {
    #expect(twoCPUs(.none, .noLock).failure != nil)
  }

  @Test func aDrainWithoutALockIsCaught() {
    #expect(twoCPUs(.noLock, .none).failure != nil)
  }

  @Test func interruptsLeftOnBeforeTheHaltAreCaught() {
    #expect(twoCPUs(.none, .none, slip: .interruptsLeftOn).failure == "CPU 0 waits for ever")
  }

  @Test func aRemoteWakeIsOneLockedInstructionAndMovesTwoLines() {
    // Lines: 0 unused, 1 the owner's line, 2 the generation, 3 the task's header.
    let memory = CountingMemory(lineOfCell: [0, 1, 1, 2, 3, 3, 3])
    let line = line(memory)
    let message = InboxMessage(.wake, node: UInt64(Cell.first) << 2)
    guard let message else { return #expect(Bool(false)) }
    // The owner has its line and the task's.
    _ = line.inbox.isEmpty(in: memory)
    memory.storeRelaxed(0, to: Cell.word)
    memory.storeRelaxed(0, to: Cell.first)
    memory.reset()
    memory.cpu = 1
    #expect(line.post(message, in: memory) == .seen)
    #expect(memory.counts.locked == 1)
    #expect(memory.counts.fences == 0)
    #expect(memory.counts.lines == [1, 3])
    memory.cpu = 0
    var batch = line.inbox.drain(in: memory)
    let (taken, more) = (batch.popFirst(in: memory), batch.popFirst(in: memory))
    #expect(taken == message && more == nil)
    // L5's goal is three lines: the owner's line and the task's, each there and back.
    #expect(memory.counts.lines.count <= 3)
    #expect(memory.counts.moves == 4)
    #expect(memory.counts.locked == 2)
    print(
      "remote wake: lines \(memory.counts.lines.count), moves \(memory.counts.moves), upgrades \(memory.counts.upgrades)"
    )
  }

  @Test func anEmptyInboxCostsNoLockedInstruction() {
    let memory = CountingMemory(lineOfCell: [0, 1, 1, 2, 3, 3, 3])
    #expect(line(memory).inbox.drain(in: memory).isEmpty)
    #expect(memory.counts.locked == 0)
  }

  @Test func aMessageToACPUThatIsOutSaysSo() {
    let word = OwnerWord(.out, generation: 7)
    let memory = CountingMemory(lineOfCell: [0, 1, 1, 2, 3, 3, 3], initial: [Cell.word: word.raw])
    guard let message = InboxMessage(.cancel, node: 16) else { return #expect(Bool(false)) }
    #expect(line(memory).post(message, in: memory) == .out)
  }

  @Test func messagesKeepKindAndNodeApart() {
    #expect(InboxMessage(.adopt, node: 0) == nil)
    #expect(InboxMessage(.adopt, node: 0x1002) == nil)
    #expect(InboxMessage(.adopt, node: 0x1000)?.kind == .adopt)
    #expect(InboxMessage(.adopt, node: 0x1000)?.node == 0x1000)
  }
}
