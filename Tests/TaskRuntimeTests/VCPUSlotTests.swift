// VCPUSlotTests: a vCPU's owner and a deletion never both have it, in every order that x86 allows.
import Interleaver
import TaskRuntime
import Testing

@Suite struct VCPUSlotTests {
  private enum Cell {
    static let names = ["none", "slot", "vmsa", "isFreed", "outcome", "owner"]
    static let slot = 1
    /// The VMSA: bit 0 is EFER.SVME, bit 1 says that hardware uses it.
    static let vmsa = 2
    static let isFreed = 3
    static let outcome = 4
    static let owner = 5
  }

  /// What the deleting CPU leaves out, to see that it is noticed.
  private enum Slip { case none, entryStaysPossible, useIsNotChecked }

  /// Changes bits of the VMSA as one step that nobody can divide.
  private func change(_ model: ModelMemory, clear: UInt64 = 0, set: UInt64 = 0) throws(Stop) {
    var found = try model.loadRelaxed(Cell.vmsa)
    while true {
      let seen = try model.compareExchange(Cell.vmsa, expected: found, desired: found & ~clear | set)
      if seen == found { return }
      found = seen
    }
  }

  private func owner(_ mutation: Mutation) -> Interleaver.CPU {
    Interleaver.CPU { (model) throws(Stop) in
      let memory = MutantMemory(model, mutation)
      let slot = VCPUSlot<MutantMemory>(cell: Cell.slot, owner: Cell.owner)
      func touch() throws(Stop) {
        try model.require(model.loadRelaxed(Cell.isFreed) == 0, "the owner touched a freed VMSA")
      }
      // A deletion came first, or is being decided: a real owner would ask again later.
      guard try slot.claim(in: memory) else { return }
      try touch()
      try slot.enter(in: memory)
      for _ in 0..<2 {
        // VMRUN takes the VMSA only with SVME set, as one step of the hardware.
        if try model.compareExchange(Cell.vmsa, expected: 1, desired: 3) == 1 {
          try model.require(model.loadRelaxed(Cell.isFreed) == 0, "a freed VMSA runs")
          try change(model, clear: 2)
        }
        var found = try slot.reclaim(in: memory)
        while found == .undecided {
          try memory.pause()
          found = try slot.reclaim(in: memory)
        }
        if found == .gone { return }
        try touch()
        try slot.resume(in: memory)
      }
    }
  }

  private func deleter(_ mutation: Mutation, _ slip: Slip) -> Interleaver.CPU {
    Interleaver.CPU { (model) throws(Stop) in
      let memory = MutantMemory(model, mutation)
      let slot = VCPUSlot<MutantMemory>(cell: Cell.slot, owner: Cell.owner)
      guard case .begun(let before) = try slot.beginDeletion(in: memory) else {
        return try memory.storeRelaxed(1, to: Cell.outcome)
      }
      if slip != .entryStaysPossible {
        try change(model, clear: 1)
      }
      let isInUse = try model.loadRelaxed(Cell.vmsa) & 2 != 0
      if isInUse, slip != .useIsNotChecked {
        try change(model, set: 1)
        try slot.abandonDeletion(backTo: before, in: memory)
        return try memory.storeRelaxed(2, to: Cell.outcome)
      }
      try memory.storeRelaxed(1, to: Cell.isFreed)
      try slot.finishDeletion(in: memory)
      try memory.storeRelaxed(3, to: Cell.outcome)
    }
  }

  private func explore(
    owner ownerMutation: Mutation = .none, deleter deleterMutation: Mutation = .none, slip: Slip = .none,
    outcomes: inout Set<UInt64>
  ) -> Interleaver.Outcome {
    var interleaver = Interleaver(
      cells: Cell.names, cpus: [owner(ownerMutation), deleter(deleterMutation, slip)])
    interleaver.initial = [Cell.slot: VCPUState.idle.rawValue, Cell.vmsa: 1]
    var seen: Set<UInt64> = []
    let outcome = interleaver.explore { memory in
      seen.insert(memory[Cell.outcome])
      if memory[Cell.outcome] == 3 { return memory[Cell.slot] == 0 ? nil : "deleted, but not empty" }
      let isThere = [VCPUState.idle.rawValue, VCPUState.inGuest.rawValue].contains(memory[Cell.slot])
      return isThere && memory[Cell.vmsa] == 1 && memory[Cell.owner] == 0 ? nil : "not as it was"
    }
    outcomes = seen
    return outcome
  }

  @Test func theOwnerNeverTouchesADeletedVCPU() {
    var outcomes: Set<UInt64> = []
    let outcome = explore(outcomes: &outcomes)
    print("interleaver: vCPU slot: \(outcome.stateCount) states, \(outcome.stepCount) steps")
    #expect(outcome.isProved, "\(outcome.report)")
    // Busy, in use and deleted all happen.
    #expect(outcomes == [1, 2, 3])
  }

  @Test func changesWithoutCompareExchangeAreCaught() {
    var outcomes: Set<UInt64> = []
    #expect(explore(owner: .noLock, outcomes: &outcomes).failure != nil)
    #expect(explore(deleter: .noLock, outcomes: &outcomes).failure != nil)
  }

  @Test func anOwnerThatLooksWithoutAFenceIsCaught() {
    var outcomes: Set<UInt64> = []
    #expect(explore(owner: .noFence, outcomes: &outcomes).failure?.contains("touched a freed VMSA") == true)
  }

  @Test func aDeletionThatLeavesEntryPossibleIsCaught() {
    var outcomes: Set<UInt64> = []
    #expect(explore(slip: .entryStaysPossible, outcomes: &outcomes).failure?.contains("freed VMSA") == true)
  }

  @Test func aDeletionThatIgnoresAUseIsCaught() {
    var outcomes: Set<UInt64> = []
    #expect(explore(slip: .useIsNotChecked, outcomes: &outcomes).failure?.contains("freed VMSA") == true)
  }

  @Test func aSlotTakesOneVCPUAtATime() {
    let memory = CountingMemory(lineOfCell: [0, 1, 1])
    let slot = VCPUSlot<CountingMemory>(cell: 1, owner: 2)
    #expect(slot.beginDeletion(in: memory) == .absent)
    #expect(slot.install(in: memory))
    #expect(!slot.install(in: memory))
    #expect(slot.claim(in: memory))
    #expect(slot.beginDeletion(in: memory) == .busy)
    slot.enter(in: memory)
    #expect(slot.beginDeletion(in: memory) == .begun(from: .inGuest))
    #expect(slot.beginDeletion(in: memory) == .busy)
    #expect(slot.reclaim(in: memory) == .undecided)
    slot.abandonDeletion(backTo: .inGuest, in: memory)
    #expect(slot.reclaim(in: memory) == .claimed)
    #expect(slot.beginDeletion(in: memory) == .busy)
    slot.resume(in: memory)
    #expect(slot.beginDeletion(in: memory) == .begun(from: .inGuest))
    slot.finishDeletion(in: memory)
    #expect(slot.reclaim(in: memory) == .gone)
  }
}
