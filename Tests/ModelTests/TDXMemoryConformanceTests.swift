// TDXMemoryConformanceTests: tdx.md G.23 to G.49, the statements about the module.

import Crypto
import Model
import TDX
import Testing

@Suite struct TDXMemoryConformanceTests {
  @Test func g23_acceptOfA4KPageClearsItAndASecondIsAlreadyAccepted() {
    let machine = TDTestMachine()
    #expect(machine.augment(20))
    let system = SystemPage(rawValue: 20 + TDTestMachine.systemOffset)
    machine.memory.store(system, 0, 0xDEAD)
    #expect(machine.status(6, rcx: 20 << 12) == 0)
    #expect(machine.memory.load(system, 0) == 0)
    #expect(machine.status(6, rcx: 20 << 12) == 0x0000_0B0A_0000_0000)
    #expect(machine.td.breaches.first.map(\.rule) == [.alreadyAccepted])
  }

  @Test func g24_acceptOfA2MPageClearsAll512() {
    let machine = TDTestMachine()
    #expect(machine.augment(512, level: 1))
    for page in 512..<UInt64(1024) { machine.memory.store(SystemPage(rawValue: page), 8, page) }
    #expect(machine.status(6, rcx: 512 << 12 | 1) == 0)
    for page in 512..<UInt64(1024) { #expect(machine.memory.load(SystemPage(rawValue: page), 8) == 0) }
  }

  @Test func g25_level1OnA4KRegionIsSizeMismatch() {
    let machine = TDTestMachine()
    #expect(machine.status(6, rcx: 1) == 0xC000_0B0B_0000_0001)
  }

  @Test func g26_level0InsideAnAccepted2MLeafIsAlreadyAcceptedAtLevel1() {
    let machine = TDTestMachine()
    #expect(machine.augment(512, level: 1))
    #expect(machine.status(6, rcx: 512 << 12 | 1) == 0)
    #expect(machine.status(6, rcx: 513 << 12) == 0x0000_0B0A_0000_0001)
  }

  @Test func g27_malformedOperandsAreOperandInvalidRCX() {
    let machine = TDTestMachine()
    for rcx: UInt64 in [
      2, 7, 512 << 12 | 0x1000 | 1, 20 << 12 | 1 << 47, 20 << 12 | 8, 20 << 12 | 0x800, 20 << 12 | 1 << 52,
      20 << 12 | 1 << 63, 1 << 48,
    ] { #expect(machine.status(6, rcx: rcx) == 0xC000_0100_0000_0001) }
  }

  @Test func g28_acceptOfAFreePageExitsAndSucceedsAfterAUG() {
    let machine = TDTestMachine()
    guard case .exited(let exit) = machine.call(6, rcx: 21 << 12) else {
      Issue.record("no exit")
      return
    }
    #expect(exit.reason == .eptViolation && exit.status == .success)
    #expect(exit.registers.rdx & 15 == 1 && exit.registers.r8 == 21 << 12)
    #expect(exit.registers.rcx & 7 == 2)
    #expect(machine.registers.rax == 6, "the instruction runs again with its inputs")
    #expect(machine.augment(21))
    machine.enter(0)
    #expect(machine.status(6, rcx: 21 << 12) == 0)
  }

  @Test func g29_aninterruptRestartsA2MAcceptWhichEndsWell() {
    let machine = TDTestMachine()
    #expect(machine.augment(512, level: 1))
    var restarts = 0
    while machine.call(6, rcx: 512 << 12 | 1, isInterruptPending: true) == .interrupted {
      #expect(machine.registers.rax == 6)
      restarts += 1
      if restarts > 512 { break }
    }
    #expect(restarts == 511 && machine.registers.rax == 0)
  }

  @Test func g30_aHeldLockAnswersBusy() {
    let machine = TDTestMachine()
    #expect(machine.augment(20))
    machine.td.lockEntry(GuestPage(rawValue: 20), isLocked: true)
    #expect(machine.status(6, rcx: 20 << 12) == 0x8000_0200_0000_0001)
    machine.td.lockEntry(GuestPage(rawValue: 20), isLocked: false)
    #expect(machine.status(6, rcx: 20 << 12) == 0)
  }

  @Test func g34_vmReadOfNumL2VMsAndBadRCX() {
    let machine = TDTestMachine(l2Count: 2)
    #expect(machine.status(7, rdx: 0x9010_0001_0000_0005) == 0)
    #expect(machine.registers.r8 == 2)
    #expect(machine.status(7, rcx: 1, rdx: 0x9010_0001_0000_0005, r8: 9) == 0xC000_0100_0000_0001)
    #expect(machine.registers.r8 == 0)
  }

  @Test func g35_unknownAndReadOnlyFields() {
    let machine = TDTestMachine()
    #expect(machine.status(7, rdx: 0x1234_0003_0000_0077, r8: 9).map { $0 >> 32 } == 0xC000_0C00)
    #expect(machine.registers.r8 == 0)
    #expect(
      machine.status(8, rdx: FieldID.attributes.rawValue, r8: 0, r9: .max).map { $0 >> 32 }
        == 0xC000_0C01)
    #expect(machine.status(8, rdx: FieldID.notifyEnables.rawValue, r8: 0, r9: .max) == 0)
    #expect(
      machine.status(8, rdx: 0x9100_0000_0000_0010, r8: 2, r9: .max).map { $0 >> 32 } == 0xC000_0C03)
  }

