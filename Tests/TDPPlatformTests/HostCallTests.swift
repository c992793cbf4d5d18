// Tests of the calls to the host: what goes out, what comes back, and what is believed of it.
import Model
import Seams
import TDPPlatform
import TDX
import Testing
import X86

@Suite struct HostCallTests {
  @Test func everyCallPassesR10ToR15AndNothingElse() throws {
    let machine = ModelTD()
    let host = HostCalls(machine)
    machine.host = { registers in
      for number in [0, 2, 3, 5, 6, 7, 8, 9] where number != 0 { #expect(registers[number] == 0) }
      registers.r10 = 0
    }
    _ = try host.portRead(0x60, byteCount: 1)
    try host.portWrite(0x60, byteCount: 4, 7)
    _ = try host.readMSR(0x802)
    try host.writeMSR(0x80F, 0x1FF)
    _ = try host.cpuid(0x4000_0000, 0)
    try host.haltOpen()
    try host.halt(isBlocked: true)
    try host.writeBackCaches()
    host.reportFatalError(code: 3)
    #expect(machine.exits.count == 9)
    for exit in machine.exits { #expect(exit.registers.rcx & 0xFFFF_FFFF == 0xFC00) }
  }

  // G.8: RAX is looked at before anything the host left.
  @Test func aCallThatTheModuleRefusedGivesNoAnswer() {
    let machine = ModelTD()
    let host = HostCalls(machine)
    machine.forced = [(.vpVMCALL, .operandInvalid.with(.rcx))]
    #expect(throws: HostCallError.module(.operandInvalid.with(.rcx))) {
      _ = try host.portRead(0x60, byteCount: 1)
    }
    machine.host = { $0.r10 = TDVMCALLStatus.invalidOperand.rawValue }
    #expect(throws: HostCallError.host(.invalidOperand)) { _ = try host.readMSR(0x802) }
    // A status that no book lists is a refusal too.
    machine.host = { $0.r10 = 0xDEAD }
    #expect(throws: HostCallError.host(TDVMCALLStatus(rawValue: 0xDEAD))) { _ = try host.readMSR(0x802) }
  }

  // G.8, G.72: whatever the host puts into registers, a result has only the width that was asked for.
  @Test func answersAreCutToTheirWidth() throws {
    let machine = ModelTD()
    let host = HostCalls(machine)
    machine.host = { registers in
      for number in 11...15 { registers[number] = .max }
      registers.r10 = 0
    }
    #expect(try host.portRead(0x60, byteCount: 1) == 0xFF)
    #expect(try host.portRead(0x60, byteCount: 2) == 0xFFFF)
    #expect(try host.portRead(0x60, byteCount: 4) == 0xFFFF_FFFF)
    #expect(try host.mmioRead(1 << 47 | 0x1000, byteCount: 2) == 0xFFFF)
    #expect(try host.mmioRead(1 << 47 | 0x1000, byteCount: 8) == .max)
    #expect(try host.cpuid(0x4000_0000, 0) == (.max, .max, .max, .max))
  }

  // G.76: the fatal error names a number, no text and no address; what the host does then changes nothing.
  @Test func aFatalErrorCarriesNoText() {
    let machine = ModelTD()
    var seen: [GeneralRegisters] = []
    machine.host = { registers in
      seen.append(registers)
      registers.r10 = 0
    }
    HostCalls(machine).reportFatalError(code: .max)
    #expect(seen.count == 1)
    #expect(seen.first?.r12 == 0x7FFF_FFFF)
    #expect(seen.first.map { $0.r13 | $0.r14 | $0.r15 } == 0)
  }

  // G.76: after the verdict the panic services come back, and the caller stops with interrupts off.
  @Test func theEndTellsThePortAndThenTheHost() {
    let machine = ModelTD()
    let console = TDPConsole(machine, port: 0x3F8)
    TDPPanicPlatform(machine, console: console).end(.panic)
    #expect(machine.hostCalls == [30, 0x10003])
    #expect(machine.exits.first?.registers.r14 == 0xF4)
    #expect(machine.exits.first?.registers.r15 == 0x12)
    #expect(!machine.steps.contains(.sti))
  }

  @Test func aConsoleThatIsNeverReadyDoesNotHoldTheKernel() {
    let machine = ModelTD()
    machine.host = { registers in
      registers.r10 = 0
      registers.r11 = 0
    }
    TDPConsole(machine, port: 0x3F8).write(0x41)
    #expect(machine.hostCalls.count <= 70)
    let refusing = ModelTD()
    refusing.host = { $0.r10 = 1 << 63 }
    TDPConsole(refusing, port: 0x3F8).line("abc")
    #expect(refusing.hostCalls.count == 10)
  }

  @Test func statusesAreClassifiedByTheirUpperBits() {
    #expect(TDXStatus.success.statusClass == .success)
    #expect(TDXStatus(rawValue: 5).statusClass == .success)
    #expect(TDXStatus.pageAlreadyAccepted.with(detail: 1).statusClass == .information)
    #expect(TDXStatus.operandBusy.statusClass == .retry)
    #expect(TDXStatus.interruptedResumable.statusClass == .retry)
    #expect(TDXStatus.operandInvalid.statusClass == .callerError)
    #expect(TDXStatus.pageSizeMismatch.statusClass == .callerError)
    #expect(TDXStatus.nonRecoverableVCPU.statusClass == .notForGuests)
  }
}
