// Report: TAP lines on COM1 and the verdict, through the platform's I/O path.
import GuestPort
import SNP
import SVSMProtocol
import Seams

/// The console of the test guest.
struct Report: Console {
  let port: Port

  func write(_ byte: UInt8) { out(0x3F8, byte) }

  /// The byte that ends the run.
  func verdict(_ byte: UInt8) { out(0xF4, byte) }

  private func out(_ number: UInt16, _ byte: UInt8) {
    guard port.header.isSNP else { return guest_out(number, byte) }
    guard port.ghcb != 0 else { return }
    // OUT of one byte, 64-bit addresses (reference snp-svsm.md B.5.1, IOIO).
    let info = UInt64(number) << 16 | 1 << 9 | 1 << 4
    _ = guest_snp_event(port.ghcb, Layout.alias &+ port.ghcb, NAEEvent.io.rawValue, info, 0, UInt64(byte))
  }
}

/// How many checks there were.
struct Tally {
  private(set) var passed: UInt64 = 0
  private(set) var failed: UInt64 = 0
  private(set) var skipped: UInt64 = 0

  /// One statement's outcome; `found` is shown when it failed, `rule` is the list that numbers it: snp-svsm.md D or
  /// tdx.md G.
  mutating func check(
    _ number: UInt64, _ isTrue: Bool, _ text: String, _ found: ResultCode? = nil, on report: Report,
    rule: String = "D."
  ) {
    if isTrue { passed &+= 1 } else { failed &+= 1 }
    report.write(isTrue ? "ok " : "not ok ")
    report.write(decimal: passed &+ failed &+ skipped)
    report.write(" - ")
    report.write(rule)
    report.write(decimal: number)
    report.write(" ")
    report.write(text)
    if !isTrue, let found {
      report.write(": ")
      report.write(hex: UInt64(found.rawValue))
    }
    report.endLine()
  }

  /// A statement that does not apply here.
  mutating func skip(_ number: UInt64, _ reason: String, on report: Report) {
    skipped &+= 1
    report.write("ok ")
    report.write(decimal: passed &+ failed &+ skipped)
    report.write(" - D.")
    report.write(decimal: number)
    report.write(" # SKIP ")
    report.line(reason)
  }

  /// The plan, the totals and the verdict.
  func finish(on report: Report) {
    report.write("1..")
    report.write(decimal: passed &+ failed &+ skipped)
    report.endLine()
    report.write(decimal: passed)
    report.write(" passed, ")
    report.write(decimal: failed)
    report.write(" failed, ")
    report.write(decimal: skipped)
    report.line(" skipped")
    report.verdict(failed == 0 && passed > 0 ? 0x10 : 0x11)
  }
}
