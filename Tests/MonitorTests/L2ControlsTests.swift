// L2ControlsTests: the state of an L2 between its VMCS and its VMCB.

import Model
import Monitor
import TDX
import Testing

private func cpu() -> PageCPU<SharedMemory> {
  PageCPU(vmcb: SystemPage(rawValue: 0), registers: SystemPage(rawValue: 1), memory: SharedMemory())
}

private func field(_ number: UInt16) -> VMCSEncoding { VMCSEncoding(rawValue: number) }

@Suite struct L2ControlsTests {
  @Test func whatIsLoadedAndStoredBackIsUnchanged() {
    // tdx.md B.1: the fields that an entry and an exit switch.
    var random = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      var l2 = L2Virtual()
      for index: UInt16 in 0..<8 {
        l2[field(0x800 + 2 * index)] = UInt64.random(in: 0...0xFFFF, using: &random)
        l2[field(0x4800 + 2 * index)] = UInt64.random(in: 0...0xFFFF_FFFF, using: &random)
        // Present, usable.
        l2[field(0x4814 + 2 * index)] = 0x80 | UInt64.random(in: 0...0xFFFF, using: &random) & 0xF0FF
      }
      for index: UInt16 in 0..<10 { l2[field(0x6806 + 2 * index)] = .random(in: 0...(.max), using: &random) }
      l2[field(0x4810)] = 0x127
      l2[field(0x4812)] = 0xFFF
      l2[.cr0] = 0x8005_0031
      l2[.cr3] = .random(in: 0...(.max), using: &random)
      l2[.cr4] = 0x2260
      l2[.efer] = 0xD01
      l2[.entryControls] |= 0x200
      l2[.pat] = .random(in: 0...(.max), using: &random)
      l2[.dr7] = 0x400
      for number: UInt16 in [0x482A, 0x6824, 0x6826] {
        l2[field(number)] = .random(in: 0...0xFFFF_FFFF, using: &random)
      }
      l2[.interruptibility] = 1
      let before = l2
      var cpu = cpu()
      L2Controls.load(l2, into: &cpu)
      L2Controls.save(cpu, unpaged: nil, into: &l2)
      for number in stride(from: UInt16(0x800), through: 0x6FFE, by: 2) {
        // Storage has 64 fields of a kind; higher numbers would be the same fields again.
        if number & 0x380 != 0 { continue }
        // RSP, RIP and RFLAGS come from the enter state, not from the VMCS.
        if [0x681C, 0x681E, 0x6820].contains(number) { continue }
        #expect(l2[field(number)] == before[field(number)], "field \(String(number, radix: 16))")
      }
    }
  }

  @Test func anUnusableSegmentKeepsItsRights() {
    // SDM 3C, 25.4.1; tdx.md B.3: LDTR starts with rights 0x10082.
    var l2 = L2Virtual()
    var cpu = cpu()
    L2Controls.load(l2, into: &cpu)
    #expect(cpu.segment(VMCB.ldtr).attributes == 0)
    L2Controls.save(cpu, unpaged: nil, into: &l2)
    #expect(l2[field(0x4820)] == 0x1_0082)
    cpu.setSegment(VMCB.ldtr, Segment(selector: 8, attributes: 0x082, limit: 15, base: 0x1000))
    L2Controls.save(cpu, unpaged: nil, into: &l2)
    #expect(l2[field(0x4820)] == 0x82 && l2[field(0x80C)] == 8 && l2[field(0x6812)] == 0x1000)
  }

  @Test func theCPLIsThatOfSS() {
    // SDM 3C, 25.4.1: VMX keeps the privilege level in SS's access rights.
    var l2 = L2Virtual()
    var cpu = cpu()
    l2[.ssAccessRights] = 0xC0F3
    L2Controls.load(l2, into: &cpu)
    #expect(cpu.cpl == 3)
    cpu.setCPL(0)
    L2Controls.save(cpu, unpaged: nil, into: &l2)
    #expect(l2[.ssAccessRights] & 0x60 == 0)
  }

  @Test func theVMCBNeverHasWhatOnlyVMXHas() {
    var l2 = L2Virtual()
    var cpu = cpu()
    l2[.cr4] = 0x2060
    L2Controls.load(l2, into: &cpu)
    #expect(cpu[VMCB.cr4] == 0x60 && cpu[VMCB.efer] & 0x1000 != 0)
    L2Controls.save(cpu, unpaged: nil, into: &l2)
    #expect(l2[.cr4] == 0x2060 && l2[.efer] & 0x1000 == 0)
  }

  @Test func aPageFaultIsInterceptedByBitMaskAndMatch() {
    // SDM 3C, 26.2: equal to the match under the mask, the bitmap's bit decides; otherwise its opposite.
    var l2 = L2Virtual()
    let (mask, match) = (field(0x4006), field(0x4008))
    for bit in [false, true] {
      l2[.exceptionBitmap] = bit ? 1 << 14 : 0
      l2[mask] = 0
      l2[match] = 0
      #expect(L2Controls.isIntercepted(14, errorCode: 7, l2) == bit)
      l2[mask] = 1
      #expect(L2Controls.isIntercepted(14, errorCode: 6, l2) == bit)
      #expect(L2Controls.isIntercepted(14, errorCode: 7, l2) != bit)
      l2[match] = 1
      #expect(L2Controls.isIntercepted(14, errorCode: 7, l2) == bit)
    }
    l2[.exceptionBitmap] = 1 << 3
    #expect(L2Controls.isIntercepted(3, errorCode: 0, l2) && !L2Controls.isIntercepted(6, errorCode: 0, l2))
  }

  @Test(arguments: [
    (9, 1 << 25, 0), (11, 1 << 15, 0), (12, 1 << 14, 1 << 7), (30, 1 << 23, 0),
  ])
  func anExitingControlSetsItsIntercepts(_ bit: UInt64, _ first: UInt64, _ second: UInt64) {
    // tdx.md B.3, primary controls; APM 2, table B-1.
    var l2 = L2Virtual()
    var cpu = cpu()
    L2Controls.setIntercepts(l2, &cpu)
    #expect(cpu[VMCB.interceptExceptions] >> 32 & first == 0 && cpu[0x010] & second == 0)
    l2[.primaryControls] |= 1 << bit
    L2Controls.setIntercepts(l2, &cpu)
    #expect(cpu[VMCB.interceptExceptions] >> 32 & first == first && cpu[0x010] & second == second)
  }

  @Test func whatAnL2AlwaysExitsWithIsIntercepted() {
    // tdx.md B.6 "To L1 unconditionally": CPUID, HLT, INVD, WBINVD, ports, MSRs, shutdown, XSETBV.
    var cpu = cpu()
    L2Controls.setIntercepts(L2Virtual(), &cpu)
    let first = cpu[VMCB.interceptExceptions] >> 32
    for bit: UInt64 in [0, 1, 4, 18, 22, 24, 27, 28, 31] { #expect(first >> bit & 1 == 1, "bit \(bit)") }
    for bit: UInt64 in [9, 10, 11, 13] { #expect(cpu[0x010] >> bit & 1 == 1, "bit \(bit)") }
    #expect(cpu[VMCB.interceptCR] >> 16 & 0x11 == 0x11)
  }
}
