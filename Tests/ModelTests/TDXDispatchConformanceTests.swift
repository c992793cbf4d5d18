// TDXDispatchConformanceTests: tdx.md G.1 to G.22, the statements about the module.

import Model
import TDX
import Testing

@Suite struct TDXDispatchConformanceTests {
  @Test func g1_tdcallOutside64BitModeIsGP() {
    let machine = TDTestMachine()
    var registers = GeneralRegisters()
    registers.rax = 1
    let before = registers
    let outcome = machine.td.tdcall(
      TDCallContext(vcpu: 0, is64Bit: false), &registers, &machine.memory)
    #expect(outcome == .raised(.generalProtection) && registers == before)
    let user = machine.td.tdcall(TDCallContext(vcpu: 0, cpl: 3), &registers, &machine.memory)
    #expect(user == .raised(.generalProtection) && registers == before)
  }

  @Test func g2_unknownLeavesAnswerOperandInvalidRAXAndChangeNothingElse() {
    let machine = TDTestMachine()
    for leaf: UInt64 in [0x1F, 13, 0xFFFF, 29, 30, 33, 254] {
      machine.registers.rbx = 0x77
      #expect(machine.status(leaf, rcx: 1, rdx: 2, r8: 3, r9: 4) == 0xC000_0100_0000_0000)
      #expect(machine.registers.rcx == 1 && machine.registers.rdx == 2 && machine.registers.rbx == 0x77)
      #expect(machine.registers.r8 == 3 && machine.registers.r9 == 4)
    }
  }

  @Test func g3_versionsAndReservedBitsOfRAX() {
    let machine = TDTestMachine()
    for rax: UInt64 in [0x0001_0006, 0x0002_0007, 0x0100_0001, 1 << 32 | 1] {
      #expect(machine.status(rax) == 0xC000_0100_0000_0000)
    }
    #expect(machine.status(0x0001_0007, rdx: FieldID.numL2VMs.rawValue) == 0)
    #expect(machine.registers.r8 == 1)
  }

