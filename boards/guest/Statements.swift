// Statements: what one vCPU can see of snp-svsm.md D: calls, calling areas, pages.
import GuestPort
import SNP
import SVSMProtocol
import Seams

/// The statements, run by the start-up vCPU.
struct Statements {
  let port: Port
  let report: Report

  func run(_ tally: inout Tally) {
    mechanism(&tally)
    callingAreas(&tally)
    pages(&tally)
    lists(&tally)
    addresses(&tally)
    memory(&tally)
    optional(&tally)
  }

  private func page(_ number: UInt64) -> UInt64 { Layout.test(number) }

  // MARK: Calls

  private func mechanism(_ tally: inout Tally) {
    let version = ProtocolQuery.rcx(.core, version: 1)
    var answer = port.once(.queryProtocol, rcx: version, rdx: 2, r8: 3, r9: 4)
    tally.check(
      78, answer.isProper && answer.result == .success && answer.rcx == 0x1_0000_0001,
      "Core version 1 is served", answer.result, on: report)
    tally.check(
      15, answer.r9 == 4 && answer.rdx == 2 && answer.r8 == 3,
      "registers that the call does not answer in are kept", on: report)
    if port.header.isSNP {
      let other = port.once(.queryProtocol, rcx: version, byMSR: true)
      tally.check(
        10, other.isProper && other.rcx == answer.rcx && other.rax == answer.rax,
        "both routes give the same answer", other.result, on: report)
      tally.check(11, other.transport == 0x017, "the MSR answers 0x017 with nothing above", on: report)
      tally.check(
        117, guest_rmpadjust(Layout.spare(0, 0), 1) == 2, "RMPADJUST of an equal level is refused", on: report
      )
    } else {
      tally.skip(10, "one route only", on: report)
    }
    for version in [0, 2] as [UInt32] {
      answer = port.once(.queryProtocol, rcx: ProtocolQuery.rcx(.core, version: version))
      tally.check(
        78, answer.result == .success && answer.rcx == 0, "another version is not", answer.result, on: report)
    }
    for number in [5, .max] as [UInt32] {
      let id = ProtocolID(rawValue: number)
      answer = port.once(.queryProtocol, rcx: ProtocolQuery.rcx(id, version: 1))
      tally.check(
        79, answer.result == .success && answer.rcx == 0, "an unknown protocol has no version", answer.result,
        on: report)
      answer = port.once(CallID(id, 0), rcx: 11, rdx: 12, r8: 13)
      tally.check(
        6,
        answer.isProper && answer.result == .unsupportedProtocol && answer.rcx == 11 && answer.rdx == 12
          && answer.r8 == 13, "an absent protocol changes nothing", answer.result, on: report)
    }
    for number in [8, .max] as [UInt32] {
      answer = port.once(CallID(.core, number))
      tally.check(
        7, answer.isProper && answer.result == .unsupportedCall, "an unknown call is unsupported",
        answer.result, on: report)
    }
    for value in [2, 0xFF] as [UInt64] {
      answer = port.once(.queryProtocol, rcx: version, pending: value)
      tally.check(
        5, answer.result == .invalidFormat, "a reserved value in CALL_PENDING", answer.result, on: report)
    }
    guest_store(port.area, 0xDEAD_BEEF_0099_7700)
    answer = port.once(.queryProtocol, rcx: version)
    tally.check(
      9, answer.isProper && answer.rcx == 0x1_0000_0001, "garbage in the calling area is ignored",
      answer.result, on: report)
    guest_store(port.area, 0)
    var isQuiet = true
    for _ in 0..<1000 {
      isQuiet = isQuiet && port.once(.queryProtocol, rcx: version, rdx: 5, pending: 0).rdx == 5
    }
    tally.check(14, isQuiet, "entries without a call change nothing", on: report)
    answer = port.once(.configureVTOM, rcx: 1)
    tally.check(
      81, answer.result == .success && answer.rcx & 2 == 0, "vTOM is not supported", answer.result, on: report
    )
    answer = port.once(.configureVTOM, rcx: 3)
    tally.check(
      81, answer.result == .invalidParameter, "reserved bits of CONFIGURE_VTOM", answer.result, on: report)
    answer = port.once(.configureVTOM, rcx: 2)
    tally.check(82, answer.result == .invalidRequest, "vTOM can't be configured", answer.result, on: report)
  }

