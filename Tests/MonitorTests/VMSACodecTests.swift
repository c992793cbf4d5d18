// VMSACodecTests: a VMSA into a VMCB and back.

import Model
import Monitor
import SNP
import Testing

@Suite struct VMSACodecTests {
  @Test func `registers travel from the VMSA to the VMCB at the offsets of reference B 6 1`() {
    var memory = ArrayMemory(pageCount: 2)
    let page = SystemPage(rawValue: 1)
    for offset in stride(from: 0, to: 4096, by: 8) { memory.store(page, offset, UInt64(0x1000 + offset)) }
    memory.store(page, 0xC8, 0x0302_0000)
    var cpu = PlainCPU()
    VMSACodec.load(page, into: &cpu, memory)
    #expect(cpu[VMCB.rip] == 0x1178)
    #expect(cpu[VMCB.cr3] == 0x1150)
    #expect(cpu[.rax] == 0x11F8)
    #expect(cpu[.rsp] == 0x11D8)
    #expect(cpu[.r8] == 0x1340)
    #expect(cpu[.r15] == 0x1378)
    #expect(cpu[.rbx] == 0x1318)
    #expect(cpu.cpl == 3)
    // VMPL and the shadow-stack words are reserved in a VMCB.
    #expect(cpu[VMCB.cplWord] & 0xFF_FFFF == 0)
    #expect(cpu[VMCB.saveArea + 0xA0] == 0)
  }

  @Test func `storing what was loaded gives the same page`() {
    var memory = ArrayMemory(pageCount: 2)
    let page = SystemPage(rawValue: 1)
    for offset in stride(from: 0, to: 4096, by: 8) { memory.store(page, offset, UInt64(0x1000 + offset)) }
    memory.store(page, 0xC8, 0x0302_0000)
    var cpu = PlainCPU()
    VMSACodec.load(page, into: &cpu, memory)
    let before = (0..<512).map { memory.load(page, $0 * 8) }
    VMSACodec.store(cpu, into: page, &memory)
    #expect((0..<512).map { memory.load(page, $0 * 8) } == before)
  }

  @Test func `the SVME gate of a VMSA is not the CPU's to change`() {
    var memory = ArrayMemory(pageCount: 1)
    let page = SystemPage(rawValue: 0)
    var cpu = PlainCPU()
    cpu[VMCB.efer] = 0x1D00
    VMSACodec.store(cpu, into: page, &memory)
    #expect(memory.load(page, VMSAField.efer) == 0xD00)
    memory.store(page, VMSAField.efer, 0x1000)
    cpu[VMCB.efer] = 0x500
    VMSACodec.store(cpu, into: page, &memory)
    #expect(memory.load(page, VMSAField.efer) == 0x1500)
  }

  @Test func `an interrupted delivery is injected again, except software interrupts and stale words`() {
    let interrupt = EventInjection(.interrupt, vector: 0x41)
    #expect(PendingEvent.reinjection(interrupt.rawValue) == interrupt)
    #expect(PendingEvent.reinjection(EventInjection(.software, vector: 0x80).rawValue) == nil)
    #expect(PendingEvent.reinjection(0x41) == nil)
    #expect(PendingEvent.needsFrame(EventInjection(.exception, vector: 29, errorCode: 0x72)))
    #expect(!PendingEvent.needsFrame(EventInjection(.exception, vector: 14, errorCode: 2)))
    #expect(!PendingEvent.needsFrame(.hypervisorInjection))
  }
}
