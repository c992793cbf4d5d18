// Lean: a kernel without memory left, which asks for pages, lives on them and gives back what it does not use.
import GuestPort
import SVSMProtocol
import Seams

/// Statement D.77, and what of D.75 takes a kernel that uses its deposits: on `boards/run snp --guest lean`.
struct Lean {
  let port: Port
  let report: Report

  private var list: UInt64 { Layout.list(1) }
  private var tpm: TPMStatements { TPMStatements(port: port, report: report) }

  func run(_ tally: inout Tally) {
    let asked = tpm.startUp()
    guard let count = asked.neededPageCount, count > 0, count <= 64 else {
      tally.check(77, false, "a call asks for memory", asked, on: report)
      return
    }
    tally.check(77, tpm.startUp() == asked, "and for as much when it is repeated", asked, on: report)
    let version = port.once(.queryProtocol, rcx: ProtocolQuery.rcx(.core, version: 1))
    tally.check(77, version.result == .success, "the query needs none", version.result, on: report)
    guard deposit(UInt64(count), &tally) else { return }
    var result = tpm.startUp()
    tally.check(
      77, result == .success && tpm.code == 0, "with the pages, the call succeeds", result, on: report)
    result = tpm.makeKey()
    tally.check(77, result == .success && tpm.code == 0, "so does one that keeps objects", result, on: report)
    let free = withdraw()
    tally.check(
      75, free > 0 && free < UInt64(count), "what the kernel does not use comes back, the rest not",
      on: report)
    report.write("# pages deposited ")
    report.write(decimal: UInt64(count))
    report.write(", given back ")
    report.write(decimal: free)
    report.endLine()
    result = tpm.random()
    tally.check(77, result.neededPageCount ?? 0 > 0, "without them it asks again", result, on: report)
    large(&tally)
  }

  // 2 MiB at once, one page of which holds the kernel's books, come back in several calls.
  private func large(_ tally: inout Tally) {
    guard port.change(Layout.large, is2M: true, validate: true).result == .success else {
      return tally.skip(75, "the host backs no 2 MiB", on: report)
    }
    let done = port.list(.depositMemory, at: list, Layout.large | 1)
    tally.check(71, done.result == .success && done.next == 1, "2 MiB are deposited", done.result, on: report)
    let result = tpm.random()
    tally.check(77, result == .success && tpm.code == 0, "and used", result, on: report)
    tally.check(
      75, guest_load_byte(port.area &+ UInt64(CallingArea.memoryAvailableOffset)) == 1,
      "SVSM_MEM_AVAILABLE says so", on: report)
    var count: UInt64 = 0
    var rounds = 0
    while rounds < 4 {
      let more = withdraw()
      if more == 0 { break }
      count &+= more
      rounds &+= 1
    }
    tally.check(75, count > 384 && count <= 512, "they come back", on: report)
    tally.check(
      75, guest_load_byte(port.area &+ UInt64(CallingArea.memoryAvailableOffset)) == 0,
      "SVSM_MEM_AVAILABLE says that no more are to be had", on: report)
  }

  private func deposit(_ count: UInt64, _ tally: inout Tally) -> Bool {
    var result = ResultCode.success
    for number in 0..<count where result == .success {
      result = port.makePrivate(Layout.long(number))
      if result == .success { result = port.list(.depositMemory, at: list, Layout.long(number)).result }
    }
    tally.check(77, result == .success, "it gets them", result, on: report)
    return result == .success
  }

  /// How many pages came back, each of which the guest can use.
  private func withdraw() -> UInt64 {
    guard port.call(.withdrawMemory, rcx: list).result == .success else { return 0 }
    let count = guest_load(list) & 0xFFFF
    for index in 0..<min(count, 511) where guest_probe(guest_load(list &+ 8 &+ 8 &* index)) == 0 { return 0 }
    return count
  }
}
