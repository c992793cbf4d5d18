// Tests of descriptors and CPUID: fields spread over words as the SDM draws them.
import Testing
import X86

@Suite struct DescriptorTests {
  @Test func aGateSpreadsTheHandlersAddress() {
    // SDM 3A, figure 6-8: offset 15:0, selector, IST, type 0xE with P, offset 31:16, offset 63:32.
    let gate = InterruptGate(handler: VirtualAddress(0x1122_3344_5566_7788), stackTable: .nonMaskable)
    #expect(gate.low == 0x5566_8E02_0008_7788)
    #expect(gate.high == 0x1122_3344)
  }

  @Test func aTaskStateDescriptorSpreadsItsBase() {
    // SDM 3A, figure 7-4 and section 7.2.3: type 9, present; base in four parts.
    let (low, high) = SegmentDescriptor.taskState(base: VirtualAddress(0x1122_3344_5566_7788), limit: 103)
    #expect(low == 0x5500_8966_7788_0067)
    #expect(high == 0x1122_3344)
  }

  @Test func featuresBeyondTheStatedLeavesAreAbsent() {
    let everything = CPUIDResult(eax: .max, ebx: .max, ecx: .max, edx: .max)
    let none = CPUFeatures { leaf, _ in
      leaf == 0 || leaf == 0x8000_0000 ? CPUIDResult(eax: 0, ebx: 0, ecx: 0, edx: 0) : everything
    }
    #expect(none == [])
    let all = CPUFeatures { leaf, _ in
      if leaf == 0 { return CPUIDResult(eax: 7, ebx: 0, ecx: 0, edx: 0) }
      if leaf == 0x8000_0000 { return CPUIDResult(eax: 0x8000_0008, ebx: 0, ecx: 0, edx: 0) }
      return everything
    }
    #expect(all.contains([.x2apic, .tscDeadline, .smep, .smap, .umip, .noExecute, .gigabytePages]))
    #expect(all.protectionBits == 1 << 20 | 1 << 21 | 1 << 11)
  }

  @Test func eachFeatureHasItsOwnBit() {
    let one = { (wanted: UInt32, register: WritableKeyPath<CPUIDResult, UInt32>, bit: Int) -> CPUFeatures in
      CPUFeatures { leaf, _ in
        var result = CPUIDResult(eax: 0, ebx: 0, ecx: 0, edx: 0)
        if leaf == 0 { result.eax = 7 }
        if leaf == 0x8000_0000 { result.eax = 0x8000_0007 }
        if leaf == wanted { result[keyPath: register] = 1 << bit }
        return result
      }
    }
    #expect(one(1, \.ecx, 21) == .x2apic)
    #expect(one(1, \.ecx, 24) == .tscDeadline)
    #expect(one(1, \.ecx, 30) == .rdrand)
    #expect(one(7, \.ebx, 7) == .smep)
    #expect(one(7, \.ebx, 20) == .smap)
    #expect(one(7, \.ecx, 2) == .umip)
    #expect(one(0x8000_0001, \.edx, 20) == .noExecute)
    #expect(one(0x8000_0001, \.edx, 26) == .gigabytePages)
    #expect(one(0x8000_0007, \.edx, 8) == .invariantTSC)
  }
}
