// Board: the test guest: statements of snp-svsm.md D from inside the guest, on every vCPU, or random calls, or measured ones.
import GuestPort
import SVSMProtocol
import Seams

@main enum GuestBoard {
  /// Never called: the entry is `guest_image`, on each vCPU.
  static func main() {}
}

/// A vCPU's life.
@c(apus_guest_main) public func guestMain(_ index: UInt64, _ area: UInt64) {
  let header = Header()
  if index != 0 { return Neighbour.run(index: Int(truncatingIfNeeded: index), header: header, area: area) }
  guest_load_idt()
  if header.isSNP { guest_open_alias(header.encryptionMask) }
  var port = Port(index: 0, header: header, area: header.callingArea)
  let setUp = port.setUp()
  let report = Report(port: port)
  report.line("apus-guest started")
  var tally = Tally()
  tally.check(0, setUp == .success, "the first pages and the GHCB are the guest's", setUp, on: report)
  if header.asks("cpuid") {
    // So many exits and nothing else, for who counts what one costs.
    for _ in 0..<(header.number(after: "count=") ?? 1000) { _ = guest_cpuid(0x4000_0000, 0) }
  } else if header.asks("fuzz") {
    Fuzzer(port: port, report: report).run(&tally, seed: header.number(after: "seed=") ?? 1)
  } else if header.asks("lean") {
    Lean(port: port, report: report).run(&tally)
  } else if header.asks("bench") {
    Bench(port: port, report: report).run(&tally)
  } else {
    if !header.isSNP { TDStatements(port: port, report: report).run(&tally) }
    Statements(port: port, report: report).run(&tally)
    Interrupts(port: port, report: report).run(&tally)
    Neighbours(port: port, report: report).run(&tally)
  }
  tally.finish(on: report)
  guest_halt()
}

/// An exception that no probe expected.
@c(apus_guest_exception) public func guestException(
  _ vector: UInt64, _ code: UInt64, _ rip: UInt64, _ address: UInt64
) {
  let header = Header()
  let report = Report(port: Port(index: 0, header: header, area: header.callingArea))
  report.write("Bail out! exception ")
  report.write(decimal: vector)
  report.write(" code ")
  report.write(hex: code)
  report.write(" at ")
  report.write(hex: rip)
  report.write(" address ")
  report.write(hex: address)
  report.endLine()
  report.verdict(0x12)
  guest_halt()
}
