// ExceptionFrameTests: the frame of #VC as a CPU would push it (svm-monitor.md §3).

import Monitor
import Testing

/// A guest whose IDT, TSS and stacks lie in the 4 KiB pages of `pagedGuest`, one to one at 0x40000000.
private struct Stage: ~Copyable {
  var guest = pagedGuest(markBit: 1 << 47)
  var cpu = PlainCPU()

  init(ist: UInt64 = 0, type: UInt64 = 0x8E, cpl: UInt8 = 0) {
    cpu[VMCB.cr0] = 0x8001_0031
    cpu[VMCB.cr3] = 0x1000 | 1 << 47
    cpu[VMCB.cr4] = 0x20
    cpu[VMCB.efer] = 0xD00
    cpu.setSegment(VMCB.cs, Segment(selector: 0x33, attributes: 0xAFB, limit: .max, base: 0))
    cpu.setSegment(VMCB.ss, Segment(selector: 0x2B, attributes: 0xCF3, limit: .max, base: 0))
    cpu.setSegment(VMCB.idtr, Segment(selector: 0, attributes: 0, limit: 0xFFF, base: 0x8000_0000))
    cpu.setSegment(VMCB.tr, Segment(selector: 0x40, attributes: 0x8B, limit: 103, base: 0x8000_1000))
    cpu.setCPL(cpl)
    cpu[.rsp] = 0x4000_0F38
    cpu[VMCB.rip] = 0x40_1234
    cpu[VMCB.rflags] = 0x1_4302
    let handler: UInt64 = 0x1122_3344_5566
    let gate = (handler & 0xFFFF) | 0x10 << 16 | ist << 32 | type << 40 | (handler >> 16 & 0xFFFF) << 48
    _ = guest.setWord(0x20_0000 + 29 * 16, gate)
    _ = guest.setWord(0x20_0000 + 29 * 16 + 8, handler >> 32)
    _ = guest.setLittle(0x20_1000 + 4, 0x4000_0800, count: 8)
    _ = guest.setLittle(0x20_1000 + 36 + 8, 0x4000_0400, count: 8)
  }

  mutating func deliver() throws(DeliveryFailure) {
    try ExceptionFrame.deliver(vector: 29, errorCode: 0x72, &cpu, &guest, markBit: 1 << 47)
  }
}

@Suite struct ExceptionFrameTests {
  @Test func `at CPL 0 the frame goes to the current stack, aligned to 16, with the error code`() throws {
    var stage = Stage()
    try stage.deliver()
    // 0x40000F38 is aligned down to 0x40000F30; six words below it.
    #expect(stage.cpu[.rsp] == 0x4000_0F00)
    let frame = (0..<6).map { stage.guest.words[(0x10_0F00 + $0 * 8) / 8] }
    #expect(frame == [0x72, 0x40_1234, 0x33, 0x1_4302, 0x4000_0F38, 0x2B])
    #expect(stage.cpu[VMCB.rip] == 0x1122_3344_5566)
    #expect(stage.cpu.segment(VMCB.cs) == Segment(selector: 0x10, attributes: 0xA9B, limit: .max, base: 0))
    #expect(stage.cpu.segment(VMCB.ss).selector == 0x2B)
    // TF, NT, RF and IF cleared.
    #expect(stage.cpu[VMCB.rflags] == 2)
  }

  @Test func `at CPL 3 it takes RSP0, clears SS and lands in CPL 0`() throws {
    var stage = Stage(cpl: 3)
    try stage.deliver()
    #expect(stage.cpu[.rsp] == 0x4000_0800 - 48)
    #expect(stage.cpu.segment(VMCB.ss).selector == 0)
    #expect(stage.cpu.cpl == 0)
  }

  @Test func `an IST gate takes its own stack, a trap gate keeps IF`() throws {
    var stage = Stage(ist: 2, type: 0x8F)
    try stage.deliver()
    #expect(stage.cpu[.rsp] == 0x4000_0400 - 48)
    #expect(stage.cpu[VMCB.rflags] == 0x202)
  }

  @Test func `an absent gate or a stack that is not mapped fails and changes nothing`() {
    var absent = Stage(type: 0x0E)
    #expect(throws: DeliveryFailure.badGate) { try absent.deliver() }
    var stack = Stage()
    stack.cpu[.rsp] = 0x4000_4000
    #expect(throws: DeliveryFailure.badStack) { try stack.deliver() }
    #expect(stack.cpu[VMCB.rip] == 0x40_1234)
    #expect(stack.cpu[.rsp] == 0x4000_4000)
    var readOnly = Stage()
    readOnly.cpu[.rsp] = 0x4000_1800
    #expect(throws: DeliveryFailure.badStack) { try readOnly.deliver() }
  }
}
