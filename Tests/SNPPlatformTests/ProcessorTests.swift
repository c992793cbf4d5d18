// ProcessorTests: other CPUs by AP creation: the VMSA that the host is offered, and how it is taken back.
import Model
import SNP
import SNPPlatform
import Seams
import Testing
import X86

@Suite struct ProcessorTests {
  private func started(
    _ first: UInt64 = 1536, _ host: ModelHost = ModelHost()
  ) throws -> (ModelHost, ProcessorCaller<ModelHardware>, TestPlatform) {
    let platform = try host.boot()
    try platform.claim()
    var list = ProcessorList(boot: APICID(rawValue: 0))
    list.add(APICID(rawValue: 2))
    var registers = StartRegisters()
    registers.rip = 0x7F80_0000_1234
    registers.rdi = 0x1000_0000_0080
    registers.cr0 = 0x8001_0031
    registers.cr3 = 1 << 47 | 0x5000
    registers.cr4 = 0x60
    registers.efer = 0xD00
    registers.gsBase = 0x7F00_0003_A000
    registers.gdt = (0x7F00_0003_A180, 63)
    registers.idt = (0x7F80_0000_2000, 4095)
    registers.taskState = (0x7F00_0003_A1C0, 103)
    let chosen = registers
    let caller = platform.caller(
      StartPlace(page: Frame(number: first)) { $0 == CPUIndex(1) ? chosen : nil }, list: list,
      memory: ModelMemory(host))
    return (host, caller, platform)
  }

  @Test("INIT makes the page a VMSA, start-up offers it, and the host can run it at VMPL0 (B.5.1, D.121)")
  func create() throws {
    let (host, caller, _) = try started()
    let cpu = CPUIndex(1)
    caller.sendStartUp(cpu)
    #expect(host.created.isEmpty)
    caller.sendInit(cpu)
    caller.sendStartUp(cpu)
    caller.sendStartUp(cpu)
    #expect(host.created.count == 1)
    #expect(host.created.first?.vcpu == 1 && host.created.first?.level == .vmpl0)
    let result = host.machine.vmrun(1, .vmpl0, &host.memory)
    #expect(result == .entered(.vmpl0))
    // 1536 is a 2 MiB boundary, so the states lie one page on.
    let page = UInt64(1538) << 12
    #expect(host.load64(page + UInt64(VMSAField.rip)) == 0x7F80_0000_1234)
    #expect(host.load64(page + UInt64(VMSAField.cr3)) == 1 << 47 | 0x5000)
    #expect(host.load64(page + UInt64(VMSAField.efer)) == 0x1D00)
    #expect(host.load64(page + UInt64(VMSAField.gs) + 8) == 0x7F00_0003_A000)
    #expect(host.load64(page + UInt64(VMSAField.cs)) == 0xFFFF_FFFF_0A9B_0008)
    #expect(host.load64(page + UInt64(VMSAField.sevFeatures)) == 0x29)
    #expect(host.machine.memory.breaches.count == 0)
  }

  @Test("With vTOM the other CPUs start with the same boundary and feature (B.1, B.2)")
  func virtualTOM() throws {
    let (host, caller, _) = try started(1536, .withVirtualTOM())
    caller.sendInit(CPUIndex(1))
    caller.sendStartUp(CPUIndex(1))
    // The model's hardware has no vTOM, so it refuses to run the state, which is right in memory.
    #expect(host.created.count == 1)
    let page = UInt64(1538) << 12
    #expect(host.load64(page + UInt64(VMSAField.virtualTOM)) == 1 << 46)
    #expect(host.load64(page + UInt64(VMSAField.sevFeatures)) & SEVFeatures.vTOM.rawValue != 0)
  }

  @Test("No state lies on a 2 MiB boundary, wherever the pages begin (D.62)")
  func boundary() {
    let firsts: [UInt64] = [512, 511, 500, 513, 1017]
    for first in firsts {
      for cpu in 0..<UInt32(12) {
        let page = ProcessorCaller<ModelHardware>.statePage(of: CPUIndex(cpu), first: Frame(number: first))
        #expect(page.rawValue % (2 << 20) != 0)
        let number = page.rawValue >> 12
        #expect(number >= first)
        #expect(number <= first + UInt64(cpu) + 1)
      }
    }
  }

  @Test(
    "A call taken back: the host is told to destroy, and the page is no VMSA any more (design: AP_DESTROY)")
  func withdraw() throws {
    let (host, caller, _) = try started()
    let cpu = CPUIndex(1)
    caller.withdraw(cpu)
    #expect(host.created.isEmpty)
    caller.sendInit(cpu)
    caller.sendStartUp(cpu)
    caller.withdraw(cpu)
    #expect(host.created.map(\.operation) == [.create, .destroy])
    let entry = host.machine.memory.rmp.read(SystemPage(rawValue: 1538))
    #expect(entry?.isVMSA == false && entry?.isValidated == true)
    let result = host.machine.vmrun(1, .vmpl0, &host.memory)
    #expect(result == .invalid)
    caller.sendInit(cpu)
    caller.sendStartUp(cpu)
    #expect(host.created.count == 2)
  }

  @Test("A kick is a fixed interrupt to the CPU's identifier by HV_IPI; an unknown CPU is ignored")
  func kick() throws {
    let (host, caller, _) = try started()
    caller.kick(CPUIndex(1))
    caller.kick(CPUIndex(5))
    #expect(host.kicks == [2 << 32 | 0x4041])
  }
}