  @Test func g4_vmcallShowsTheHostOnlyWhatTheMaskSelects() throws {
    let machine = TDTestMachine()
    for number in 0..<16 { machine.registers[number] = 0x1000 + UInt64(number) }
    let before = machine.registers
    let outcome = machine.call(
      0, rcx: 0xFC00, rdx: before.rdx, r8: before.r8, r9: before.r9)
    guard case .exitedAfter(let exit) = outcome else {
      Issue.record("no exit: \(outcome)")
      return
    }
    #expect(exit.registers.rax == 77 && exit.registers.rcx == 0xFC00)
    for number in 2..<10 { #expect(exit.registers[number] == 0) }
    for number in 10..<16 { #expect(exit.registers[number] == 0x1000 + UInt64(number)) }
    var host = GeneralRegisters()
    for number in 0..<16 { host[number] = 0xBAD0 + UInt64(number) }
    host.rcx = 0
    guard case .running(vm: 0, let merged?) = machine.td.enterFromHost(0, host, &machine.memory) else {
      Issue.record("not entered")
      return
    }
    #expect(merged.rax == 0 && merged.rcx == 0xFC00)
    for number in [2, 3, 4, 5, 6, 7, 8, 9] { #expect(merged[number] == before[number]) }
    for number in 10..<16 { #expect(merged[number] == 0xBAD0 + UInt64(number)) }
  }

  @Test func g5_forbiddenMaskBitsAnswerOperandInvalidRCXWithoutExit() {
    let machine = TDTestMachine()
    for bit: UInt64 in [0, 1, 4, 32, 40, 63] {
      #expect(machine.status(0, rcx: 0xFC00 | 1 << bit) == 0xC000_0100_0000_0001)
    }
    // RBP: refused iff NO_RBP_MOD.
    #expect(machine.status(0, rcx: 0xFC20) == 0xC000_0100_0000_0001)
    let permissive = TDTestMachine { $0.flags = [] }
    guard case .exitedAfter = permissive.call(0, rcx: 0xFC20) else {
      Issue.record("RBP refused without NO_RBP_MOD")
      return
    }
  }

  @Test func g6_theHostCannotChangeAnUnselectedRegister() {
    let machine = TDTestMachine()
    machine.registers.rbx = 0x5AFE
    _ = machine.call(0, rcx: 0xFC00)
    var host = GeneralRegisters()
    host.rbx = 0xE71
    guard case .running(vm: 0, let merged?) = machine.td.enterFromHost(0, host, &machine.memory) else {
      Issue.record("not entered")
      return
    }
    #expect(merged.rbx == 0x5AFE)
  }

  @Test func g7_afterVMCALLTheInstructionIsPast() {
    // The outcome says so: RIP advanced and STI blocking cleared before the host has control.
    let machine = TDTestMachine()
    machine.registers.r11 = TDVMCALLFunction.hlt.rawValue
    if case .exitedAfter = machine.call(0, rcx: 0xFC00) {} else { Issue.record("not trap-like") }
    // And a second call before the host comes back cannot happen.
    #expect(machine.call(1) == .raised(.invalidOpcode))
  }

  @Test func g9_vpInfoOfVCPU2Of4At8() {
    let machine = TDTestMachine()
    #expect(machine.status(1, vcpu: 2) == 0)
    #expect(machine.registers.rcx == 48)
    #expect(machine.registers.r8 == 0x0000_0008_0000_0004)
    #expect(machine.registers.r9 == 2)
    #expect(machine.registers.r10 & 1 == 1 && machine.registers.r11 == 0)
  }

  @Test func g10_veInfoGetWithNothingPending() {
    let machine = TDTestMachine()
    machine.registers.r10 = 9
    #expect(machine.status(3, rcx: 9, rdx: 9, r8: 9, r9: 9) == 0xC000_0704_0000_0000)
    #expect(machine.registers.rcx == 0 && machine.registers.rdx == 0 && machine.registers.r8 == 0)
    #expect(machine.registers.r9 == 0 && machine.registers.r10 == 0)
  }

  @Test func g11_inputFromPort60RaisesVEWithTheReferencesValues() {
    let machine = TDTestMachine()
    let qualification = VEInfo.portQualification(
      port: 0x60, byteCount: 1, isInput: true, isImmediate: true)
    let outcome = machine.l1Instruction(0, .io(qualification: qualification), length: 2)
    #expect(outcome == .fault(.raise(.virtualization)))
    #expect(machine.status(3) == 0)
    #expect(machine.registers.rcx == 30 && machine.registers.rdx == 0x0060_0048)
    #expect(machine.registers.r8 == 0 && machine.registers.r9 == 0)
    #expect(machine.registers.r10 & 0xFFFF_FFFF == 2)
    #expect(machine.status(3) == 0xC000_0704_0000_0000)
  }

  @Test func g12_secondVEIsDoubleFaultThirdIsTripleFault() {
    let machine = TDTestMachine()
    let io = L1Instruction.io(qualification: 0)
    #expect(machine.l1Instruction(0, io, length: 1) == .fault(.raise(.virtualization)))
    #expect(machine.l1Instruction(0, io, length: 1) == .fault(.raise(.doubleFault)))
    guard case .fault(.exit(let exit)) = machine.l1Instruction(0, io, length: 1) else {
      Issue.record("no triple fault")
      return
    }
    #expect(exit.registers.rax >> 32 == 0x4000_0001)
    #expect(machine.enter(0) == .refused(.nonRecoverableVCPU))
    // Other vCPUs go on.
    #expect(machine.status(1, vcpu: 1) == 0)
  }

  @Test func g13_cpuidLeaves() {
    let machine = TDTestMachine()
    let signature = machine.l1Instruction(0, .cpuid(leaf: 0x21, subleaf: 0), length: 2)
    #expect(signature == .cpuid(CPUIDAnswer(0, 0x6574_6E49, 0x2020_2020, 0x5844_546C)))
    for leaf: UInt32 in [2, 0xB, 0x16, 0x4000_0000] {
      #expect(
        machine.l1Instruction(1, .cpuid(leaf: leaf, subleaf: 0), length: 2)
          == .fault(.raise(.virtualization)))
      #expect(machine.status(3, vcpu: 1) == 0)
      #expect(machine.registers.rcx == 10 && machine.registers.r10 == 2)
    }
    if case .cpuid = machine.l1Instruction(0, .cpuid(leaf: 0, subleaf: 0), length: 2) {
    } else {
      Issue.record("CPUID 0 raised #VE")
    }
  }

  @Test func g14_cpuidVESetWorksByPrivilegeLevel() {
    let machine = TDTestMachine()
    #expect(machine.status(5, rcx: 1) == 0)
    let leaf0 = L1Instruction.cpuid(leaf: 0, subleaf: 0)
    #expect(machine.l1Instruction(0, leaf0, length: 2) == .fault(.raise(.virtualization)))
    if case .cpuid = machine.l1Instruction(0, leaf0, length: 2, cpl: 3) {
    } else {
      Issue.record("#VE at CPL 3")
    }
    #expect(machine.status(5, rcx: 4) == 0xC000_0100_0000_0001)
  }

  @Test func g15_nmiWaitsForVEInfoGet() {
    let machine = TDTestMachine()
    _ = machine.l1Instruction(0, .trapped(.hlt), length: 1)
    machine.td.postNMI(vcpu: 0)
    #expect(!machine.takeNMI(vcpu: 0))
    #expect(machine.status(3) == 0)
    #expect(machine.takeNMI(vcpu: 0))
    #expect(!machine.takeNMI(vcpu: 0))
  }

  @Test func g19_msrAccess() {
    let machine = TDTestMachine()
    func read(_ msr: UInt32) -> L1Outcome {
      let outcome = machine.l1Instruction(0, .rdmsr(msr), length: 2)
      _ = machine.status(3)
      return outcome
    }
    for msr: UInt32 in [0x1B, 0x802, 0x830, 0xC000_0083] {
      #expect(read(msr) == .fault(.raise(.virtualization)))
    }
    for msr: UInt32 in [0x808, 0x10, 0xC000_0101] { #expect(read(msr) == .native) }
    func write(_ msr: UInt32, _ value: UInt64) -> (L1Outcome, UInt64) {
      let outcome = machine.l1Instruction(0, .wrmsr(msr, value), length: 2)
      _ = machine.status(3)
      return (outcome, machine.registers.rcx)
    }
    #expect(write(0x10, 0) == (.fault(.raise(.virtualization)), 32))
    #expect(write(0xC000_0080, 0x501).0 == .fault(.raise(.virtualization)))
    #expect(write(0xC000_0080, 0xD00).0 == .native)
    #expect(write(0xC000_0080, 0xD01).0 == .native)
  }

  @Test func g20_controlRegisterWrites() {
    let machine = TDTestMachine()
    func cr4(_ new: UInt64) -> L1Outcome {
      let outcome = machine.l1Instruction(
        0, .moveToCR(4, old: 0x40, new: new, qualification: 4), length: 3)
      _ = machine.status(3)
      return outcome
    }
    #expect(cr4(0x2040) == .fault(.raise(.virtualization)))
    #expect(cr4(0x20) == .fault(.raise(.virtualization)))
    #expect(cr4(0x40 | 1 << 40) == .fault(.raise(.generalProtection)))
    #expect(cr4(0x60) == .native)
    func cr0(_ new: UInt64) -> L1Outcome {
      let outcome = machine.l1Instruction(
        0, .moveToCR(0, old: 0x21, new: new, qualification: 0), length: 3)
      _ = machine.status(3)
      return outcome
    }
    #expect(cr0(0x8000_0020) == .fault(.raise(.generalProtection)))
    #expect(cr0(0x20) == .fault(.raise(.virtualization)))
    #expect(cr0(0x4000_0021) == .fault(.raise(.virtualization)))
    #expect(cr0(0x8001_0033) == .native)
  }

  @Test func g21_undefinedAndTrappedInstructions() {
    let machine = TDTestMachine()
    #expect(machine.l1Instruction(0, .undefined, length: 3) == .fault(.raise(.invalidOpcode)))
    for reason: VMXExitReason in [.hlt, .wbinvd, .vmcall, .mwait] {
      #expect(
        machine.l1Instruction(0, .trapped(reason), length: 1) == .fault(.raise(.virtualization)))
      #expect(machine.status(3) == 0 && machine.registers.rcx == UInt64(reason.rawValue))
    }
  }

  @Test func g22_addressBitsAboveTheWidthArePageFaults() {
    let machine = TDTestMachine()
    let access = TDAccess(1 << 48, .write, cpl: 3, linearAddress: 0x1234)
    #expect(
      throws: TDFault.raise(.pageFault(errorCode: 1 | 2 | 4 | 8, linearAddress: 0x1234))
    ) { try machine.td.accessL1(0, access) }
  }
}
