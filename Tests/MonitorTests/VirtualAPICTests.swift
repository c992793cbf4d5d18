// VirtualAPICTests: priorities, commands, timer and both front ends of the virtual local APIC.

import Monitor
import Testing

private func apic(_ id: UInt32 = 0, isX2APIC: Bool = true) -> VirtualAPIC {
  var apic = VirtualAPIC(id: id, isBootProcessor: id == 0, isX2APIC: isX2APIC)
  if isX2APIC { _ = apic.write(msr: 0x80F, 0x1FF, now: 0) } else { _ = apic.write(page: 0xF0, 0x1FF, now: 0) }
  return apic
}

/// Expects a value whose computation changes something, which #expect does not take.
private func same<Value: Equatable>(
  _ value: Value, _ expected: Value, sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(value == expected, sourceLocation: sourceLocation)
}

@Suite struct VirtualAPICTests {
  @Test func `the highest vector above the processor priority is taken first`() {
    var apic = apic()
    apic.request(0x41)
    apic.request(0x52)
    same(apic.acknowledge(), 0x52)
    #expect(apic.pending == nil)
    #expect(apic.processorPriority == 0x50)
    // Same class waits, higher class interrupts the service.
    apic.request(0x5F)
    #expect(apic.pending == nil)
    apic.request(0x60)
    same(apic.acknowledge(), 0x60)
    same(apic.write(msr: 0x80B, 0, now: 0), .endOfInterrupt(0x60))
    same(apic.write(msr: 0x80B, 0, now: 0), .endOfInterrupt(0x52))
    same(apic.acknowledge(), 0x5F)
  }

  @Test func `the task priority holds back its class and below`() {
    var apic = apic()
    apic.setTaskPriority(0x50)
    apic.request(0x5F)
    #expect(apic.pending == nil)
    apic.setTaskPriority(0x4F)
    #expect(apic.pending == 0x5F)
    #expect(apic.read(msr: 0x822, now: 0) == 1 << 31)
  }

  @Test func `nothing is delivered while software has it disabled, and vectors below 16 are errors`() {
    var apic = VirtualAPIC(id: 0, isBootProcessor: true, isX2APIC: true)
    apic.request(0x40)
    #expect(apic.pending == nil)
    _ = apic.write(msr: 0x80F, 0x1FF, now: 0)
    #expect(apic.pending == 0x40)
    apic.request(3)
    #expect(apic.read(msr: 0x828, now: 0) == 1 << 6)
    #expect(apic.read(msr: 0x820, now: 0) == 0)
  }

  @Test func `identifiers are 32 bits and may be sparse`() {
    let high = apic(0x1234_5678)
    #expect(high.read(msr: 0x802, now: 0) == 0x1234_5678)
    // Cluster 0x1234567, bit 8.
    #expect(high.logicalID == (0x4567 << 16 | 1 << 8))
    let physical = InterprocessorInterrupt(icr: 0x1234_5678_0000_0041)
    #expect(physical.addresses(high, sender: 0))
    #expect(!physical.addresses(apic(0x5678), sender: 0))
    #expect(InterprocessorInterrupt(icr: 0xFFFF_FFFF_0000_0041).addresses(high, sender: 0))
    let logical = InterprocessorInterrupt(icr: 0x4567_0100_0000_0841)
    #expect(logical.addresses(high, sender: 0))
    #expect(!logical.addresses(apic(0x1234_5679), sender: 0))
  }

  @Test func `the interrupt command is decoded by mode and shorthand`() throws {
    var apic = apic()
    same(apic.write(msr: 0x830, 0x2_0000_4041, now: 0), .send(InterprocessorInterrupt(icr: 0x2_0000_4041)))
    let start = InterprocessorInterrupt(icr: 0xC_4608)
    #expect(start.mode == .startup && start.vector == 8 && start.target == .others)
    #expect(InterprocessorInterrupt(icr: 0x8_4500).target == .all)
    #expect(InterprocessorInterrupt(icr: 0x0_8500).isDeassert)
    #expect(!InterprocessorInterrupt(icr: 0x0_C500).isDeassert)
    // Self-IPI, and reserved bits of ICR.
    same(apic.write(msr: 0x83F, 0x55, now: 0), .send(InterprocessorInterrupt(icr: 0x4_0055)))
    same(apic.write(msr: 0x830, 1 << 13, now: 0), nil)
  }

