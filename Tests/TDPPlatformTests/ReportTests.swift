// Tests of the reports over the model's TDG.MR.REPORT (tdx.md G.42 is the model's side, G.43 ours).
import Model
import Seams
import TDPPlatform
import TDX
import Testing
import X86

@Suite struct ReportTests {
  private let shared: UInt64 = 1 << 47
  private let page = PhysicalAddress(5 << 12)

  private func data(_ seed: UInt8) -> InlineArray<64, UInt8> {
    InlineArray { UInt8(truncatingIfNeeded: $0 &* 7) &+ seed }
  }

  private func reporter(_ machine: ModelTD, _ page: PhysicalAddress? = nil) throws
    -> TDReporter<ModelTD, PrivateMemory>
  {
    try #require(
      TDReporter(machine, page: page ?? self.page, sharedMask: shared, PrivateMemory(machine: machine)))
  }

  /// What the module writes for a caller with other buffers.
  private func expected(_ machine: ModelTD, _ seed: UInt8) -> [UInt8] {
    let memory = PrivateMemory(machine: machine)
    let value = data(seed)
    for index in value.indices { memory.store(value[index], at: PhysicalAddress(0x7000 + UInt64(index))) }
    var registers = GeneralRegisters()
    registers.rax = 4
    registers.rcx = 0x6000
    registers.rdx = 0x7000
    machine.tdcall(&registers)
    #expect(registers.rax == 0)
    return (0..<UInt64(1024)).map { memory.load(UInt8.self, at: PhysicalAddress(0x6000 + $0)) }
  }

  @Test func aReportIsTheModulesOverOurData() throws {
    let machine = ModelTD()
    let report = try reporter(machine).make(over: data(3))
    #expect(report == expected(machine, 3))
    #expect(report.count == 1024 && report[0] == 0x81)
    #expect(try reporter(machine).make(over: data(4)) == expected(machine, 4))
    #expect(expected(machine, 3) != expected(machine, 4))
  }

  // G.43
  @Test func theBuffersAreAlignedPrivateAndAcceptedAndTheReportersAlone() throws {
    let machine = ModelTD()
    var operands: [(report: UInt64, data: UInt64)] = []
    machine.beforeCall = { machine, registers in
      operands.append((registers.rcx, registers.rdx))
      #expect(registers.rcx % 1024 == 0 && registers.rdx % 64 == 0 && registers.r8 == 0)
      #expect((registers.rcx | registers.rdx) & 1 << 47 == 0)
      #expect(machine.isMapped(registers.rcx >> 12) && machine.isMapped(registers.rdx >> 12))
    }
    _ = try reporter(machine).make(over: data(1))
    let used = try #require(operands.first)
    // Both whole inside the page, and apart.
    #expect(used.report >> 12 == 5 && (used.report + 1023) >> 12 == 5)
    #expect(used.data >> 12 == 5 && (used.data + 63) >> 12 == 5)
    #expect(used.data >= used.report + 1024 || used.data + 64 <= used.report)
    #expect(machine.exits.isEmpty)
  }

  // G.43: they stay until the module is done: a call that is broken off finds the same data.
  @Test func anInterruptionChangesNothing() throws {
    let machine = ModelTD()
    machine.forced = [(.mrReport, .interruptedRestartable), (.mrReport, .operandBusy.with(.rtmr))]
    let report = try reporter(machine).make(over: data(9))
    #expect(machine.count(.mrReport) == 3)
    #expect(report == expected(machine, 9))
    #expect(machine.steps.filter { $0 == .pause }.count == 2)
  }

  // A.2, decision rule.
  @Test func everyOtherStatusIsAFailureThatSaysIt() throws {
    let machine = ModelTD()
    let busy = TDXStatus.operandBusy.with(.rtmr)
    machine.td.isRTMRLockedByHost = true
    #expect(throws: TDReportFailure.busy(busy)) { try reporter(machine).make(over: data(0)) }
    #expect(machine.count(.mrReport) == ModuleCalls<ModelTD>.patience)
    machine.td.isRTMRLockedByHost = false
    for status in [TDXStatus.operandInvalid.with(.rcx), .nonRecoverableTD, .pageAlreadyAccepted] {
      machine.forced = [(.mrReport, status)]
      #expect(throws: TDReportFailure.refused(status)) { try reporter(machine).make(over: data(0)) }
    }
  }

  @Test func anEarlierReportNeverPassesForANewOne() throws {
    let machine = ModelTD()
    let reporter = try reporter(machine)
    _ = try reporter.make(over: data(1))
    // A module that says it is done and has written nothing.
    machine.forced = [(.mrReport, .success)]
    #expect(throws: TDReportFailure.malformed) { try reporter.make(over: data(1)) }
  }

  @Test func onlyAWholePageOfPrivateMemoryWillDo() {
    let machine = ModelTD()
    let memory = PrivateMemory(machine: machine)
    for address in [5 << 12 | 1024, 1 << 47, (1 << 47) - 4096, memory.limit.rawValue, .max & ~0xFFF]
      as [UInt64]
    {
      #expect(TDReporter(machine, page: PhysicalAddress(address), sharedMask: shared, memory) == nil)
    }
  }
}