  @Test func g36_tdControlsNeedFlexiblePendingVE() {
    let machine = TDTestMachine { $0.attributes = [] }
    let id = FieldID.tdControls.rawValue
    #expect(machine.status(8, rdx: id, r8: 1, r9: 1) == 0xC000_0C03_0000_0000)
    #expect(machine.status(7, rdx: id) == 0 && machine.registers.r8 == 0)
    #expect(machine.status(8, rdx: id, r8: 0, r9: 1) == 0)
    #expect(machine.augment(20))
    #expect(throws: TDFault.raise(.virtualization)) {
      try machine.td.accessL1(0, TDAccess(20 << 12, .read))
    }
    let flexible = TDTestMachine {
      $0.attributes = []
      $0.flags.insert(.flexiblePendingVE)
    }
    #expect(flexible.status(8, rdx: id, r8: 1, r9: 1) == 0)
    #expect(flexible.augment(20))
    do {
      _ = try flexible.td.accessL1(0, TDAccess(20 << 12, .read))
      Issue.record("a pending page was read")
    } catch {
      guard case .exit(let exit) = error else {
        Issue.record("no exit: \(error)")
        return
      }
      #expect(exit.registers.rdx & 15 == 6)
    }
  }

  @Test func g37_l2ControlsThroughVPReadAndWrite() {
    let machine = TDTestMachine()
    #expect(machine.status(9, rdx: 0x2420_0002_0000_4002) == 0)
    #expect(machine.registers.r8 == 0x9122_0088)
    // Bit 7 (HLT exiting) is set and not writable.
    #expect(
      machine.status(10, rdx: 0x2420_0002_0000_4002, r8: 0, r9: 1 << 7 | 1 << 12)
        == 0xC000_0C03_0000_0000)
    #expect(machine.status(9, rdx: 0x2C20_0002_0000_4002) == 0xC000_0C00_0000_0000)
    #expect(machine.status(9, rdx: 0x2420_0002_0000_4003) == 0xC000_0C00_0000_0000)
    #expect(machine.status(9, rdx: 0x2420_0001_0000_0000).map { $0 >> 32 } == 0xC000_0C02)
  }

  @Test func g38_l2Controls() {
    let machine = TDTestMachine()
    let id = FieldID.l2Controls.advanced(by: 1).rawValue
    #expect(machine.status(10, rdx: id, r8: 7, r9: 7) == 0 && machine.registers.r8 == 0)
    #expect(machine.status(10, rdx: id, r8: 1, r9: 6) == 0 && machine.registers.r8 == 7)
    #expect(machine.status(9, rdx: id) == 0 && machine.registers.r8 == 1)
    #expect(machine.status(10, rdx: id, r8: 8, r9: 8).map { $0 >> 32 } == 0xC000_0C01)
  }

  @Test func g39_virtualAPICAddress() {
    let machine = TDTestMachine()
    let id: UInt64 = 0x2420_0003_0000_2012
    #expect(machine.status(10, rdx: id, r8: 14 << 12, r9: .max) == 0)
    for bad: UInt64 in [13 << 12 | 1 << 47, 13 << 12 | 1, 13 << 12 | 0x800] {
      #expect(machine.status(10, rdx: id, r8: bad, r9: .max) == 0xC000_0C03_0000_0000)
    }
    #expect(machine.status(9, rdx: id) == 0 && machine.registers.r8 == 14 << 12)
  }

  @Test func g40_pastDeadlineExitsBeforeAnyInstruction() {
    let machine = TDTestMachine()
    let id = FieldID.tscDeadline.advanced(by: 1).rawValue
    #expect(machine.status(10, rdx: id, r8: 0, r9: .max) == 0)
    #expect(machine.enterL2(timeStamp: 5) == .completed)
    #expect(machine.registers.rax == 52)
    // An event that was to be injected comes back as IDT-vectoring information (B.6).
    let event: UInt64 = 0x2420_0003_0000_4016
    let code: UInt64 = 0x2420_0003_0000_4018
    #expect(machine.status(10, rdx: event, r8: 0x8000_0B0E, r9: .max) == 0)
    #expect(machine.status(10, rdx: code, r8: 2, r9: .max) == 0)
    #expect(machine.enterL2(timeStamp: 5) == .completed)
    #expect(machine.registers.rax == 52 && machine.registers.r10 == 2 << 32 | 0x8000_0B0E)
    #expect(machine.status(9, rdx: event) == 0 && machine.registers.r8 == 0xB0E)
    #expect(machine.status(10, rdx: id, r8: .max, r9: .max) == 0)
    guard case .enteredL2 = machine.enterL2(timeStamp: 5) else {
      Issue.record("not entered")
      return
    }
  }

  @Test func g41_rtmrExtend() {
    let machine = TDTestMachine()
    #expect(machine.status(2, rcx: 0x1010, rdx: 0) == 0xC000_0100_0000_0001)
    #expect(machine.status(2, rcx: 0x1000, rdx: 4) == 0xC000_0100_0000_0002)
    let page = SystemPage(rawValue: 1 + TDTestMachine.systemOffset)
    for word in 0..<6 { machine.memory.store(page, 0x40 + 8 * word, UInt64(word) * 0x0101) }
    #expect(machine.status(2, rcx: 0x1040, rdx: 2) == 0)
    var bytes = [UInt8](repeating: 0, count: 48)
    for word in 0..<6 {
      for byte in 0..<8 {
        bytes.append(UInt8(truncatingIfNeeded: (UInt64(word) * 0x0101) >> UInt64(8 * byte)))
      }
    }
    let expected = SHA384.hash(bytes.span)
    for element in 0..<6 {
      let id = FieldID.rtmr.advanced(by: 12 + element).rawValue
      #expect(machine.status(7, rdx: id) == 0)
      var word: UInt64 = 0
      for byte in 0..<8 { word |= UInt64(expected[element * 8 + byte]) << UInt64(8 * byte) }
      #expect(machine.registers.r8 == word)
      #expect(machine.status(7, rdx: FieldID.rtmr.advanced(by: element).rawValue) == 0)
      #expect(machine.registers.r8 == 0)
    }
    machine.td.isRTMRLockedByHost = true
    #expect(machine.status(2, rcx: 0x1040, rdx: 2) == 0x8000_0200_0000_00A8)
  }

  @Test func g42_report() {
    let machine = TDTestMachine()
    #expect(machine.status(4, rcx: 0x2040, rdx: 0x1000) == 0xC000_0100_0000_0001)
    #expect(machine.status(4, rcx: 0x2000, rdx: 0x1020) == 0xC000_0100_0000_0002)
    #expect(machine.status(4, rcx: 0x2000, rdx: 0x1000, r8: 1) == 0xC000_0100_0000_0008)
    let data = SystemPage(rawValue: 1 + TDTestMachine.systemOffset)
    for word in 0..<8 { machine.memory.store(data, 8 * word, 0x1111 * UInt64(word + 1)) }
    #expect(machine.status(4, rcx: 0x2400, rdx: 0x1000) == 0)
    let output = SystemPage(rawValue: 2 + TDTestMachine.systemOffset)
    var report: [UInt8] = []
    for word in 0..<128 {
      let value = machine.memory.load(output, 0x400 + 8 * word)
      for byte in 0..<8 { report.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))) }
    }
    #expect(report[0] == 0x81 && report[1] == 0)
    #expect(report[128] == 0x11 && report[136] == 0x22)
    let hash = SHA384.hash(Array(report[512..<1024]).span)
    for index in 0..<48 { #expect(report[80 + index] == hash[index]) }
    // VERIFYREPORT accepts it, and refuses it with any byte changed.
    #expect(machine.status(22, rcx: 0x2400) == 0)
    machine.memory.store(output, 0x400 + 128, 0)
    #expect(machine.status(22, rcx: 0x2400) == 0xC000_1001_0000_0000)
  }

  @Test func g44_anL2AccessWithoutAliasGoesToL1() {
    let machine = TDTestMachine()
    #expect(throws: L2AccessFault.toL1(.none)) {
      try machine.td.accessL2(0, vm: 1, TDAccess(3 << 12 | 8, .read))
    }
  }

  @Test func g45_attrWriteGivesAccess() throws {
    let machine = TDTestMachine()
    #expect(machine.share(3) == 0)
    #expect(machine.registers.rdx >> 16 & 0xFFFF == 0x800F)
    #expect(machine.status(23, rcx: 3 << 12 | 0x123) == 0)
    #expect(machine.registers.rcx == 3 << 12 && machine.registers.rdx >> 16 & 0xFFFF == 0x800F)
    let system = try machine.td.accessL2(0, vm: 1, TDAccess(3 << 12, .write))
    #expect(system == SystemPage(rawValue: 3 + TDTestMachine.systemOffset))
  }

  @Test func g46_malformedLanes() {
    let machine = TDTestMachine()
    #expect(machine.status(24, rcx: 3 << 12, rdx: 0x800F) == 0xC000_0100_0000_0002)
    #expect(machine.status(24, rcx: 3 << 12, r8: 0x000F) == 0xC000_0100_0000_0008)
    #expect(machine.status(24, rcx: 3 << 12, rdx: 0x0003_0000) == 0xC000_0100_0000_0002)
    #expect(machine.status(24, rcx: 3 << 12, rdx: 0x800F_0000_0000) == 0xC000_0100_0000_0002)
  }

  @Test func g47_illegalRightsChangeNothingAndAbsentRightsRemoveTheAlias() {
    let machine = TDTestMachine()
    #expect(machine.share(3) == 0)
    #expect(machine.share(3, attributes: 0x8002) == 0xC000_0B11_0000_0000)
    #expect(machine.registers.rcx == 0 && machine.registers.rdx >> 16 & 0xFFFF == 0x800F)
    #expect(machine.rights(3, vm: 1) == .full)
    #expect(machine.share(3, attributes: 0x8000) == 0)
    #expect(machine.registers.rdx >> 16 & 0xFFFF == 0x8000)
    #expect(machine.rights(3, vm: 1) == nil)
  }

  @Test func g48_sizeMismatchAndPendingAliases() {
    let machine = TDTestMachine()
    #expect(machine.status(24, rcx: 1, rdx: 0x800F_0000, r8: 0x000F_0000) == 0xC000_0B0B_0000_0001)
    #expect(machine.augment(20))
    #expect(machine.share(20) == 0)
    #expect(machine.registers.rcx >> 62 == 1)
    #expect(throws: L2AccessFault.toL1(.pendingEPTViolation)) {
      try machine.td.accessL2(0, vm: 1, TDAccess(20 << 12, .read))
    }
    #expect(machine.status(6, rcx: 20 << 12) == 0)
    #expect(throws: Never.self) {
      try machine.td.accessL2(0, vm: 1, TDAccess(20 << 12, .read))
    }
  }

  @Test func g49_missingL2TableIsAStatusOrAnExit() {
    func build(_ exits: UInt8) -> TDTestMachine {
      let machine = TDTestMachine { $0.l2WalkFailureExits = exits }
      _ = machine.td.addTable(GuestPage(rawValue: 512))
      _ = machine.td.augment(GuestPage(rawValue: 512), SystemPage(rawValue: 600))
      _ = machine.status(6, rcx: 512 << 12)
      return machine
    }
    let answering = build(0)
    #expect(answering.share(512) == 0xC000_0B0F_0001_0000)
    let exiting = build(0b10)
    guard
      case .exited(let exit) = exiting.call(
        24, rcx: 512 << 12, rdx: 0x800F_0000, r8: 0x000F_0000)
    else {
      Issue.record("no exit")
      return
    }
    #expect(exit.registers.rdx & 15 == 2 && exit.registers.rdx >> 52 & 3 == 1)
    #expect(exiting.addTable(512, vm: 1))
    exiting.enter(0)
    #expect(exiting.share(512) == 0)
  }
}
