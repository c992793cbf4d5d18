// Tests of acceptance and conversion over the model, with an honest host and with others.
import Model
import Seams
import TDPPlatform
import TDX
import Testing
import X86

@Suite struct AcceptanceTests {
  private let large: UInt64 = 0x20_0000

  private func acceptance(_ machine: ModelTD, _ policy: AlreadyAcceptedPolicy = .clear)
    -> PageAcceptance<ModelTD>
  { PageAcceptance(machine, sharedMask: 1 << 47, policy: policy) }

  // G.31
  @Test func aMismatchBecomesExactly512AcceptsEachOnce() throws {
    let machine = ModelTD()
    for page in UInt64(512)..<1024 { machine.augment(page) }
    var pages: [UInt64] = []
    machine.beforeCall = { _, registers in if registers.rcx & 7 == 0 { pages.append(registers.rcx >> 12) } }
    let count = try acceptance(machine).accept(large, byteCount: large, PrivateMemory(machine: machine))
    #expect(count.small == 512 && count.large == 0 && count.cleared == 0)
    #expect(pages == Array(512..<1024))
    #expect(machine.count(.pageAccept) == 513)
  }

  @Test func alignedMemoryIsAcceptedInTwoMegabytePages() throws {
    let machine = ModelTD()
    machine.augment(512, level: 1)
    machine.augment(1024, level: 1)
    for page in UInt64(500)..<512 { machine.augment(page) }
    for page in UInt64(1536)..<1540 { machine.augment(page) }
    let count = try acceptance(machine).accept(
      500 << 12, byteCount: 1040 << 12, PrivateMemory(machine: machine))
    #expect(count.large == 2 && count.small == 16)
    for page in UInt64(500)..<1540 { #expect(machine.isMapped(page)) }
  }

  // G.31
  @Test func aMalformedRangeIsRefusedBeforeAnyCall() {
    let machine = ModelTD()
    for (start, count) in [
      (UInt64(0x1001), UInt64(0x1000)), (0x1000, 0x1001), (0x1000, 0), (1 << 47, 0x1000),
      ((1 << 47) - 0x1000, 0x2000), (.max & ~0xFFF, 0x2000), (0x1000, 1),
    ] {
      #expect(throws: AcceptanceFailure.malformed) {
        _ = try acceptance(machine).accept(start, byteCount: count, PrivateMemory(machine: machine))
      }
    }
    #expect(machine.steps.isEmpty)
  }

  // G.32: a page that was placed at launch and that we believe is new.
  @Test func whatWasAcceptedBeforeIsClearedAndCounted() throws {
    let machine = ModelTD()
    let memory = PrivateMemory(machine: machine)
    memory.store(UInt64(0x5EC2E7), at: PhysicalAddress(30 << 12))
    machine.augment(32)
    let count = try acceptance(machine).accept(30 << 12, byteCount: 3 << 12, memory)
    #expect(count.cleared == 2 && count.small == 1)
    #expect(memory.load(UInt64.self, at: PhysicalAddress(30 << 12)) == 0)
  }

  // G.32
  @Test func aLargePageThatWasAcceptedBeforeIsClearedAsAWhole() throws {
    let machine = ModelTD()
    let memory = PrivateMemory(machine: machine)
    machine.augment(512, level: 1)
    _ = try acceptance(machine).accept(large, byteCount: large, memory)
    for page in UInt64(512)..<1024 { memory.store(page, at: PhysicalAddress(page << 12)) }
    let count = try acceptance(machine).accept(large, byteCount: large, memory)
    #expect(count.cleared == 512)
    for page in UInt64(512)..<1024 { #expect(memory.load(UInt64.self, at: PhysicalAddress(page << 12)) == 0) }
  }

  // G.32: the other policy.
  @Test func whatWasAcceptedBeforeMayAlsoBeTheEnd() {
    let machine = ModelTD()
    let memory = PrivateMemory(machine: machine)
    memory.store(UInt64(7), at: PhysicalAddress(30 << 12))
    #expect(throws: AcceptanceFailure.alreadyAccepted(30 << 12)) {
      _ = try acceptance(machine, .refuse).accept(30 << 12, byteCount: 1 << 12, memory)
    }
  }

  // G.33
  @Test func busyIsTriedAgainWithPausesAndWithinABound() throws {
    let machine = ModelTD()
    machine.augment(40)
    machine.forced = Array(repeating: (.pageAccept, .operandBusy.with(.rcx)), count: 50)
    let count = try acceptance(machine).accept(40 << 12, byteCount: 0x1000, PrivateMemory(machine: machine))
    #expect(count.small == 1)
    #expect(machine.steps.filter { $0 == .pause }.count == 50)
    machine.augment(41)
    machine.td.lockEntry(GuestPage(rawValue: 41), isLocked: true)
    machine.steps = []
    #expect(throws: AcceptanceFailure.refused(41 << 12, .operandBusy.with(.rcx))) {
      _ = try acceptance(machine).accept(41 << 12, byteCount: 0x1000, PrivateMemory(machine: machine))
    }
    #expect(machine.count(.pageAccept) == ModuleCalls<ModelTD>.patience)
  }

  // G.33
  @Test func otherStatusesNameTheirPage() {
    for status in [TDXStatus.operandInvalid.with(.rcx), .eptEntryStateIncorrect, .nonRecoverableTD] {
      let machine = ModelTD()
      machine.augment(40)
      machine.augment(41)
      machine.forced = []
      var left = 1
      machine.beforeCall = { machine, _ in
        if left == 0 { machine.forced = [(.pageAccept, status)] }
        left -= 1
      }
      #expect(throws: AcceptanceFailure.refused(41 << 12, status)) {
        _ = try acceptance(machine).accept(40 << 12, byteCount: 0x2000, PrivateMemory(machine: machine))
      }
    }
  }

  @Test func aHostThatAddsPagesOnlyWhenAskedIsServedToo() throws {
    let machine = ModelTD()
    let count = try acceptance(machine).accept(40 << 12, byteCount: 4 << 12, PrivateMemory(machine: machine))
    #expect(count.small == 4)
    #expect(machine.exits.count == 4)
  }
}