  // MARK: REMAP_CA

  private func callingAreas(_ tally: inout Tally) {
    var moved = port
    let new = Layout.callingArea(0)
    let bad: [(UInt64, ResultCode)] = [
      (new &+ 8, .invalidParameter), (new &+ 0x800, .invalidParameter),
      (port.header.kernelBase, .invalidAddress),
      (port.header.kernelBase &+ port.header.kernelByteCount &- 4096, .invalidAddress),
      (0xFFFF_FFFF_FFFF_F000, .invalidAddress), (page(31), .invalidAddress),
    ]
    for (address, result) in bad {
      let answer = port.call(.remapCallingArea, rcx: address)
      tally.check(
        result == .invalidParameter ? 18 : 19, answer.result == result, "a bad calling area is refused",
        answer.result, on: report)
    }
    tally.check(
      21, port.call(.remapCallingArea, rcx: port.area).result == .success, "the current one is accepted",
      on: report)
    guest_store(new, 1)
    var answer = port.call(.remapCallingArea, rcx: new)
    tally.check(16, answer.result == .success, "a new calling area", answer.result, on: report)
    tally.check(17, guest_load_byte(new) == 0, "no call is pending in it", on: report)
    moved.area = new
    answer = moved.once(.queryProtocol, rcx: ProtocolQuery.rcx(.core, version: 1))
    tally.check(
      16, answer.isProper && answer.rcx == 0x1_0000_0001, "calls come from it", answer.result, on: report)
    answer = port.once(.queryProtocol, rcx: ProtocolQuery.rcx(.core, version: 1))
    tally.check(16, answer.pending != 0, "and no more from the old one", on: report)
    let old = moved.change(port.area, validate: false)
    tally.check(22, old.result == .success, "the old one can be given up", old.result, on: report)
    _ = moved.makePrivate(port.area)
    answer = moved.call(.remapCallingArea, rcx: port.area)
    tally.check(16, answer.result == .success, "and taken again", answer.result, on: report)
  }

  // MARK: PVALIDATE

  private func pages(_ tally: inout Tally) {
    var done = port.change(page(0), validate: true)
    tally.check(24, done.result == .success && done.next == 1, "a page is validated", done.result, on: report)
    var isZero = true
    for offset in 0..<UInt64(512) { isZero = isZero && guest_load(page(0) &+ 8 &* offset) == 0 }
    tally.check(24, isZero, "it is zero", on: report)
    guest_store(page(0) &+ 64, 0x600D)
    done = port.change(page(0), validate: true)
    tally.check(
      25, done.result.rawValue == 0x8000_1010 && done.next == 0, "twice is an error", done.result, on: report)
    tally.check(25, guest_load(page(0) &+ 64) == 0x600D, "it is still there", on: report)
    done = port.change(page(0), validate: true, ignore: true)
    tally.check(
      26, done.result == .success && done.next == 1, "twice with the carry ignored is none", done.result,
      on: report)
    tally.check(26, guest_load(page(0) &+ 64) == 0x600D, "and it is not cleared", on: report)
    done = port.change(page(0), validate: false)
    tally.check(27, done.result == .success, "it is rescinded", done.result, on: report)
    if port.header.isSNP {
      let isReached = guest_probe(page(0)) != 0
      tally.check(
        27, !isReached && guest_probe_vector() == 29 && guest_probe_error() == 0x404,
        "an access is #VC 0x404", on: report)
    }
    done = port.change(page(0), validate: false)
    tally.check(
      28, done.result.rawValue == 0x8000_1010 && done.next == 0, "rescinding twice is an error", done.result,
      on: report)
    done = port.change(page(0), validate: true)
    tally.check(
      44, done.result == .success && guest_load(page(0) &+ 64) == 0, "validated again, it is zero",
      done.result, on: report)
    _ = port.change(page(0), validate: false)
    done = port.change(Layout.large, is2M: true, validate: true)
    if done.result == .success {
      tally.check(
        29, guest_load(Layout.large) == 0 && guest_load(Layout.large &+ 0x1F_FFF8) == 0, "2 MiB at once",
        on: report)
      done = port.change(Layout.large, is2M: true, validate: false)
      tally.check(29, done.result == .success, "and back", done.result, on: report)
    } else if done.result == .pvalidateSizeMismatch {
      tally.check(30, done.next == 0, "2 MiB of small pages is a size mismatch", done.result, on: report)
    } else {
      tally.check(
        40, done.result == .invalidAddress, "2 MiB that the host does not back", done.result, on: report)
    }
  }

