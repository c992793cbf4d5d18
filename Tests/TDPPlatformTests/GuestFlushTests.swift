// Tests of the L2's driver: interrupts, flushes, re-injection, pages taken away, and exits of all kinds.
import Model
import Seams
import TDPPlatform
import TDX
import Testing
import X86

@Suite struct GuestFlushTests {
  // G.64: a flush is asked for until an entry was really made.
  @Test func aFlushIsUsedUpByAnEntryOnly() throws {
    let world = try GuestWorld()
    let program: (ModelTD, inout L2EnterState) -> L2Deed = { _, _ in .exit(L2Exit(.preemptionTimer)) }
    world.machine.program = program
    #expect(try world.enter() == .handled)
    #expect(world.machine.entries.last == 1 << 52)
    try world.driver.revoke(PhysicalAddress(GuestWorld.image + 0x1000), .small)
    #expect(world.driver.flushReductions())
    // Busy, then an interrupt for L1: twice not entered.
    world.machine.forced = [(.vpEnter, .operandBusy), (.vpEnter, .pendingInterrupt)]
    #expect(try world.enter() == .handled)
    #expect(try world.enter() == .handled)
    #expect(try world.enter() == .handled)
    #expect(try world.enter() == .handled)
    let flag: UInt64 = 1 << 52 | 1
    #expect(world.machine.entries.suffix(4) == [flag, flag, flag, 1 << 52])
    #expect(!world.machine.isOpen(513))
  }

  // G.67, G.52: an interrupt that waits for L1 is let in after each attempt.
  @Test func aWaitingInterruptIsLetInAThousandTimes() throws {
    let world = try GuestWorld()
    #expect(try world.enter(1) == .refused)
    world.machine.program = { _, _ in .exit(L2Exit(.preemptionTimer)) }
    for round in 0..<1000 {
      world.machine.td.setL1Interrupt(vcpu: 0, requested: round & 1 == 0 ? 0xF0 : 0, priority: 0)
      world.machine.steps = []
      #expect(try world.enter() == .handled)
      #expect(world.machine.steps.first == .cli && world.machine.steps.last == .sti)
      #expect(world.machine.steps.filter { $0 == .module(25) }.count == 1)
    }
  }

  // B.6: an interrupt for L1 ends the stay.
  @Test func anInterruptForL1EndsTheStay() throws {
    let world = try GuestWorld()
    world.machine.program = { _, _ in .interrupt(0x60) }
    #expect(try world.enter() == .handled)
    #expect(world.machine.entries.count == 1)
  }

  // G.65: low half information, high half error code; once.
  @Test func aBrokenDeliveryIsDeliveredAgainOnce() throws {
    let world = try GuestWorld()
    var seen: [(UInt64, UInt64)] = []
    world.machine.program = { machine, _ in
      seen.append((machine.l2(.entryInterruptionInformation), machine.l2(.entryExceptionErrorCode)))
      guard seen.count == 1 else { return .exit(L2Exit(.hlt, length: 1)) }
      var exit = L2Exit(.cpuid, length: 2)
      exit.vectoring = 0x0000_0002_8000_1B0E
      return .exit(exit)
    }
    #expect(try world.enter() == .refused)
    #expect(seen.map(\.0) == [0, 0x8000_0B0E] && seen.map(\.1) == [0, 2])
  }

  // G.65, B.6: an interrupt for L1 is an exit like others: what it broke off is L1's to deliver.
  @Test func aDeliveryThatAnInterruptForL1BreaksOffIsDeliveredAgainOnce() throws {
    let world = try GuestWorld()
    var seen: [UInt64] = []
    world.machine.program = { machine, state in
      seen.append(machine.l2(.entryInterruptionInformation))
      // Interrupts are open, or none would have been under way.
      state.rflags |= 1 << 9
      return seen.count == 1
        ? .interrupt(0x60, vectoring: 0x8000_0051) : .exit(L2Exit(.hlt, length: 1))
    }
    #expect(try world.enter() == .handled)
    world.machine.td.setL1Interrupt(vcpu: 0, requested: 0, priority: 0)
    #expect(try world.enter() == .refused)
    #expect(try world.enter() == .refused)
    #expect(seen == [0, 0x8000_0051])
  }

  // design.md "Guest rights reduced", G.50: a vCPU that stays inside keeps the caller from saying done.
  @Test func aCPUInsideHoldsAFlushUp() throws {
    let world = try GuestWorld()
    var outcome: [Bool] = []
    world.machine.program = { machine, _ in
      // Another CPU takes rights away while this one runs its L2; the host delivers no kick.
      let before = machine.vcpu
      machine.vcpu = 1
      try? world.driver.revoke(PhysicalAddress(GuestWorld.image + 0x1000), .small)
      outcome.append(world.driver.flushReductions())
      machine.vcpu = before
      return .exit(L2Exit(.preemptionTimer))
    }
    #expect(try world.enter() == .handled)
    #expect(outcome == [false])
    world.machine.program = { _, _ in .exit(L2Exit(.hlt, length: 1)) }
    #expect(world.driver.flushReductions())
    #expect(try world.enter() == .refused)
    #expect(world.machine.entries.last == 1 << 52 | 1)
    #expect(!world.machine.isOpen(513))
  }

