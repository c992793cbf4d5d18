// Interrupts: a long call is answered in rounds, and a guest that opens interrupts between them gets them.
import GuestPort
import SNP
import SVSMProtocol
import Seams

/// The statement about a guest that takes its interrupts between INCOMPLETE and the next round.
struct Interrupts {
  let port: Port
  let report: Report

  func run(_ tally: inout Tally) {
    guard open() else { return tally.skip(42, "no interrupt controller answers", on: report) }
    send()
    guest_open_window()
    guard guest_interrupts() == 1 else {
      return tally.skip(42, "no interrupt of its own arrives", on: report)
    }
    end()
    guard prepare() else { return tally.check(33, false, "510 pages become private", on: report) }
    let validated = long(&tally, validate: true)
    tally.check(33, validated == .success, "510 pages in one list", validated, on: report)
    let rescinded = long(&tally, validate: false)
    tally.check(33, rescinded == .success, "and rescinded", rescinded, on: report)
  }

  private var count: Int { 510 }

  /// The list's pages private to the machine; not yet validated.
  private func prepare() -> Bool {
    guard port.header.isSNP else { return true }
    for number in 0..<UInt64(count) {
      let page = Layout.long(number) >> 12
      let answer = guest_ghcb_msr(GHCBMSR.pageState(page: page, operation: .makePrivate).rawValue)
      // 0x015 with no error above.
      guard answer & 0xFFF == 0x015, answer >> 32 == 0 else { return false }
    }
    return true
  }

  /// One list of 510 pages, an interrupt sent before each round and taken after it.
  private func long(_ tally: inout Tally, validate: Bool) -> ResultCode {
    let list = port.area &+ 8
    guest_store(list, UInt64(count))
    for number in 0..<UInt64(count) {
      guest_store(
        list &+ 8 &+ 8 &* number,
        PValidateEntry.encode(
          address: Layout.long(number), is2M: false, isValidate: validate, ignoresCarry: false))
    }
    var rounds: UInt64 = 0
    var between: UInt64 = 0
    var isClosed = true
    var result = ResultCode.incomplete
    while result.isRetry, rounds < 10_000 {
      let before = guest_interrupts()
      send()
      result = port.once(.pvalidate, rcx: list).result
      isClosed = isClosed && guest_interrupts() == before
      guest_open_window()
      if guest_interrupts() == before &+ 1 { between &+= 1 }
      end()
      rounds &+= 1
    }
    tally.check(42, rounds > 1, "a long list is answered in rounds", result, on: report)
    tally.check(42, isClosed, "no interrupt comes while they are closed", on: report)
    tally.check(42, between == rounds, "and one in each round's window", on: report)
    return result
  }

  // MARK: The controller, x2APIC

  private func write(_ register: UInt32, _ value: UInt64) -> Bool {
    if port.header.isSNP {
      return guest_snp_wrmsr(port.ghcb, Layout.alias &+ port.ghcb, register, value) == 0
    }
    return guest_probe_wrmsr(register, value) != 0
  }

  /// x2APIC mode, then the spurious vector and software enable.
  private func open() -> Bool { write(0x1B, 0xFEE0_0D00) && write(0x80F, 0x1FF) }
  private func send() { _ = write(0x83F, UInt64(GUEST_VECTOR)) }
  private func end() { _ = write(0x80B, 0) }
}
