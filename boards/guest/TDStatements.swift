// TDStatements: what an L2 under TD partitioning finds: CPUID, MSRs, ports, TDCALL, its timer, interrupts, missing pages.
import GuestPort
import SVSMProtocol
import Seams

/// The statements about the kernel as an L2's machine (boards/tdp/README.md); numbers are tdx.md G's.
struct TDStatements {
  let port: Port
  let report: Report
  private static let tick: UInt64 = 0x40
  private static let own: UInt64 = 0x41
  private static let other: UInt64 = 0x42

  func run(_ tally: inout Tally) {
    identity(&tally)
    registers(&tally)
    unswitched(&tally)
    pages(&tally)
    interrupts(&tally)
  }

  private func identity(_ tally: inout Tally) {
    let name = guest_cpuid(0x4000_0000, 0)
    tally.check(
      17, name.b == 0x7375_7041 && name.c == 0x4D53_5653, "CPUID names this kernel", on: report, rule: "G.")
    let hidden = guest_cpuid(0x21, 0)
    tally.check(
      17, hidden.a | hidden.b | hidden.c | hidden.d == 0, "CPUID does not show the TD", on: report, rule: "G."
    )
    let first = guest_cpuid(1, 0)
    tally.check(
      17, first.b >> 24 == UInt32(port.index) && first.c >> 31 == 1 && first.c & 1 << 5 == 0,
      "CPUID has the vCPU's number", on: report, rule: "G.")
    tally.check(
      17, guest_cpuid(0xB, 0).d == UInt32(port.index), "and its topology", on: report, rule: "G.")
    let information = guest_td_leaf(1)
    tally.check(
      9,
      information.status == 0 && information.r8 & 0xFFFF_FFFF == UInt64(port.header.vcpuCount)
        && information.r9 == UInt64(port.index),
      "TDG.VP.INFO of an L2", on: report, rule: "G.")
    tally.check(
      2, guest_td_leaf(31).status == 0xC000_0100_0000_0000, "an unknown TDCALL leaf", on: report, rule: "G.")
    var isKept = true
    for seed in 1...200 as ClosedRange<UInt64> { isKept = isKept && guest_td_registers(seed) == 1 }
    tally.check(63, isKept, "registers full of noise at a TDCALL", on: report, rule: "G.")
  }

  private func registers(_ tally: inout Tally) {
    let identifier = guest_probe_rdmsr(0x802)
    tally.check(
      60, identifier.is_there == 1 && identifier.value == UInt64(port.index), "the x2APIC identifier",
      on: report,
      rule: "G.")
    tally.check(
      60,
      guest_probe_wrmsr(0xC000_0102, 0x1234_5678_9ABC) == 1 && guest_probe_rdmsr(0xC000_0102).is_there == 1
        && guest_probe_rdmsr(0xC000_0102).value == 0x1234_5678_9ABC, "an MSR that needs no exit", on: report,
      rule: "G.")
    tally.check(
      60, guest_probe_rdmsr(0xC001_0114).is_there == 0 && guest_probe_vector() == 13,
      "an MSR that is not there is #GP", on: report, rule: "G.")
    tally.check(
      60,
      guest_probe_rdmsr(0xC000_0080).is_there == 1
        && guest_probe_wrmsr(0xC000_0080, guest_probe_rdmsr(0xC000_0080).value & ~0x800) == 0
        && guest_probe_vector() == 13, "EFER.NXE can't be cleared", on: report, rule: "G.")
    // COM1's line status: the transmitter is empty; an empty bus would be all ones.
    let status = guest_in(0x3FD)
    tally.check(53, status & 0x60 != 0 && status != 0xFF, "a port is read", on: report, rule: "G.")
  }