@Suite struct ConversionTests {
  private func conversion(_ machine: ModelTD) -> PageConversion<ModelTD> {
    PageConversion(machine, sharedMask: 1 << 47)
  }

  private func answer(_ machine: ModelTD, _ answers: [(UInt64, UInt64)]) {
    var rest = answers
    machine.host = { registers in
      let next = rest.isEmpty ? (0, 0) : rest.removeFirst()
      registers.r10 = next.0
      registers.r11 = next.1
    }
  }

  @Test func aRetryGoesOnWhereTheHostSays() throws {
    let machine = ModelTD()
    answer(machine, [(1, 1 << 47 | 0x3000), (1, 1 << 47 | 0x5000), (0, 0)])
    try conversion(machine).makeShared(0x1000, byteCount: 0x8000)
    #expect(machine.exits.map(\.registers.r12) == [1 << 47 | 0x1000, 1 << 47 | 0x3000, 1 << 47 | 0x5000])
    #expect(machine.exits.map(\.registers.r13) == [0x8000, 0x6000, 0x4000])
  }

  // G.71
  @Test func aRetryOutsideWhatIsLeftFails() {
    for address in [UInt64(0), 0x1000, 1 << 47, 0x9000, 1 << 47 | 0x9000, 0x2800, .max, 1 << 48 | 0x3000] {
      let machine = ModelTD()
      answer(machine, [(1, 0x2000), (1, address)])
      #expect(throws: ConversionFailure.noProgress(address)) {
        try conversion(machine).makeShared(0x1000, byteCount: 0x8000)
      }
      #expect(machine.exits.count == 2)
    }
  }

  // G.71
  @Test func aRetryWithoutProgressFailsAfterThree() {
    let machine = ModelTD()
    answer(machine, Array(repeating: (1, 0x1000), count: 100))
    #expect(throws: ConversionFailure.noProgress(0x1000)) {
      try conversion(machine).makeShared(0x1000, byteCount: 0x8000)
    }
    #expect(machine.exits.count == 4)
  }

  // G.71
  @Test func refusalsPropagate() {
    for status in [TDVMCALLStatus.invalidOperand, .alignmentError, .gpaInUse, .functionUnsupported] {
      let machine = ModelTD()
      answer(machine, [(status.rawValue, 0x1000)])
      #expect(throws: ConversionFailure.refused(.host(status))) {
        try conversion(machine).makeShared(0x1000, byteCount: 0x8000)
      }
    }
  }

  @Test func aMalformedRangeAsksNobody() {
    let machine = ModelTD()
    for (start, count) in [
      (UInt64(0x1001), UInt64(0x1000)), (0x1000, 0), (1 << 47, 0x1000), (0, 1 << 47 | 0x1000),
    ] {
      #expect(throws: ConversionFailure.malformed) {
        try conversion(machine).makeShared(start, byteCount: count)
      }
    }
    #expect(machine.steps.isEmpty)
  }

  // G.75, the driver's part: what comes back is accepted anew and reads as zero, whatever the host left there.
  @Test func whatComesBackIsAcceptedAndEmpty() throws {
    let machine = ModelTD()
    let memory = PrivateMemory(machine: machine)
    memory.store(UInt64(0x1234), at: PhysicalAddress(20 << 12))
    machine.host = { [unowned machine] registers in
      let isShared = registers.r12 >> 47 & 1 == 1
      let pages = (registers.r12 & 0xFFFF_FFFF) >> 12
      for page in pages..<pages + registers.r13 >> 12 {
        _ = machine.td.mapGPA(address: page << 12, byteCount: 4096, isShared: isShared) {
          ModelTD.system($0.rawValue)
        }
        for vcpu in 1..<4 { _ = machine.td.asynchronousExit(vcpu, .externalInterrupt, &machine.memory) }
        _ = machine.td.mapGPA(address: page << 12, byteCount: 4096, isShared: isShared) {
          ModelTD.system($0.rawValue)
        }
        for vcpu in 1..<4 { _ = machine.td.enterFromHost(vcpu, GeneralRegisters(), &machine.memory) }
      }
      registers.r10 = 0
    }
    try conversion(machine).makeShared(20 << 12, byteCount: 0x2000)
    #expect(!machine.isMapped(20))
    machine.memory.store(ModelTD.system(20), 0, 0xBAD)
    try conversion(machine).makePrivate(20 << 12, byteCount: 0x2000, memory)
    #expect(machine.isMapped(20) && machine.isMapped(21))
    #expect(memory.load(UInt64.self, at: PhysicalAddress(20 << 12)) == 0)
    #expect(machine.count(.pageAccept) == 2)
  }

  // G.75: a host that claims to have made a page private and did not.
  @Test func aPageThatNeverLeftIsNotTakenBack() {
    let machine = ModelTD()
    #expect(throws: ConversionFailure.acceptance(.alreadyAccepted(20 << 12))) {
      try conversion(machine).makePrivate(20 << 12, byteCount: 0x1000, PrivateMemory(machine: machine))
    }
  }
}
