// Bench: what calls take, in ticks of the time-stamp counter: instructions, where the monitor's clock counts those.
import GuestPort
import SNP
import SVSMProtocol
import Seams

/// Figures of issue 6, each a line `figure NAME TICKS`; the monitor's own time is in none of them.
struct Bench {
  let port: Port
  let report: Report

  private func figure(_ name: String, _ ticks: UInt64) {
    report.write("figure ")
    report.write(name)
    report.write(" ")
    report.write(decimal: ticks)
    report.endLine()
  }

  /// The ticks of `body`, without those of reading the counter.
  private func ticks(_ body: () -> Void) -> UInt64 {
    var first = guest_cycles()
    let own = guest_cycles() &- first
    first = guest_cycles()
    body()
    return guest_cycles() &- first &- own
  }

  /// A figure of what one call takes, repetitions included.
  func section(_ name: String, _ body: () -> Void) { figure(name, ticks(body)) }

  func run(_ tally: inout Tally) {
    let rounds: UInt64 = 1000
    let version = ProtocolQuery.rcx(.core, version: 1)
    var isGood = true
    // A request that the host answers: the guest's share of every call, and the switch. A TD's are the kernel's, all.
    let exchange = ticks {
      for _ in 0..<rounds {
        if port.header.isSNP {
          _ = guest_ghcb_msr(GHCBMSR(.infoRequest).rawValue)
        } else {
          _ = guest_cpuid(0x4000_0000, 0)
        }
      }
    }
    let query = ticks {
      for _ in 0..<rounds {
        isGood = port.once(.queryProtocol, rcx: version, byMSR: true).rcx == 0x1_0000_0001 && isGood
      }
    }
    let remap = ticks {
      for round in 0..<rounds {
        let area = round & 1 == 0 ? Layout.callingArea(0) : port.area
        var moved = port
        moved.area = round & 1 == 0 ? port.area : Layout.callingArea(0)
        isGood = moved.once(.remapCallingArea, rcx: area, byMSR: true).result == .success && isGood
      }
    }
    figure("exchange", exchange / rounds)
    figure("query", query / rounds)
    figure("remap", remap / rounds)
    commands(rounds, &isGood)
    pages(&isGood)
    large(&isGood)
    LongCalls(port: port, bench: self).run(&isGood)
    tally.check(78, isGood, "every measured call succeeds", on: report)
  }

  /// What the vTPM takes for its QUERY and for TPM2_GetRandom of 16 bytes, where it is served.
  private func commands(_ rounds: UInt64, _ isGood: inout Bool) {
    let found = port.once(.queryProtocol, rcx: ProtocolQuery.rcx(.vTPM, version: 1), byMSR: true)
    guard found.rcx != 0 else { return }
    let statements = TPMStatements(port: port, report: report)
    isGood = statements.startUp() == .success && statements.isStarted && isGood
    let query = ticks {
      for _ in 0..<rounds { isGood = port.once(.vTPMQuery, byMSR: true).result == .success && isGood }
    }
    let random = ticks {
      for _ in 0..<100 { isGood = statements.random() == .success && statements.isRandom && isGood }
    }
    figure("vtpm-query", query / rounds)
    figure("vtpm-random", random / 100)
  }

  private func pages(_ isGood: inout Bool) {
    let page = Layout.test(1)
    func list() {
      guest_store(port.area &+ 8, 1)
      guest_store(port.area &+ 16, PValidateEntry.encode(address: page, is2M: false, isValidate: true))
    }
    // Before, so that the host has mapped what both touch.
    for _ in 0..<2 {
      list()
      isGood = port.once(.pvalidate, rcx: port.area &+ 8, byMSR: true).result == .success && isGood
      isGood = port.change(page, validate: false).result == .success && isGood
    }
    list()
    let validate = ticks {
      isGood = port.once(.pvalidate, rcx: port.area &+ 8, byMSR: true).result == .success && isGood
    }
    let clear = ticks { guest_clear(page) }
    isGood = port.change(page, validate: false).result == .success && isGood
    figure("clear", clear)
    figure("validate", validate)
  }

  /// As much of 1 GiB as there is above 512 MiB, in pages of 2 MiB.
  var largePages: (first: UInt64, count: UInt64) {
    let first: UInt64 = 0x2000_0000
    return (first, port.header.memoryEnd > first ? min(512, (port.header.memoryEnd &- first) >> 21) : 0)
  }

  private func large(_ isGood: inout Bool) {
    let (first, count) = largePages
    guard count > 0 else { return }
    // Where Linux and OVMF put it.
    let list = port.area &+ 8
    var done: UInt64 = 0
    var used: UInt64 = 0
    while done < count {
      let part = min(510, count &- done)
      guest_store(list, part)
      for index in 0..<part {
        guest_store(
          list &+ 8 &+ 8 &* index,
          PValidateEntry.encode(address: first &+ (done &+ index) << 21, is2M: true, isValidate: true))
      }
      used &+= ticks { isGood = port.call(.pvalidate, rcx: list).result == .success && isGood }
      done &+= part
    }
    figure("large-pages", count)
    figure("large-validate", used / max(1, count))
  }
}