  // What neither the module nor the kernel switches: this guest's alone, as the kernel uses none of it (B.1).
  private func unswitched(_ tally: inout Tally) {
    var isKept = true
    for seed in 1...50 as ClosedRange<UInt64> {
      isKept = isKept && guest_td_keeps_vectors(seed &* 0x1234_5678_9ABC_DEF1) == 1
    }
    tally.check(54, isKept, "vector registers outlast exits", on: report, rule: "G.")
    tally.check(
      54, guest_td_keeps_debug(0x12_3456) == 1, "CR2 and the debug registers do", on: report, rule: "G.")
    let kept: [(UInt32, UInt64)] = [
      (0xC000_0081, 0x0013_0008_0000_0000), (0xC000_0082, 0x7FFF_1234), (0xC000_0084, 0x4_7700),
      (0xC000_0102, 0x55AA), (0xC000_0103, 0x77),
    ]
    var isThere = true
    for (number, value) in kept { isThere = isThere && guest_probe_wrmsr(number, value) == 1 }
    _ = guest_cpuid(0x4000_0000, 0)
    _ = guest_td_leaf(1)
    for (number, value) in kept { isThere = isThere && guest_probe_rdmsr(number).value == value }
    tally.check(54, isThere, "and the system-call registers", on: report, rule: "G.")
    tally.check(
      56, guest_probe_xsetbv(0, 1) == 0 && guest_probe_vector() == 6, "XSETBV without OSXSAVE is #UD",
      on: report, rule: "G.")
    guest_open_xsave()
    tally.check(
      56, guest_cpuid(1, 0).c & 1 << 27 != 0, "CPUID shows OSXSAVE as CR4 has it", on: report, rule: "G.")
    tally.check(
      56, guest_probe_xsetbv(0, 3) == 1 && guest_xgetbv() == 3, "XCR0 takes x87 and SSE", on: report,
      rule: "G."
    )
    // What XFAM forbids is the unit tests': under QEMU 7.2 an XSETBV that the CPU itself takes does not exit.
    let bad: [(UInt32, UInt64)] = [(0, 0), (0, 2), (0, 1 << 62 | 3), (1, 1)]
    var isRefused = true
    for (number, value) in bad {
      isRefused = isRefused && guest_probe_xsetbv(number, value) == 0 && guest_probe_vector() == 13
    }
    tally.check(
      56, isRefused && guest_xgetbv() == 3, "and nothing that makes no sense", on: report, rule: "G.")
  }

  // A page of the kernel's: accepted, and without alias for this guest.
  private func pages(_ tally: inout Tally) {
    let page = port.header.kernelBase
    tally.check(
      44, guest_probe(page) == 0 && guest_probe_vector() == 20, "a page of the kernel's is #VE", on: report,
      rule: "G.")
    let reason = guest_td_leaf(3)
    tally.check(
      10, reason.status == 0 && reason.r9 == page, "TDG.VP.VEINFO.GET tells which", on: report, rule: "G.")
    tally.check(
      10, guest_td_leaf(3).status == 0xC000_0704_0000_0000, "and only once", on: report, rule: "G.")
  }

  private func interrupts(_ tally: inout Tally) {
    let index = UInt64(port.index)
    _ = guest_probe_wrmsr(0x80F, 0x1FF)
    _ = guest_probe_wrmsr(0x83F, Self.own)
    guest_open_window()
    tally.check(
      59, guest_td_interrupts(index, Self.own) == 1, "an interrupt to oneself", on: report, rule: "G.")
    _ = guest_probe_wrmsr(0x830, 1 << 18 | Self.own)
    guest_open_window()
    tally.check(
      59, guest_td_interrupts(index, Self.own) == 2, "and by the command register", on: report, rule: "G.")
    // Periodic, divided by 1: a tick of the crystal each.
    _ = guest_probe_wrmsr(0x83E, 0xB)
    _ = guest_probe_wrmsr(0x832, 1 << 17 | Self.tick)
    _ = guest_probe_wrmsr(0x838, 25_000)
    var rests = 0
    while guest_td_interrupts(index, Self.tick) < 5, rests < 1000 {
      guest_rest()
      rests &+= 1
    }
    _ = guest_probe_wrmsr(0x838, 0)
    tally.check(
      40, guest_td_interrupts(index, Self.tick) >= 5 && rests < 1000, "the timer ends halts", on: report,
      rule: "G.")
    // A tick that came since the last rest is not the deadline's.
    guest_open_window()
    let count = guest_td_interrupts(index, Self.tick)
    _ = guest_probe_wrmsr(0x832, 2 << 17 | Self.tick)
    let start = guest_read_tsc()
    _ = guest_probe_wrmsr(0x6E0, start &+ 5_000_000)
    while guest_td_interrupts(index, Self.tick) == count, guest_read_tsc() &- start < 1 << 34 {
      guest_open_window()
    }
    let waited = guest_read_tsc() &- start
    tally.check(
      40, guest_td_interrupts(index, Self.tick) == count &+ 1 && waited >= 5_000_000,
      "its deadline is never early",
      on: report, rule: "G.")
  }
}
