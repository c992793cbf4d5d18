// TDXEnterConformanceTests: tdx.md G.51 to G.62, G.68, G.78, the statements about the module.

import Model
import SVSMProtocol
import TDX
import Testing

@Suite struct TDXEnterConformanceTests {
  @Test func g51_operandChecksOfVPEnter() {
    let machine = TDTestMachine()
    #expect(machine.status(25, rcx: 1 << 52, rdx: 15 << 12) == 0xC000_0100_0000_00AA)
    #expect(machine.status(25, rcx: 1 << 52, rdx: 15 << 12 | 0x80) == 0xC000_0100_0000_0002)
    #expect(machine.status(25, rcx: 1 << 52, rdx: 15 << 12 | 1 << 47) == 0xC000_0100_0000_0002)
    for rcx: UInt64 in [0, 2 << 52, 3 << 52, 1 << 52 | 4, 1 << 52 | 1 << 54] {
      #expect(machine.status(25, rcx: rcx, rdx: 15 << 12) == 0xC000_0100_0000_0001)
    }
  }

  @Test func g52_aPendingInterruptForL1KeepsL2Out() {
    let machine = TDTestMachine()
    _ = machine.enterL2()
    _ = machine.exitL2(L2Exit(.cpuid))
    machine.td.setL1Interrupt(vcpu: 0, requested: 0x31, priority: 0x20)
    let before = machine.storedState()
    #expect(machine.enterL2() == .completed)
    #expect(machine.registers.rax == 0x0000_1120_0000_0000)
    #expect(machine.registers.rcx == 1 << 52 && machine.registers.rdx == 15 << 12)
    #expect(machine.storedState().rip == before.rip)
    machine.td.setL1Interrupt(vcpu: 0, requested: 0x31, priority: 0x30)
    guard case .enteredL2 = machine.enterL2() else {
      Issue.record("the same class keeps L2 out")
      return
    }
  }

  @Test func g53_g54_outputsOfAnExit() {
    let machine = TDTestMachine()
    guard case .enteredL2(vm: 1, let state) = machine.enterL2() else {
      Issue.record("not entered")
      return
    }
    #expect(state.rip == 0x1000 && state.registers.rsi == 0x2206)
    var exit = L2Exit(.io)
    exit.qualification = 0x00F4_0000
    exit.instructionLength = 2
    exit.cpl = 3
    let route = machine.exitL2(exit) { $0.registers.rdi = 0xAAAA }
    #expect(route == .toL1)
    #expect(machine.registers.rax == 30 && machine.registers.rcx == 0x00F4_0000)
    #expect(machine.registers.r11 >> 32 == 2 && machine.registers.r12 == 3)
    #expect(machine.registers.rbx == 0 && machine.registers.r14 == 0 && machine.registers.r15 == 0)
    #expect(machine.registers.rbp == 0x2205, "RBP keeps L2's value")
    #expect(machine.registers.rsp == 0x7000, "RSP stays L1's")
    #expect(machine.storedState().rip == 0x1000)
    #expect(machine.storedState().registers.rdi == 0xAAAA)
    #expect(machine.storedState().registers.r8 == 0x2208)
  }

  @Test func g55_aBadL2StateIsAnEntryFailureExit() {
    let machine = TDTestMachine()
    _ = machine.enterL2()
    _ = machine.exitL2(L2Exit(.cpuid))
    let state = SystemPage(rawValue: 15 + TDTestMachine.systemOffset)
    machine.memory.store(state, L2EnterState.rflagsOffset, 0)
    #expect(machine.call(25, rcx: 1 << 52, rdx: 15 << 12) == .completed)
    #expect(machine.registers.rax == 0x8000_0021)
    // An interrupt to be injected wants IF and no blocking (SDM 3C, 27.3.1.4).
    let event: UInt64 = 0x2420_0003_0000_4016
    let shadow: UInt64 = 0x2420_0003_0000_4824
    #expect(machine.status(10, rdx: event, r8: 0x8000_0050, r9: .max) == 0)
    machine.memory.store(state, L2EnterState.rflagsOffset, 2)
    #expect(machine.call(25, rcx: 1 << 52, rdx: 15 << 12) == .completed)
    #expect(machine.registers.rax == 0x8000_0021)
    machine.memory.store(state, L2EnterState.rflagsOffset, 0x202)
    #expect(machine.status(10, rdx: shadow, r8: 1, r9: .max) == 0)
    #expect(machine.call(25, rcx: 1 << 52, rdx: 15 << 12) == .completed)
    #expect(machine.registers.rax == 0x8000_0021)
    #expect(machine.status(10, rdx: shadow, r8: 0, r9: .max) == 0)
    guard case .enteredL2 = machine.call(25, rcx: 1 << 52, rdx: 15 << 12) else {
      Issue.record("not entered")
      return
    }
  }

