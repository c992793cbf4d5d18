// TDXHostCallTests: tdx.md C.1 and C.2, what an honest host makes of TDVMCALLs.

import Model
import TDX
import Testing

@Suite struct TDXHostCallTests {
  private let configuration = TDConfiguration()

  private func decode(
    _ function: TDVMCALLFunction, _ r12: UInt64 = 0, _ r13: UInt64 = 0, _ r14: UInt64 = 0,
    _ r15: UInt64 = 0
  ) -> Result<TDHostCall, TDHostCallRefusal> {
    var registers = GeneralRegisters()
    (registers.r11, registers.r12, registers.r13) = (function.rawValue, r12, r13)
    (registers.r14, registers.r15) = (r14, r15)
    do throws(TDHostCallRefusal) {
      return .success(try TDHostCall(registers, configuration))
    } catch {
      return .failure(error)
    }
  }

  @Test func instructionsDecode() {
    #expect(decode(.io, 1, 1, 0x3F8, 0x41) == .success(.portWrite(port: 0x3F8, byteCount: 1, 0x41)))
    #expect(decode(.io, 4, 0, 0xCFC) == .success(.portRead(port: 0xCFC, byteCount: 4)))
    #expect(decode(.cpuid, 0x4000_0000, 1) == .success(.cpuid(leaf: 0x4000_0000, subleaf: 1)))
    #expect(decode(.hlt, 1) == .success(.hlt(isBlocked: true)))
    #expect(decode(.wrmsr, 0x830, 7) == .success(.wrmsr(0x830, 7)))
    let shared: UInt64 = 1 << 47
    #expect(
      decode(.mmio, 8, 0, shared | 0xFEC0_0000)
        == .success(.mmioRead(address: 0xFEC0_0000, byteCount: 8)))
  }

  @Test func badOperandsAreRefusedWithTheDocumentedStatus() {
    let invalid = Result<TDHostCall, TDHostCallRefusal>.failure(.status(.invalidOperand))
    for (r12, r13, r14): (UInt64, UInt64, UInt64) in [(3, 0, 1), (1, 2, 1), (1, 0, 0x1_0000)] {
      #expect(decode(.io, r12, r13, r14) == invalid)
    }
    #expect(decode(.mmio, 4, 0, 0xFEC0_0000) == invalid, "a private address")
    #expect(decode(.getInfo, 2) == invalid)
    #expect(decode(.setupEventNotifyInterrupt, 31) == invalid)
    #expect(decode(.getQuote, 0x1000, 0x1000) == invalid, "a private buffer")
    #expect(
      decode(TDVMCALLFunction(rawValue: 0x7777)) == .failure(.status(.functionUnsupported)))
    #expect(decode(.mapGPA, 0x800, 0x1000) == .failure(.status(.alignmentError)))
    #expect(decode(.mapGPA, 0x1000, 0) == invalid)
    #expect(decode(.mapGPA, 0x1000, 1 << 47) == invalid, "across the shared boundary")
    #expect(decode(.mapGPA, 0x1000, .max & ~0xFFF) == invalid)
    #expect(decode(.mapGPA, 1 << 48, 0x1000) == invalid)
    #expect(
      decode(.mapGPA, 1 << 47 | 0x5000, 0x2000)
        == .success(.mapGPA(address: 0x5000, byteCount: 0x2000, isShared: true)))
  }

  @Test func mapGPALosesContentsAndMakesTheGuestAcceptAgain() {
    // C.2: to shared the contents are lost; to private the page is pending. B.4: aliases are lost.
    let machine = TDTestMachine()
    #expect(machine.share(5) == 0)
    let system = SystemPage(rawValue: 5 + TDTestMachine.systemOffset)
    func map(_ isShared: Bool) -> MapGPAResult {
      machine.td.mapGPA(address: 5 << 12, byteCount: 0x1000, isShared: isShared) {
        SystemPage(rawValue: $0.rawValue + TDTestMachine.systemOffset)
      }
    }
    // While another vCPU has not tracked, the host asks to be called again.
    _ = machine.call(0, rcx: 0xFC00)
    #expect(map(true) == .retry(from: 5 << 12))
    for vcpu in 1..<4 {
      _ = machine.td.asynchronousExit(vcpu, .externalInterrupt, &machine.memory)
      machine.enter(vcpu)
    }
    #expect(map(true) == .done)
    #expect(machine.mayHostWrite(system))
    #expect(map(true) == .done, "again is harmless")
    machine.enter(0)
    #expect(machine.rights(5, vm: 0) == nil)
    #expect(throws: Never.self) {
      let found = try machine.td.accessL1(0, TDAccess(1 << 47 | 5 << 12, .write))
      #expect(found == system)
    }
    machine.memory.store(system, 0, 0xBAD)
    #expect(map(false) == .done)
    #expect(!machine.mayHostWrite(system))
    #expect(machine.rights(5, vm: 0) == nil, "pending until accepted")
    #expect(machine.status(6, rcx: 5 << 12) == 0)
    #expect(machine.memory.load(system, 0) == 0)
    #expect(machine.rights(5, vm: 1) == nil)
  }

  @Test func mapGPAOfARangeTracksOnceAndLeavesTheRestOfALargeLeafAlone() {
    // C.2: all pages are blocked, then removed: every other vCPU leaves the TD once, or twice if a leaf of 2 MiB is split.
    let machine = TDTestMachine()
    func map(_ page: UInt64, _ count: UInt64) -> MapGPAResult {
      machine.td.mapGPA(address: page << 12, byteCount: count << 12, isShared: true) {
        SystemPage(
          rawValue: $0.rawValue < 4000
            ? $0.rawValue + (512...1535 ~= $0.rawValue ? 0 : TDTestMachine.systemOffset) : 0)
      }
    }
    func letAllLeave() {
      for vcpu in 1..<4 {
        _ = machine.td.asynchronousExit(vcpu, .externalInterrupt, &machine.memory)
        machine.enter(vcpu)
      }
    }
    #expect(machine.augment(512, level: 1) && machine.augment(1024, level: 1))
    #expect(machine.status(6, rcx: 512 << 12 | 1) == 0 && machine.status(6, rcx: 1024 << 12 | 1) == 0)
    _ = machine.call(0, rcx: 0xFC00)
    // Sixteen leaves of 4 KiB.
    #expect(map(0, 16) == .retry(from: 0))
    letAllLeave()
    #expect(map(0, 16) == .done)
    for page in 0..<UInt64(16) { #expect(machine.rights(page, vm: 0) == nil) }
    // A whole leaf of 2 MiB needs no split.
    #expect(map(512, 512) == .retry(from: 512 << 12))
    letAllLeave()
    #expect(map(512, 512) == .done)
    #expect(
      machine.mayHostWrite(SystemPage(rawValue: 512)) && machine.mayHostWrite(SystemPage(rawValue: 1023)))
    // A part of one is split first; what lies beside the part stays the guest's.
    #expect(map(1030, 4) == .retry(from: 1030 << 12))
    letAllLeave()
    #expect(map(1030, 4) == .retry(from: 1030 << 12))
    letAllLeave()
    #expect(map(1030, 4) == .done)
    machine.enter(0)
    for page in UInt64(1024)..<1536 {
      let isShared = 1030..<1034 ~= page
      #expect((machine.rights(page, vm: 0) == nil) == isShared)
      #expect(machine.mayHostWrite(SystemPage(rawValue: page)) == isShared)
    }
  }

  @Test func removalWaitsUntilEveryVCPUHasTracked() {
    // tdx.md H: BLOCK, TRACK and a new entry of every vCPU come before REMOVE.
    let machine = TDTestMachine(translationCapacity: 8)
    let page = GuestPage(rawValue: 6)
    func block() -> Bool { machine.td.block(page) }
    func remove() -> Bool { machine.td.remove(page) }
    #expect(!remove(), "not blocked")
    #expect(block() && !remove(), "not tracked")
    machine.td.track()
    #expect(!remove(), "every vCPU still runs")
    for vcpu in 0..<4 {
      #expect(!remove())
      _ = machine.td.asynchronousExit(vcpu, .externalInterrupt, &machine.memory)
    }
    #expect(remove() && !remove())
    #expect(machine.mayHostWrite(SystemPage(rawValue: 6 + TDTestMachine.systemOffset)))
  }

  @Test func g68_initialStateIsTheReferences() {
    #expect(InitialState.rip == 0xFFFF_FFF0 && InitialState.cr0 == 0x21 && InitialState.cr4 == 0x40)
    #expect(InitialState.efer == 0x901 && InitialState.rflags == 2 && InitialState.dr7 == 0x400)
    #expect(InitialState.codeAccessRights == 0xC09B && InitialState.dataAccessRights == 0xC093)
  }
}
