// InterruptShadowTests: an exit between STI and the instruction in its shadow (svm-monitor.md §3).

import Monitor
import Testing

@Suite struct InterruptShadowTests {
  private let markBit: UInt64 = 1 << 47

  /// A 64-bit guest at 0x40000801, in the shadow of the byte before; the CPU after `restoreShadow`.
  private func restored(byte: UInt64 = 0xFB, shadow: UInt64 = 1, event: UInt64 = 0, rip: UInt64 = 0x4000_0801)
    -> PlainCPU
  {
    var guest = pagedGuest(markBit: markBit)
    _ = guest.setLittle(0x10_0800, byte, count: 1)
    var cpu = PlainCPU()
    cpu[VMCB.cr0] = 0x8001_0031
    cpu[VMCB.cr3] = 0x1000 | markBit
    cpu[VMCB.cr4] = 0x20
    cpu[VMCB.efer] = 0xD00
    cpu.setSegment(VMCB.cs, Segment(selector: 0x10, attributes: 0xA9B, limit: .max, base: 0))
    cpu[VMCB.rip] = rip
    cpu[VMCB.rflags] = 0x202
    cpu[VMCB.interruptShadow] = shadow
    cpu[VMCB.eventInjection] = event
    cpu.restoreShadow(guest, markBit: markBit)
    return cpu
  }

  @Test func `a guest in STI's shadow goes back to the STI with interrupts closed`() {
    let cpu = restored()
    #expect(cpu[VMCB.rip] == 0x4000_0800)
    #expect(cpu[VMCB.rflags] == 2)
    #expect(cpu[VMCB.interruptShadow] == 0)
  }

  @Test func `no shadow, another instruction's shadow, an event to inject, and unmapped code change nothing`()
  {
    let places = [
      restored(shadow: 0)[VMCB.rip], restored(byte: 0x17)[VMCB.rip], restored(event: 0x8000_0306)[VMCB.rip],
    ]
    #expect(places == [0x4000_0801, 0x4000_0801, 0x4000_0801])
    #expect(restored(rip: 0x7000_0000)[VMCB.rip] == 0x7000_0000)
    #expect(restored(byte: 0x17)[VMCB.rflags] == 0x202)
  }
}
