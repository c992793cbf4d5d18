// DoorbellTests: no event is lost between the last look and the rest, and none is signalled twice between two drains.
import Model
import SNP
import SNPPlatform
import Seams
import Testing
import X86

@Suite struct DoorbellTests {
  private func ring(_ host: ModelHost, _ vector: UInt8? = 0x41) -> SNPMachine.Delivery {
    let delivery = host.machine.ringDoorbell(0, .vmpl0, vector: vector, &host.memory)
    return delivery
  }

  private func booted() throws -> (ModelHost, TestPlatform) {
    let host = ModelHost()
    let platform = try host.boot()
    try platform.enable(.boot)
    return (host, platform)
  }

  @Test("A kick while the CPU runs is noted once, ends the next rest at once, and is drained there (B.5.3)")
  func whileRunning() throws {
    let (host, platform) = try booted()
    #expect(ring(host) == .inject(.hypervisorInjection))
    #expect(platform.doorbell.isPending)
    var reached = 0
    host.halted = { _ in reached += 1 }
    platform.doorbell.rest()
    #expect(reached == 0)
    #expect(!platform.doorbell.isPending)
    #expect(ring(host) == .inject(.hypervisorInjection))
  }

  @Test("An event in the window cancels the halt; one in the halt ends it; both are consumed")
  func window() throws {
    let (host, platform) = try booted()
    var halts = 0
    host.inWindow = { host in
      _ = self.ring(host)
      return true
    }
    host.halted = { _ in halts += 1 }
    platform.doorbell.rest()
    #expect(halts == 0 && !platform.doorbell.isPending)
    host.inWindow = nil
    host.halted = { host in
      halts += 1
      #expect(self.ring(host) == .inject(.hypervisorInjection))
    }
    platform.doorbell.rest()
    #expect(halts == 1 && !platform.doorbell.isPending)
  }

  @Test("Draining answers vector and NMI, and lets the host signal again before it takes the vector")
  func drain() throws {
    let (host, platform) = try booted()
    _ = ring(host, 0x52)
    #expect(ring(host, nil) == .noted)
    #expect(ring(host, 0x53) == .held)
    let taken = platform.doorbell.drain()
    #expect(taken.vector == 0x52 && taken.isNMIPending)
    #expect(platform.doorbell.drain().rawValue == 0)
  }

  @Test("The #HV handler redirects RIP only within the window and makes no exchange")
  func handler() throws {
    let (host, platform) = try booted()
    let traps = SNPTraps(
      platform.ghcb, cpuid: platform.cpuid, doorbell: platform.doorbell, isDying: { false })
    let exchanges = host.log.count
    for (rip, expected) in [(0xFFF, 0xFFF), (0x1000, 0x1008), (0x1007, 0x1008), (0x1008, 0x1008)] {
      var frame = TrapFrame()
      frame.rip = UInt64(rip)
      #expect(traps.handle(28, &frame))
      #expect(frame.rip == UInt64(expected))
    }
    #expect(host.log.count == exchanges)
  }

  @Test("A CPU's local APIC goes to x2APIC mode and is enabled, else it takes no kick (SDM 3A, 11.4.7.2)")
  func controller() throws {
    let (host, _) = try booted()
    // The host says 5 for APIC_BASE: its bits stay.
    #expect(host.msrWrites == [[0x1B, 0xC05], [0x80F, 0x1FF]])
  }

  @Test("A refused doorbell ends the VM; one that the host puts elsewhere too")
  func refused() throws {
    let host = ModelHost()
    let platform = try host.boot()
    host.spoil = { host, page in host.store64(page + UInt64(GHCBPage.exitInfo2), 0x1000) }
    #expect(throws: TerminationReason.features) { try platform.enable(.boot) }
  }
}
