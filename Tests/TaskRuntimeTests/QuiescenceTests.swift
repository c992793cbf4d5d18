// QuiescenceTests: a removed mapping's page is never reused while a CPU may still use it.
import Interleaver
import TaskRuntime
import Testing

@Suite struct QuiescenceTests {
  private enum Cell {
    static let names = ["none", "word", "head", "generation", "message", "entry", "content", "isReused"]
    static let word = 1
    static let head = 2
    static let generation = 3
    static let message = 4
    static let entry = 5
    static let content = 6
    static let isReused = 7
  }

  /// What the mapping's user leaves out, to see that it is noticed.
  private enum Slip { case none, noFlushOnLeaving, restIsNotLeft }

  private func line(_: MutantMemory) -> OwnerLine<MutantMemory> {
    OwnerLine(word: Cell.word, inbox: Inbox(head: Cell.head))
  }

  /// Reads and writes through the mapping, if there is one.
  private func touch(_ model: ModelMemory) throws(Stop) {
    guard try model.perform(.translate(Cell.entry)) != 0 else { return }
    try model.require(model.loadRelaxed(Cell.isReused) == 0, "a stale translation was used")
    try model.storeRelaxed(1, to: Cell.content)
  }

  private func explore(
    user userMutation: Mutation, unmapper unmapperMutation: Mutation, message: Bool = false,
    slip: Slip = .none
  ) -> Interleaver.Outcome {
    let user = Interleaver.CPU { (model) throws(Stop) in
      let memory = MutantMemory(model, userMutation)
      let line = line(memory)
      let flushes = FlushGeneration<MutantMemory>(cell: Cell.generation)
      let flush: () throws(Stop) -> Void = { () throws(Stop) in
        if slip != .noFlushOnLeaving { try model.perform(.flush) }
      }
      for _ in 0..<2 {
        try touch(model)
        try line.quiescentPoint(observing: flushes, in: memory, flush: flush)
        if slip == .restIsNotLeft {
          // Takes its rest back without comparing generations.
          let own = OwnerWord(raw: try memory.loadRelaxed(Cell.word))
          try memory.storeRelease(OwnerWord(.halting, generation: own.generation).raw, to: Cell.word)
          try memory.fence()
          try memory.storeRelease(own.raw, to: Cell.word)
        } else if try line.rest(as: .inGuest, observing: flushes, in: memory, flush: flush) {
          // The guest returns at any moment.
          try line.leave(observing: flushes, in: memory, flush: flush)
        } else {
          var batch = try line.inbox.drain(in: memory)
          while try batch.popFirst(in: memory) != nil {}
        }
        try touch(model)
      }
      let own = OwnerWord(raw: try memory.loadRelaxed(Cell.word))
      try memory.storeRelease(OwnerWord(.out, generation: own.generation).raw, to: Cell.word)
      try memory.fence()
    }
    let unmapper = Interleaver.CPU { (model) throws(Stop) in
      let memory = MutantMemory(model, unmapperMutation)
      if message { _ = try line(memory).post(ModelMemory.message(.wake, link: Cell.message), in: memory) }
      try memory.storeRelaxed(0, to: Cell.entry)
      var retirement = try FlushGeneration<MutantMemory>(cell: Cell.generation).retire(in: memory)
      while try !retirement.isComplete(of: 1, limit: 8, in: memory, line: { _ in line(memory) }) {
        try memory.pause()
      }
      try memory.storeRelease(1, to: Cell.isReused)
      try memory.storeRelease(99, to: Cell.content)
    }
    var interleaver = Interleaver(cells: Cell.names, cpus: [user, unmapper])
    interleaver.initial = [Cell.entry: 1]
    interleaver.translations = [Cell.entry]
    return interleaver.explore { memory in
      memory[Cell.content] == 99 ? nil : "a store through a stale translation reached the reused page"
    }
  }

  @Test(arguments: [false, true])
  func aRetiredPageIsNeverTouchedAfterItsReuse(message: Bool) {
    let outcome = explore(user: .none, unmapper: .none, message: message)
    print(
      "interleaver: shoot-down, message \(message): \(outcome.stateCount) states, \(outcome.stepCount) steps")
    #expect(outcome.isProved, "\(outcome.report)")
  }

  @Test func aMissingFenceOnLeavingIsCaught() {
    let outcome = explore(user: .noFence, unmapper: .none)
    #expect(outcome.failure?.contains("stale translation") == true, "\(outcome.report)")
  }

  @Test func aGenerationOpenedWithoutALockIsCaught() {
    #expect(explore(user: .none, unmapper: .noLock).failure?.contains("stale translation") == true)
  }

  @Test func aFlushLeftOutIsCaught() {
    #expect(
      explore(user: .none, unmapper: .none, slip: .noFlushOnLeaving).failure?.contains("stale translation")
        == true)
  }

  @Test func aRestTakenBackWithoutComparingGenerationsIsCaught() {
    #expect(
      explore(user: .none, unmapper: .none, slip: .restIsNotLeft).failure?.contains("stale translation")
        == true)
  }

  @Test func twoUnmappersAtOnceOpenTwoGenerations() {
    let unmapper = Interleaver.CPU { (memory) throws(Stop) in
      let retirement = try FlushGeneration<ModelMemory>(cell: Cell.generation).retire(in: memory)
      // Each leaves its generation where the other can't.
      try memory.storeRelaxed(1, to: retirement.generation == 1 ? Cell.entry : Cell.content)
    }
    let outcome = Interleaver(cells: Cell.names, cpus: [unmapper, unmapper]).explore { memory in
      memory[Cell.generation] == 2 && memory[Cell.entry] == 1 && memory[Cell.content] == 1
        ? nil : "a generation is lost"
    }
    #expect(outcome.isProved, "\(outcome.report)")
  }

  @Test func aStalledCPUDelaysThePageAndNotTheCaller() {
    // CPU 1 of 3 runs with an old generation; the others have flushed or rest.
    let words = [
      OwnerWord(.running, generation: 5), OwnerWord(.running, generation: 4),
      OwnerWord(.halting, generation: 0),
    ]
    let memory = CountingMemory(
      lineOfCell: [0, 1, 2, 3, 4], initial: [1: words[0].raw, 2: words[1].raw, 3: words[2].raw, 4: 4])
    var retirement = FlushGeneration<CountingMemory>(cell: 4).retire(in: memory)
    #expect(retirement.generation == 5)
    let line = { (cpu: Int) in OwnerLine<CountingMemory>(word: cpu + 1, inbox: Inbox(head: 0)) }
    let early = retirement.isComplete(of: 3, limit: 8, in: memory, line: line)
    #expect(!early && retirement.confirmedCount == 1)
    memory.storeRelaxed(OwnerWord(.running, generation: 5).raw, to: 2)
    let bounded = retirement.isComplete(of: 3, limit: 1, in: memory, line: line)
    #expect(!bounded && retirement.confirmedCount == 2)
    let done = retirement.isComplete(of: 3, limit: 1, in: memory, line: line)
    #expect(done)
  }
}