  @Test func `the one-shot timer is never early and fires once`() {
    var apic = apic()
    _ = apic.write(msr: 0x83E, 0xB, now: 100)
    _ = apic.write(msr: 0x832, 0x40, now: 100)
    same(apic.write(msr: 0x838, 1000, now: 100), .timer)
    #expect(apic.read(msr: 0x839, now: 600) == 500)
    same(apic.expire(now: 1099), false)
    same(apic.expire(now: 1100), true)
    #expect(apic.pending == 0x40)
    same(apic.expire(now: 5000), false)
    #expect(apic.deadline == nil)
  }

  @Test func `a timer on a slower clock counts its periods, never early (tdx.md D.2, leaf 0x15)`() {
    // A 25 MHz crystal under a 2.5 GHz counter.
    var timer = LocalTimer(scale: 100)
    timer.setEntry(0x2_0040)
    timer.setDivide(0xB)
    let isArmed = timer.setCount(1000, 5)
    #expect(isArmed)
    #expect(timer.deadline == 100_005)
    #expect(timer.currentCount(50_005) == 500)
    #expect(timer.expire(now: 100_004) == nil)
    #expect(timer.expire(now: 100_005) == 0x40)
    // Periodic: late once, in phase again.
    #expect(timer.expire(now: 350_000) == 0x40)
    #expect(timer.deadline == 400_005)
    // The largest count does not overflow with the largest divider.
    timer.setDivide(0xA)
    let isArmedAgain = timer.setCount(.max, 0)
    #expect(isArmedAgain)
    #expect(timer.deadline == UInt64(UInt32.max) * 100 * 128)
  }

  @Test func `the divider is 2 to 128 and 1, a periodic timer keeps its phase`() {
    var apic = apic()
    _ = apic.write(msr: 0x83E, 0b0011, now: 0)
    _ = apic.write(msr: 0x832, 0x2_0040, now: 0)
    _ = apic.write(msr: 0x838, 10, now: 0)
    #expect(apic.deadline == 160)
    same(apic.expire(now: 170), true)
    #expect(apic.deadline == 320)
    same(apic.expire(now: 1000), true)
    #expect(apic.deadline == 1120)
  }

  @Test func `deadline mode arms by its MSR and a masked entry delivers nothing`() {
    var apic = apic()
    _ = apic.write(msr: 0x832, 0x4_0041, now: 0)
    same(apic.write(msr: 0x6E0, 777, now: 0), .timer)
    #expect(apic.read(msr: 0x6E0, now: 0) == 777)
    same(apic.expire(now: 777), true)
    _ = apic.write(msr: 0x832, 0x5_0041, now: 0)
    _ = apic.write(msr: 0x6E0, 999, now: 0)
    same(apic.expire(now: 2000), false)
  }

  @Test func `the page front end has the identifier in its top byte and a two-part command`() {
    var apic = apic(3, isX2APIC: false)
    #expect(apic.read(page: 0x20, now: 0) == 3 << 24)
    #expect(apic.read(msr: 0x802, now: 0) == nil)
    _ = apic.write(page: 0xD0, 0x0800_0000, now: 0)
    _ = apic.write(page: 0x310, 0x0200_0000, now: 0)
    same(apic.write(page: 0x300, 0x4041, now: 0), .send(InterprocessorInterrupt(icr: 0x2_0000_4041)))
    #expect(InterprocessorInterrupt(icr: 0x0C_0000_0841).addresses(apic, sender: 0))
    #expect(!InterprocessorInterrupt(icr: 0x04_0000_0841).addresses(apic, sender: 0))
    #expect(apic.read(page: 0x24, now: 0) == 0)
  }

  @Test func `x2APIC mode is left only through disabled, as SDM 10 12 5 says`() {
    var apic = apic()
    same(apic.write(msr: 0x1B, 0xFEE0_0800, now: 0), nil)
    same(apic.write(msr: 0x1B, 0xFEE0_0000, now: 0), VirtualAPIC.Effect.none)
    same(apic.write(msr: 0x1B, 0xFEE0_0400, now: 0), nil)
    same(apic.write(msr: 0x1B, 0xFEE0_0C00, now: 0), VirtualAPIC.Effect.none)
    #expect(apic.base & 1 << 8 != 0)
    same(apic.write(msr: 0x831, 0, now: 0), nil)
    same(apic.write(msr: 0x808, 1 << 32, now: 0), nil)
  }
}