  private func entry(_ number: UInt64, validate: Bool = true) -> UInt64 {
    PValidateEntry.encode(address: page(number), is2M: false, isValidate: validate)
  }

  private func lists(_ tally: inout Tally) {
    let list = Layout.list(0)
    var done = port.list(.pvalidate, at: list, entry(1), entry(2), entry(3))
    tally.check(33, done.result == .success && done.next == 3, "a list of three", done.result, on: report)
    done = port.list(.pvalidate, at: list, entry(1), entry(2), entry(4), next: 2)
    tally.check(31, done.result == .success && done.next == 3, "it starts at next", done.result, on: report)
    done = port.list(.pvalidate, at: list, entry(5), entry(6) | 2, entry(7))
    tally.check(
      41, done.result == .invalidParameter && done.next == 1, "a bad entry stops the list there", done.result,
      on: report)
    tally.check(
      41, port.change(page(5), validate: false).result == .success, "what was before is done", on: report)
    tally.check(
      41, port.change(page(7), validate: false).result.rawValue == 0x8000_1010, "what was behind is not",
      on: report)
    for bad in [entry(5) | 1 << 4, entry(5) | 1 << 11, entry(5) | 3, entry(5) | 1] {
      done = port.list(.pvalidate, at: list, bad)
      tally.check(
        37, done.result == .invalidParameter && done.next == 0, "a malformed entry", done.result, on: report)
    }
    done = port.list(.pvalidate, at: list &+ 0xFF0, entry(5))
    tally.check(34, done.result == .success, "one entry at the page's end", done.result, on: report)
    guest_store(list &+ 0xFF8, 1)
    tally.check(
      34, port.call(.pvalidate, rcx: list &+ 0xFF8).result == .invalidParameter, "a header at the page's end",
      on: report)
    for (count, next) in [(0, 0), (512, 0), (1, 1), (1, 9)] as [(UInt64, UInt64)] {
      done = port.list(.pvalidate, at: list, entry(6), next: next, count: count)
      tally.check(
        35, done.result == .invalidParameter && done.next == next, "a bad count or next", done.result,
        on: report)
    }
    for offset in [1, 4] as [UInt64] {
      tally.check(
        36, port.call(.pvalidate, rcx: list &+ offset).result == .invalidParameter, "a misaligned list",
        on: report)
    }
    // A full list, in as many rounds as the kernel likes.
    guest_store(list, 510)
    for index in 0..<UInt64(510) { guest_store(list &+ 8 &+ 8 &* index, entry(1, validate: index & 1 != 0)) }
    let full = port.call(.pvalidate, rcx: list)
    tally.check(
      33, full.result == .success && guest_load(list) >> 16 & 0xFFFF == 510 && full.rcx == list,
      "a full list is done in rounds", full.result, on: report)
    for number in [1, 2, 3, 4, 5] as [UInt64] { _ = port.change(page(number), validate: false, ignore: true) }
  }

