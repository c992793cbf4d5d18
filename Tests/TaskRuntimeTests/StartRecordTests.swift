// StartRecordTests: a CPU that starts late, or hangs on its way in, can't slip in, in any order.
import Interleaver
import Seams
import TaskRuntime
import Testing

@Suite struct StartRecordTests {
  private static let record = 1
  private static let bootSays = 2
  private static let startedSays = 3
  // What each side concludes; 0 is nothing yet.
  private static let isIn: UInt64 = 1
  private static let isRevoked: UInt64 = 2
  private static let isExpelled: UInt64 = 3

  private func explore(_ mutation: Mutation) -> Interleaver.Outcome {
    let boot = Interleaver.CPU { (model) throws(Stop) in
      let memory = MutantMemory(model, mutation, pausesWait: false)
      let record = StartRecord<MutantMemory>(cell: Self.record)
      try record.offer(in: memory)
      // The limit may pass at any look.
      for _ in 0..<3 {
        if try !record.isOpen(in: memory) { break }
        try memory.pause()
      }
      let says: UInt64 =
        switch try record.close(in: memory) {
        case .online: Self.isIn
        case .revoked: Self.isRevoked
        case .expelled: Self.isExpelled
        default: 9
        }
      try memory.storeRelaxed(says, to: Self.bootSays)
    }
    let started = Interleaver.CPU { (model) throws(Stop) in
      let memory = MutantMemory(model, mutation)
      // Some of the outcomes are that the CPU never comes, or hangs on its way.
      if try model.perform(.choose(2)) == 1 { return }
      let record = StartRecord<MutantMemory>(cell: Self.record)
      guard try record.take(in: memory) else {
        return try memory.storeRelaxed(Self.isRevoked, to: Self.startedSays)
      }
      if try model.perform(.choose(2)) == 1 { return }
      let isIn = try record.arrive(in: memory)
      try memory.storeRelaxed(isIn ? Self.isIn : Self.isExpelled, to: Self.startedSays)
    }
    return Interleaver(cells: ["none", "record", "bootSays", "startedSays"], cpus: [boot, started]).explore {
      memory in
      switch (memory[Self.bootSays], memory[Self.startedSays]) {
      case (Self.isIn, Self.isIn): nil
      case (Self.isRevoked, Self.isRevoked), (Self.isRevoked, 0): nil
      case (Self.isExpelled, Self.isExpelled), (Self.isExpelled, 0): nil
      case (let boot, let started): "the boot CPU says \(boot), the started one \(started)"
      }
    }
  }

  @Test func bothCPUsAgreeWhetherTheStartedOneTakesPart() {
    let outcome = explore(.none)
    print("interleaver: start record: \(outcome.stateCount) states")
    #expect(outcome.isProved, "\(outcome.report)")
  }

  @Test func aDecisionWithoutCompareExchangeIsCaught() {
    #expect(explore(.noLock).failure?.hasPrefix("the boot CPU says") == true)
  }

  @Test func theLimitNeedsBothTheTicksAndTheLooks() {
    var limit = StartLimit(now: 100, ticks: 50, looks: 3)
    let looked = [limit.isOver(now: 1000), limit.isOver(now: 1000), limit.isOver(now: 1000)]
    #expect(looked == [false, false, true])
    var slow = StartLimit(now: 100, ticks: 50, looks: 1)
    let waited = [slow.isOver(now: 149), slow.isOver(now: 150)]
    #expect(waited == [false, true])
    var far = StartLimit(now: .max - 1, ticks: 50, looks: 1)
    let isFarOver = far.isOver(now: .max - 1)
    #expect(!isFarOver)
  }
}