  // The PVALIDATE of a TD, G.75: back and forth, contents gone, aliases made again.
  @Test func pagesChangeHands() throws {
    let world = try GuestWorld()
    var asked: [(UInt64, UInt64)] = []
    world.machine.host = { registers in
      if registers.r11 == 0x10001 { asked.append((registers.r12, registers.r13)) }
      registers.r10 = 0
    }
    let page = PhysicalAddress(0x30_0000)
    try world.driver.validate(page, .small)
    #expect(asked.map(\.0) == [0x30_0000] && asked.map(\.1) == [4096])
    #expect(throws: PageFailure.unchanged) { try world.driver.validate(page, .small) }
    try world.driver.storeWord(7, page)
    try world.driver.grant(page, .small)
    #expect(world.machine.rights(0x300) == .full)
    try world.driver.revoke(page, .small)
    #expect(world.machine.rights(0x300)?.isPresent != true)
    try world.driver.clear(page, byteCount: 4096)
    #expect(try world.driver.loadWord(page) == 0)
    asked = []
    try world.driver.invalidate(page, .small)
    #expect(asked.map(\.0) == [0x8000_0030_0000])
    // A host that refuses leaves the page as it is.
    world.machine.host = { $0.r10 = 0x8000_0000_0000_0000 }
    #expect(throws: PageFailure.unreachable) { try world.driver.invalidate(page, .small) }
    #expect(throws: PageFailure.unreachable) { try world.driver.validate(PhysicalAddress(0x31_0000), .small) }
    #expect(throws: PageFailure.unreachable) { try world.driver.grant(PhysicalAddress(0xFFF << 40), .small) }
  }

  @Test func anAliasOfTwoMegabytesIsMadeInPiecesWhereItMustBe() throws {
    let world = try GuestWorld()
    for page in UInt64(1024)..<1536 {
      world.machine.augment(page)
      try world.driver.validate(PhysicalAddress(page << 12), .small)
    }
    world.machine.steps = []
    #expect(throws: PageFailure.sizeMismatch) {
      try world.driver.validate(PhysicalAddress(1024 << 12), .large)
    }
    try world.driver.grant(PhysicalAddress(1024 << 12), .large)
    #expect(world.machine.count(.pageAttrWrite) == 513)
    #expect(world.machine.rights(1535) == .full)
  }

  @Test func copiesStayWithinTheWindow() throws {
    let world = try GuestWorld()
    let end = world.memory.limit
    #expect(throws: GuestMemoryFault.self) { try world.driver.loadWord(PhysicalAddress(end.rawValue - 4)) }
    #expect(throws: GuestMemoryFault.self) { try world.driver.storeByte(1, end) }
    #expect(throws: GuestMemoryFault.self) { try world.driver.clear(end, byteCount: 4096) }
    #expect(throws: GuestMemoryFault.self) { try world.driver.storeWord(1, PhysicalAddress(.max - 3)) }
  }

  // Whatever an L2 has in its registers and for whatever reason it leaves, L1 goes on (issue 5: never panic on guest input).
  @Test func exitsOfAllKindsAreAnswered() throws {
    var generator = SystemRandomNumberGenerator()
    let seed = UInt64.random(in: 1...UInt64.max, using: &generator)
    print("exitsOfAllKindsAreAnswered: seed \(seed)")
    for first in [42, seed] {
      let world = try GuestWorld()
      var state = first
      func random() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
      }
      let reasons: [UInt32] = [
        0, 10, 13, 14, 15, 18, 19, 28, 29, 30, 31, 32, 36, 39, 40, 43, 45, 46, 48, 51, 52, 54, 55, 56, 58,
        77, 77,
      ]
      world.machine.host = { registers in
        registers.r10 = random() & 7 == 0 ? random() : 0
        registers.r11 = random()
      }
      world.machine.program = { _, l2 in
        for number in 0..<16 { l2.registers[number] = random() & 1 == 0 ? random() : random() & 0x3F }
        if random() & 3 == 0 { l2.registers[10] = 0x4D53_5653 }
        var exit = L2Exit(VMXExitReason(rawValue: reasons[Int(random() % UInt64(reasons.count))]))
        // An NMI or #MC is the host's.
        if exit.reason == .exceptionOrNMI { exit.interruption = 0x8000_0300 | 6 }
        exit.qualification = random()
        exit.guestAddress = random() & 0xFF_FFFF
        exit.linearAddress = random()
        // A fault, as only those can be delivered whatever the flags.
        exit.vectoring = random() & 7 == 0 ? random() & ~0x700 | 0x300 : 0
        exit.instructionLength = UInt32(random() & 15)
        exit.cpl = UInt8(random() & 3)
        return .exit(exit)
      }
      var dead = 0
      for _ in 0..<2000 {
        switch try world.enter() {
        case .returned:
          world.driver.write(CallReply(result: 0, rcx: 1, rdx: 2, r8: 3), to: try world.context())
        case .dead: dead += 1
        case .refused, .handled: break
        }
        if world.machine.steps.count > 100_000 { world.machine.steps = [] }
      }
      #expect(world.machine.entries.count > 0 || dead > 0)
    }
  }
}