  private func addresses(_ tally: inout Tally) {
    let header = port.header
    let bad = [
      header.kernelBase, header.kernelBase &+ header.kernelByteCount &- 4096, port.area, header.memoryEnd,
      1 << 46, header.encryptionMask | page(8), 0xF_FFFF_FFFF_F000,
    ]
    for address in bad {
      let entry = PValidateEntry.encode(address: address, is2M: false, isValidate: true)
      let done = port.list(.pvalidate, at: Layout.list(0), entry)
      let isMask = header.encryptionMask == 0 && address == page(8)
      if isMask {
        _ = port.change(page(8), validate: false)
        continue
      }
      tally.check(
        38, done.result == .invalidAddress && done.next == 0, "an address that is not the guest's",
        done.result, on: report)
    }
    let large = PValidateEntry.encode(address: header.kernelBase & ~0x1F_FFFF, is2M: true, isValidate: false)
    var done = port.list(.pvalidate, at: Layout.list(0), large)
    tally.check(38, done.result == .invalidAddress, "2 MiB around the kernel", done.result, on: report)
    for place in [header.kernelBase, page(8), header.memoryEnd &+ 0x1000] {
      tally.check(
        43, port.call(.pvalidate, rcx: place).result == .invalidAddress, "a list that is not the guest's",
        on: report)
    }
    done = port.change(Layout.list(0), validate: false)
    tally.check(43, done.result == .success, "a list page can be given up", done.result, on: report)
    tally.check(
      43, port.call(.pvalidate, rcx: Layout.list(0)).result == .invalidAddress, "and is refused then",
      on: report)
    _ = port.makePrivate(Layout.list(0))
  }

  // MARK: DEPOSIT_MEM and WITHDRAW_MEM

  private func memory(_ tally: inout Tally) {
    let list = Layout.list(0)
    _ = port.makePrivate(page(10))
    var done = port.list(.depositMemory, at: list, page(10))
    if done.result == .unsupportedCall {
      for number in 71...77 as ClosedRange<UInt64> {
        tally.skip(number, "no memory is exchanged here", on: report)
      }
      _ = port.change(page(10), validate: false)
      return
    }
    tally.check(71, done.result == .success && done.next == 1, "a page is deposited", done.result, on: report)
    tally.check(
      71, port.change(page(10), validate: false).result == .invalidAddress, "it is the kernel's", on: report)
    for bad in [page(10), header(0), port.area] {
      done = port.list(.depositMemory, at: list, bad)
      tally.check(
        73, done.result == .invalidAddress && done.next == 0, "what can't be deposited", done.result,
        on: report)
    }
    for bad in [page(11) | 2, page(11) | 4, page(11) | 1] {
      done = port.list(.depositMemory, at: list, bad)
      tally.check(72, done.result == .invalidParameter, "a malformed entry", done.result, on: report)
    }
    tally.check(
      74, port.call(.withdrawMemory, rcx: list &+ 0xFF8).result == .invalidParameter,
      "no room for an address", on: report)
    let answer = port.call(.withdrawMemory, rcx: list)
    let count = guest_load(list) & 0xFFFF
    tally.check(
      75, answer.result == .success && count > 0 && count <= 511, "pages come back", answer.result, on: report
    )
    var isReached = true
    for index in 0..<min(count, 511) {
      isReached = isReached && guest_probe(guest_load(list &+ 8 &+ 8 &* index)) != 0
    }
    tally.check(76, isReached, "they can be read", on: report)
    _ = port.change(page(10), validate: false, ignore: true)
  }

  private func header(_ offset: UInt64) -> UInt64 { port.header.kernelBase &+ offset }

  // MARK: Other protocols

  private func optional(_ tally: inout Tally) {
    let answer = port.once(.queryProtocol, rcx: ProtocolQuery.rcx(.vTPM, version: 1))
    guard answer.rcx != 0 else {
      for number in [95, 96, 97, 98, 103] as [UInt64] { tally.skip(number, "there is no vTPM", on: report) }
      return
    }
    TPMStatements(port: port, report: report).run(&tally)
  }
}