  @Test func g56_l2InstructionsExitToL1AndNeverRaiseVE() {
    let machine = TDTestMachine()
    for reason: VMXExitReason in [.cpuid, .hlt, .vmcall, .tdcall, .rdmsr] {
      _ = machine.enterL2()
      let route = machine.exitL2(L2Exit(reason)) {
        $0.registers.rax = 1
        $0.registers.rcx = 0x1B
      }
      #expect(route == .toL1 && machine.registers.rax == UInt64(reason.rawValue))
    }
    #expect(machine.status(3) == 0xC000_0704_0000_0000)
  }

  @Test func clearingTSAndLMSWLookAtTheirOwnBitsOfL1sShadow() {
    // B.6 "CR access 28"; SDM 3C, 26.1.3: CLTS exits if TS is L1's and shown set; LMSW for 3:1, and for PE only if it sets it.
    let machine = TDTestMachine()
    func set(_ encoding: UInt16, _ value: UInt64) -> UInt64? {
      machine.status(10, rdx: FieldID.vmcs(vm: 1, encoding: encoding).rawValue, r8: value, r9: .max)
    }
    func exit(_ qualification: UInt64) -> L2Route {
      _ = machine.enterL2()
      var exit = L2Exit(.crAccess)
      exit.qualification = qualification
      return machine.exitL2(exit)
    }
    func leave() { #expect(machine.exitL2(L2Exit(.hlt)) == .toL1) }
    // PG is L1's and shown otherwise than it is, TS is not L1's.
    #expect(set(0x6000, 1 << 31) == 0 && set(0x6004, 1 << 31) == 0)
    #expect(exit(2 << 4) == .resume)
    leave()
    #expect(exit(3 << 4 | 0xF << 16) == .resume)
    leave()
    #expect(set(0x6000, 1 << 31 | 9) == 0)
    #expect(exit(2 << 4) == .resume, "TS is shown clear")
    leave()
    #expect(exit(3 << 4 | 6 << 16) == .resume, "a PE of 0 clears nothing")
    leave()
    #expect(exit(3 << 4 | 8 << 16) == .toL1 && exit(3 << 4 | 1 << 16) == .toL1)
    #expect(set(0x6004, 1 << 31 | 8) == 0)
    #expect(exit(2 << 4) == .toL1)
    #expect(machine.registers.rax == 28 && machine.registers.rcx == 2 << 4)
  }

  @Test func g57_l2VMCALLGoesToTheHostOnlyWhenEnabled() {
    let machine = TDTestMachine()
    let call: (inout L2EnterState) -> Void = {
      $0.registers.rax = 0
      $0.registers.rcx = 0xFC00
    }
    _ = machine.enterL2()
    #expect(machine.exitL2(L2Exit(.tdcall), change: call) == .toL1)
    #expect(machine.registers.rax == 77)
    #expect(
      machine.status(10, rdx: FieldID.l2Controls.advanced(by: 1).rawValue, r8: 2, r9: 2) == 0)
    _ = machine.enterL2()
    guard case .toHost(let exit) = machine.exitL2(L2Exit(.tdcall), change: call) else {
      Issue.record("not to the host")
      return
    }
    #expect(exit.registers.rcx >> 32 & 3 == 1 && exit.registers.r10 == 0x220A)
    var host = GeneralRegisters()
    host.rcx = TrustDomain.resumeL1Flag
    host.r10 = 0x6666
    guard
      case .running(vm: 0, let registers?) = machine.td.enterFromHost(
        0, host, stack: 0x7000, &machine.memory)
    else {
      Issue.record("L1 not resumed")
      return
    }
    #expect(registers.rax >> 32 == 0x1101 && registers.rsp == 0x7000)
    #expect(machine.storedState().rip == 0x1004)
    #expect(machine.storedState().registers.r10 == 0x6666)
    #expect(machine.storedState().registers.r9 == 0x2209)
  }

