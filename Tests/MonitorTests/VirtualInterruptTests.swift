// VirtualInterruptTests: an interrupt offered at an entry, taken or not at the exit, and CR8 meanwhile.

import Model
import Monitor
import TDX
import Testing

private func cpu(rflags: UInt64 = 0x202) -> PageCPU<SharedMemory> {
  var cpu = PageCPU(
    vmcb: SystemPage(rawValue: 0), registers: SystemPage(rawValue: 1), memory: SharedMemory())
  cpu[VMCB.rflags] = rflags
  // The debug registers' intercepts stay as they are.
  cpu[VMCB.interceptCR] = 1 << 39
  return cpu
}

private let window: UInt64 = 1 << 36
private let priorityWrites: UInt64 = 1 << 24

@Suite struct VirtualInterruptTests {
  @Test func `a vCPU that is open gets the vector by V_IRQ without an exit (APM 2, 15.21.4)`() {
    var cpu = cpu()
    var offer = VirtualInterrupt()
    var isOffered = offer.prepare(&cpu, priority: 3, vector: 0x51)
    #expect(isOffered)
    #expect(cpu[VMCB.virtualInterrupt] == 0x51 << 32 | 1 << 24 | 1 << 20 | 0xF << 16 | 1 << 8 | 3)
    #expect(cpu[VMCB.eventInjection] == 0)
    #expect(cpu[VMCB.interceptExceptions] & window == 0)
    #expect(cpu[VMCB.interceptCR] == 1 << 39 | priorityWrites)
    isOffered = offer.prepare(&cpu, priority: 3, vector: nil)
    #expect(!isOffered)
    #expect(cpu[VMCB.virtualInterrupt] == 1 << 24 | 3)
    #expect(cpu[VMCB.interceptExceptions] & window == window && cpu[VMCB.interceptCR] == 1 << 39)
  }

  @Test func `one that is closed exits as soon as it is open, and nothing is offered`() {
    for closed in [0, 1, 2] {
      var cpu = cpu(rflags: closed == 0 ? 2 : 0x202)
      if closed == 1 { cpu[VMCB.interruptShadow] = 1 }
      if closed == 2 { cpu[VMCB.eventInjection] = 1 << 31 | 0x202 }
      var offer = VirtualInterrupt()
      let isOffered = offer.prepare(&cpu, priority: 0, vector: 0x51)
      #expect(!isOffered)
      #expect(cpu[VMCB.virtualInterrupt] & 1 << 8 != 0 && cpu[VMCB.interceptExceptions] & window == window)
      let vector = offer.settle(&cpu)?.vector
      #expect(vector == nil)
    }
  }

  @Test func `V_IRQ that stands at the exit was not taken, one that is gone or broken off was`() {
    for (state, isTaken) in [(0, false), (1, true), (2, true), (3, false)] {
      var cpu = cpu()
      var offer = VirtualInterrupt()
      _ = offer.prepare(&cpu, priority: 0, vector: 0x51)
      if state == 1 { cpu[VMCB.virtualInterrupt] &= ~(1 << 8) }
      if state == 2 { cpu[VMCB.exitIntInfo] = 1 << 31 | 0x51 }
      // Another event's delivery.
      if state == 3 { cpu[VMCB.exitIntInfo] = 1 << 31 | 3 << 8 | 0xE }
      let end = offer.settle(&cpu)
      #expect(end?.vector == 0x51 && end?.isTaken == isTaken)
      let again = offer.settle(&cpu)?.vector
      #expect(again == nil)
    }
  }

  @Test func `a vector that comes again while the vCPU runs is not lost with the one it takes`() {
    var apic = VirtualAPIC(id: 0, isBootProcessor: true, isX2APIC: true)
    _ = apic.write(msr: 0x80F, 0x1FF, now: 0)
    apic.request(0x51)
    apic.offer(0x51)
    #expect(apic.pending == nil)
    apic.request(0x51)
    apic.accept(0x51)
    #expect(apic.inService[0x51] && apic.requested[0x51])
    let ended = apic.endOfInterrupt()
    #expect(ended == 0x51 && apic.pending == 0x51)
    apic.offer(0x51)
    apic.withdraw(0x51)
    #expect(apic.pending == 0x51)
  }

  @Test func `MOV to CR8 sets V_TPR and TPR, and a value above 15 is #GP`() throws {
    var cpu = cpu()
    // MOV CR8, RBX.
    let found = try #require(InstructionDecoder.decode(InstructionBytes([0x44, 0x0F, 0x22, 0xC3]), .bits64))
    var offer = VirtualInterrupt()
    _ = offer.prepare(&cpu, priority: 2, vector: 0x51)
    cpu.setStored(.rbx, 9)
    var priority = VirtualInterrupt.writePriority(found, &cpu)
    #expect(priority == 0x90)
    #expect(cpu[VMCB.virtualInterrupt] & 0x10F == 0x109 && cpu[VMCB.rip] == 4)
    cpu.setStored(.rbx, 16)
    priority = VirtualInterrupt.writePriority(found, &cpu)
    #expect(priority == nil && cpu[VMCB.rip] == 4)
  }
}
