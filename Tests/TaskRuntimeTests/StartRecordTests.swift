// StartRecordTests: a CPU that starts late can't slip in, in any order.
import Interleaver
import TaskRuntime
import Testing

@Suite struct StartRecordTests {
  private static let record = 1
  private static let bootSays = 2
  private static let startedSays = 3

  private func explore(_ mutation: Mutation) -> Interleaver.Outcome {
    let boot = Interleaver.CPU { (model) throws(Stop) in
      let memory = MutantMemory(model, mutation, pausesWait: false)
      let record = StartRecord<MutantMemory>(cell: Self.record)
      try record.offer(in: memory)
      var looks = 0
      let takesPart = try record.settle(in: memory) { () throws(Stop) in
        looks += 1
        return looks == 3
      }
      try memory.storeRelaxed(takesPart ? 1 : 2, to: Self.bootSays)
    }
    let started = Interleaver.CPU { (model) throws(Stop) in
      let memory = MutantMemory(model, mutation)
      // One of the outcomes is that the CPU never comes.
      if try model.perform(.choose(2)) == 1 { return }
      let record = StartRecord<MutantMemory>(cell: Self.record)
      try memory.storeRelaxed(try record.accept(in: memory) ? 1 : 2, to: Self.startedSays)
    }
    return Interleaver(cells: ["none", "record", "bootSays", "startedSays"], cpus: [boot, started]).explore {
      memory in
      switch (memory[Self.bootSays], memory[Self.startedSays]) {
      case (1, 1), (2, 2), (2, 0): nil
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
