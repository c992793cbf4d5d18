// InterruptOfferTests: what became of an interrupt that a guest was given by V_IRQ (APM 2, 15.21.4).

import Monitor
import SNP
import Testing

@Suite struct InterruptOfferTests {
  private func outcome(
    _ code: SVMExitCode, isPending: Bool, isMoved: Bool, event: UInt64 = 0
  ) -> InterruptOffer.Outcome {
    var cpu = PlainCPU()
    cpu[VMCB.rip] = 0x40_1000
    cpu[.rsp] = 0x8000
    let offer = InterruptOffer(0x41, to: cpu)
    if isMoved {
      cpu[VMCB.rip] = 0x50_0000
      cpu[.rsp] = 0x8000 - 40
    }
    cpu[VMCB.exitCode] = code.rawValue
    cpu[VMCB.virtualInterrupt] = isPending ? 1 << 8 : 0
    cpu[VMCB.exitIntInfo] = event
    return offer.outcome(cpu)
  }

  @Test func `a guest that moved has taken it, whatever V_IRQ says`() {
    #expect(outcome(.cpuid, isPending: false, isMoved: true) == .taken)
    #expect(outcome(.interrupt, isPending: true, isMoved: true) == .taken)
  }

  @Test func `a guest that did not move has not, also if an interrupt during VMRUN took V_IRQ away`() {
    #expect(outcome(.interrupt, isPending: true, isMoved: false) == .left)
    #expect(outcome(.interrupt, isPending: false, isMoved: false) == .left)
  }

  @Test func `a guest that is back where it was, by an exit of its own, has taken it`() {
    #expect(outcome(.hlt, isPending: false, isMoved: false) == .taken)
  }

  @Test func `a delivery that the exit broke off is under way, be it called interrupt or exception`() {
    for type in [UInt64(0), 3] {
      let event = 0x41 | type << 8 | 1 << 31
      #expect(outcome(.nestedPageFault, isPending: true, isMoved: false, event: event) == .brokenOff)
    }
  }

  @Test func `stale words and other events in EXITINTINFO are not it`() {
    #expect(outcome(.interrupt, isPending: true, isMoved: false, event: 0x41) == .left)
    #expect(outcome(.interrupt, isPending: true, isMoved: false, event: 0x42 | 1 << 31) == .left)
    #expect(outcome(.cpuid, isPending: false, isMoved: true, event: 0x441 | 1 << 31) == .taken)
  }
}
