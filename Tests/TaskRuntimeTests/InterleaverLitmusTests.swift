// InterleaverLitmusTests: the interleaver shows exactly the orders that x86 allows (Intel SDM vol. 3A, 8.2.3).
import Interleaver
import Testing

@Suite struct InterleaverLitmusTests {
  /// Whether some order ends with both results zero.
  private func bothReadZero(fenced: Bool) -> Bool {
    func cpu(writes own: Int, reads other: Int, into result: Int) -> Interleaver.CPU {
      Interleaver.CPU { (memory) throws(Stop) in
        try memory.storeRelaxed(1, to: own)
        if fenced { try memory.fence() }
        try memory.storeRelaxed(memory.loadRelaxed(other) + 1, to: result)
      }
    }
    let cpus = [cpu(writes: 0, reads: 1, into: 2), cpu(writes: 1, reads: 0, into: 3)]
    return Interleaver(cells: ["x", "y", "first", "second"], cpus: cpus)
      .explore { $0[2] == 1 && $0[3] == 1 ? "both" : nil }.failure != nil
  }

  @Test func aStoreMayWaitPastALaterLoadUnlessAFenceStandsBetween() {
    #expect(bothReadZero(fenced: false))
    #expect(!bothReadZero(fenced: true))
  }

  @Test func storesOfOneCPUAreSeenInTheirOrder() {
    let writer = Interleaver.CPU { (memory) throws(Stop) in
      try memory.storeRelaxed(1, to: 0)
      try memory.storeRelaxed(1, to: 1)
    }
    let reader = Interleaver.CPU { (memory) throws(Stop) in
      let flag = try memory.loadRelaxed(1)
      let data = try memory.loadRelaxed(0)
      try memory.require(flag == 0 || data == 1, "the later store was seen first")
    }
    let outcome = Interleaver(cells: ["data", "flag"], cpus: [writer, reader]).explore()
    #expect(outcome.isProved, "\(outcome.report)")
  }

  @Test func aCPUReadsItsOwnWaitingStore() {
    let cpu = Interleaver.CPU { (memory) throws(Stop) in
      try memory.storeRelaxed(7, to: 0)
      try memory.require(memory.loadRelaxed(0) == 7, "the store is lost")
    }
    #expect(Interleaver(cells: ["x"], cpus: [cpu]).explore().isProved)
  }

  @Test func aWaitThatNothingEndsIsAFailureWithItsSchedule() {
    let waiting = Interleaver.CPU { (memory) throws(Stop) in
      while try memory.loadRelaxed(0) != 2 { try memory.pause() }
    }
    let writer = Interleaver.CPU { (memory) throws(Stop) in try memory.storeRelaxed(1, to: 0) }
    let outcome = Interleaver(cells: ["x"], cpus: [waiting, writer]).explore()
    #expect(outcome.failure == "CPU 0 waits for ever")
    #expect(outcome.schedule.contains { $0.contains("x = 1 reaches memory") })
  }

  @Test func aSearchThatIsCutOffProvesNothing() {
    let cpu = Interleaver.CPU { (memory) throws(Stop) in
      for _ in 0..<10 { _ = try memory.perform(.choose(4)) }
    }
    var interleaver = Interleaver(cells: ["x"], cpus: [cpu])
    interleaver.stateLimit = 100
    let outcome = interleaver.explore()
    #expect(outcome.isCutOff && !outcome.isProved)
  }

  @Test func theSameMachineGivesTheSameSearch() {
    let cpu = Interleaver.CPU { (memory) throws(Stop) in
      _ = try memory.exchange(memory.loadRelaxed(0) + 1, in: 0)
    }
    let runs = (0..<2).map { _ in
      Interleaver(cells: ["x"], cpus: [cpu, cpu]).explore { $0[0] == 2 ? nil : "an increment is lost" }
    }
    #expect(runs[0].failure == "an increment is lost")
    #expect(runs[0].schedule == runs[1].schedule && runs[0].stateCount == runs[1].stateCount)
  }
}