  @Test func g58_sharedAccessWithoutSharedEPTGoesToTheHost() {
    let machine = TDTestMachine()
    machine.td.shared[GuestPage(rawValue: 30)] = .page(SystemPage(rawValue: 30))
    let access = TDAccess(30 << 12 | 1 << 47, .read)
    do {
      _ = try machine.td.accessL2(0, vm: 1, access)
      Issue.record("reached")
    } catch {
      guard case .toHost = error else {
        Issue.record("\(error)")
        return
      }
    }
    _ = machine.status(10, rdx: FieldID.l2Controls.advanced(by: 1).rawValue, r8: 1, r9: 1)
    #expect(throws: Never.self) { try machine.td.accessL2(0, vm: 1, access) }
  }

  @Test func g59_postedInterruptWhileInL2() {
    let machine = TDTestMachine()
    _ = machine.enterL2()
    machine.td.setL1Interrupt(vcpu: 0, requested: 0, priority: 0x40)
    let state = machine.storedState()
    #expect(
      machine.postInterrupt(0x41, state) == .resume)
    machine.td.setL1Interrupt(vcpu: 0, requested: 0, priority: 0x30)
    #expect(
      machine.postInterrupt(0x41, state) == .toL1)
    #expect(machine.registers.rax == 0x0000_1102_0000_0001)
  }

  @Test func g60_msrBitmap() {
    let machine = TDTestMachine()
    func read(_ msr: UInt64) -> L2Route {
      _ = machine.enterL2()
      let route = machine.exitL2(L2Exit(.rdmsr)) { $0.registers.rcx = msr }
      if route != .toL1 { _ = machine.exitL2(L2Exit(.cpuid)) }
      return route
    }
    #expect(read(0xC000_0102) == .toL1)
    let word = 0x80 + 0x102 / 64
    let id = FieldID.msrBitmap(vm: 1).advanced(by: word).rawValue
    #expect(machine.status(10, rdx: id, r8: ~(1 << (0x102 % 64)), r9: .max) == 0)
    #expect(read(0xC000_0102) == .resume)
    #expect(read(0x4000_0000) == .toL1)
  }

  @Test func g61_aStaleTranslationLivesUntilTheVCPUFlushes() throws {
    let machine = TDTestMachine(translationCapacity: 16)
    #expect(machine.share(3) == 0)
    _ = machine.enterL2()
    let access = TDAccess(3 << 12, .read)
    _ = try machine.td.accessL2(0, vm: 1, access)
    _ = machine.exitL2(L2Exit(.cpuid))
    #expect(machine.share(3, attributes: 0x8000) == 0)
    #expect(machine.isOpen(3, vcpu: 0))
    #expect(throws: Never.self) { try machine.td.accessL2(0, vm: 1, access) }
    #expect(machine.td.breaches.first.map(\.rule) == [.staleTranslationUsed])
    _ = machine.enterL2(flags: 1)
    #expect(throws: L2AccessFault.toL1(.none)) { try machine.td.accessL2(0, vm: 1, access) }
    #expect(!machine.hasOpenRevocation)
    // INVEPT does the same, on the calling vCPU only.
    _ = machine.exitL2(L2Exit(.cpuid))
    #expect(machine.share(3) == 0)
    for vcpu in [0, 1] {
      _ = machine.enterL2(vcpu: vcpu)
      _ = try machine.td.accessL2(vcpu, vm: 1, access)
      _ = machine.exitL2(L2Exit(.cpuid), vcpu: vcpu)
    }
    #expect(machine.share(3, attributes: 0x8000) == 0)
    #expect(machine.status(26, rcx: 2) == 0)
    #expect(!machine.isOpen(3, vcpu: 0))
    #expect(machine.isOpen(3, vcpu: 1))
    #expect(machine.status(26, rcx: 1) == 0xC000_0100_0000_0001)
    #expect(machine.status(26, rcx: 4) == 0xC000_0100_0000_0001)
    #expect(machine.status(26, rcx: 0) == 0)
  }

  @Test func g50_anEntryWithARevocationOpenIsCounted() {
    let machine = TDTestMachine()
    #expect(machine.share(3) == 0)
    for vcpu in [0, 1] { _ = machine.enterL2(vcpu: vcpu) }
    _ = machine.exitL2(L2Exit(.cpuid))
    #expect(machine.share(3, attributes: 0x8000) == 0)
    // vCPU 0 has not flushed itself.
    _ = machine.enterL2()
    #expect(machine.td.breaches.first.map(\.rule) == [.openRevocation, .openRevocation])
    _ = machine.exitL2(L2Exit(.cpuid))
    // It flushes itself, but vCPU 1 runs the L2 with what was taken.
    _ = machine.enterL2(flags: 1)
    #expect(machine.td.breaches.count == 3)
    _ = machine.exitL2(L2Exit(.cpuid))
    _ = machine.exitL2(L2Exit(.cpuid), vcpu: 1)
    // Outside the L2 it may do that at its next entry.
    _ = machine.enterL2()
    #expect(machine.td.breaches.count == 3)
    _ = machine.enterL2(flags: 1, vcpu: 1)
    #expect(machine.td.breaches.count == 3)
    #expect(!machine.hasOpenRevocation)
  }

  @Test func g50_afterBUSYThePageIsWithheldAndGivingItAwayIsCounted() {
    // design.md "Guest rights reduced": not all acknowledged, then BUSY and the page still withheld.
    let machine = TDTestMachine()
    func call() -> L2Route {
      machine.exitL2(L2Exit(.tdcall)) {
        $0.registers.rax = 0
        $0.registers.rcx = 0xFC00
        $0.registers.r10 = SVSMCall.signature
      }
    }
    func answer(_ code: ResultCode, rip: UInt64 = 0x1004) -> UInt32 {
      _ = machine.enterL2(flags: 1, rip: rip, changing: [(0, 0), (10, UInt64(code.rawValue))])
      return machine.td.breaches.count
    }
    for page: UInt64 in [3, 4, 5] { #expect(machine.share(page) == 0) }
    for vcpu in [0, 1] { _ = machine.enterL2(vcpu: vcpu) }
    #expect(call() == .toL1)
    for page: UInt64 in [3, 4] { #expect(machine.share(page, attributes: 0x8000) == 0) }
    #expect(answer(.busy) == 0)
    // However often the vCPU leaves and enters.
    for _ in 0..<2 {
      _ = machine.exitL2(L2Exit(.cpuid))
      _ = machine.enterL2()
    }
    #expect(machine.td.breaches.count == 0)
    // An answer that completes the next call, with another page not flushed, counts.
    #expect(call() == .toL1)
    #expect(machine.share(5, attributes: 0x8000) == 0)
    #expect(answer(.success) == 1)
    // So does giving the withheld page away, to whomever.
    _ = machine.exitL2(L2Exit(.cpuid))
    #expect(machine.share(3) == 0)
    #expect(machine.td.breaches.count == 2)
    #expect(machine.td.breaches.first.last?.page.rawValue == 3)
    // When vCPU 1 has flushed the page is free.
    _ = machine.exitL2(L2Exit(.cpuid), vcpu: 1)
    _ = machine.enterL2(flags: 1, vcpu: 1)
    #expect(machine.share(4) == 0)
    #expect(machine.td.breaches.count == 2)
  }

  @Test(arguments: [ResultCode.success, .incomplete, .vcpuInUse])
  func g50_noOtherAnswerWithholdsAPage(_ code: ResultCode) {
    let machine = TDTestMachine()
    #expect(machine.share(3) == 0)
    for vcpu in [0, 1] { _ = machine.enterL2(vcpu: vcpu) }
    _ = machine.exitL2(L2Exit(.tdcall)) {
      $0.registers.rax = 0
      $0.registers.r10 = SVSMCall.signature
    }
    #expect(machine.share(3, attributes: 0x8000) == 0)
    _ = machine.enterL2(flags: 1, rip: 0x1004, changing: [(0, 0), (10, UInt64(code.rawValue))])
    #expect(machine.td.breaches.first.map(\.rule) == [.openRevocation])
  }

  @Test func g50_BUSYWithoutACallIsNoAnswer() {
    let machine = TDTestMachine()
    #expect(machine.share(3) == 0)
    for vcpu in [0, 1] { _ = machine.enterL2(vcpu: vcpu) }
    _ = machine.exitL2(L2Exit(.cpuid))
    #expect(machine.share(3, attributes: 0x8000) == 0)
    _ = machine.enterL2(flags: 1, rip: 0x1004, changing: [(0, 0), (10, UInt64(ResultCode.busy.rawValue))])
    #expect(machine.td.breaches.first.map(\.rule) == [.openRevocation])
  }

  @Test func g50_whoEntersWhileTheCallIsNotOverIsNotCounted() {
    let machine = TDTestMachine()
    #expect(machine.share(3) == 0)
    for vcpu in [0, 1] { _ = machine.enterL2(vcpu: vcpu) }
    for vcpu in [0, 1] { _ = machine.exitL2(L2Exit(.cpuid), vcpu: vcpu) }
    #expect(machine.share(3, attributes: 0x8000) == 0)
    // vCPU 0 has taken the rights and not gone on yet.
    _ = machine.enterL2(vcpu: 1)
    #expect(machine.td.breaches.count == 0)
    _ = machine.exitL2(L2Exit(.cpuid), vcpu: 1)
    _ = machine.enterL2(flags: 1)
    #expect(machine.td.breaches.count == 0)
    // Now it has.
    _ = machine.enterL2(vcpu: 1)
    #expect(machine.td.breaches.first.map(\.rule) == [.openRevocation])
  }

  @Test func g62_invvpid() {
    let machine = TDTestMachine()
    #expect(machine.status(27, rcx: 1 << 52, rdx: 0x8000_0000_0000_0000) == 0xC000_1160_0000_0000)
    #expect(machine.status(27, rcx: 1 << 52, rdx: 0x1000 | 0xFFF) == 0)
    #expect(machine.status(27, rcx: 2, rdx: 0) == 0xC000_0100_0000_0001)
    #expect(
      machine.status(27, rcx: 1 << 52 | 1, rdx: 500 | 3 << 12 | 13 << 52) == 0xC000_0100_0000_0002)
    let page = SystemPage(rawValue: 3 + TDTestMachine.systemOffset)
    machine.memory.store(page, 8, 0x4000)
    machine.memory.store(page, 16, 0x8000_0000_0000_0000)
    #expect(machine.status(27, rcx: 1 << 52 | 1, rdx: 1 | 3 << 12 | 1 << 52) == 0)
    #expect(machine.registers.rdx >> 52 == 0)
    let list: UInt64 = 1 | 3 << 12 | 2 << 52
    #expect(machine.status(27, rcx: 1 << 52 | 1, rdx: list) == 0xC000_1160_0000_0000)
    #expect(machine.registers.rdx == list)
  }

  @Test func g68_initialRegisters() {
    let machine = TDTestMachine()
    for vcpu in 0..<4 {
      let registers = machine.td.initialRegisters(vcpu: vcpu, argument: 0x1234)
      #expect(registers.rbx == 48 && registers.rsi == UInt64(vcpu))
      #expect(registers.rcx == 0x1234 && registers.r8 == 0x1234 && registers.rsp == 0)
    }
  }

  @Test func g70_efeWritesAreCounted() {
    let machine = TDTestMachine()
    _ = machine.l1Instruction(0, .wrmsr(0xC000_0080, 0xD01), length: 2)
    #expect(machine.td.breaches.first.map(\.rule) == [.eferWritten])
  }

  @Test func g78_resumeL1OutsideAnL2IsTheHostsError() {
    let machine = TDTestMachine()
    _ = machine.td.asynchronousExit(0, .externalInterrupt, &machine.memory)
    #expect(machine.enter(0, rcx: TrustDomain.resumeL1Flag) == .refused(.operandInvalid.with(.rcx)))
    #expect(machine.enter(0) == .running(vm: 0, nil))
    #expect(machine.status(1) == 0)
  }

  @Test func hostRoutedExitGivesL1Status1100() {
    // tdx.md B.6 "Host-routed".
    let machine = TDTestMachine()
    _ = machine.enterL2()
    guard case .toHost = machine.exitL2(L2Exit(.externalInterrupt)) else {
      Issue.record("an interrupt went to L1")
      return
    }
    guard
      case .running(vm: 0, let registers?) = machine.enter(0, rcx: TrustDomain.resumeL1Flag)
    else {
      Issue.record("L1 not resumed")
      return
    }
    #expect(registers.rax == 0x0000_1100_0000_0001)
    // Without the flag the L2 goes on.
    _ = machine.enterL2()
    _ = machine.exitL2(L2Exit(.externalInterrupt))
    #expect(machine.enter(0) == .running(vm: 1, nil))
  }
}
