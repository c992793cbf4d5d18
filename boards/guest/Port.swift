// Port: one vCPU's way to the kernel and to the host, on either platform.
import GuestPort
import SNP
import SVSMProtocol

/// A vCPU that can call.
struct Port {
  let index: Int
  let header: Header
  var area: UInt64
  /// The GHCB page, once it is shared and registered.
  var ghcb: UInt64 = 0

  init(index: Int, header: Header, area: UInt64) {
    self.index = index
    self.header = header
    self.area = area
    // What `setUp` left, for an exception's report.
    if index == 0, header.isSNP, header.isSetUp { ghcb = Layout.ghcb(0) }
  }

  // MARK: Calls

  /// One call, exactly as given; `after` is the calling area that it leaves, if another.
  func once(
    _ id: CallID, rcx: UInt64 = 0, rdx: UInt64 = 0, r8: UInt64 = 0, r9: UInt64 = 0, pending: UInt64 = 1,
    byMSR: Bool = false, after: UInt64? = nil
  ) -> guest_answer {
    if header.isSNP {
      return guest_snp_call(
        area, after ?? area, pending, byMSR ? 0 : ghcb, Layout.alias &+ ghcb, id.rax, rcx, rdx, r8, r9)
    }
    return guest_td_call(area, after ?? area, pending, id.rax, rcx, rdx, r8, r9)
  }

  /// A call that is repeated while the answer is INCOMPLETE or BUSY, at most 100,000 times.
  func call(
    _ id: CallID, rcx: UInt64 = 0, rdx: UInt64 = 0, r8: UInt64 = 0, r9: UInt64 = 0
  ) -> guest_answer {
    var answer = once(id, rcx: rcx, rdx: rdx, r8: r8, r9: r9)
    var rounds = 0
    while answer.result.isRetry, answer.pending == 0, rounds < 100_000 {
      guest_pause()
      answer = once(id, rcx: rcx, rdx: rdx, r8: r8, r9: r9)
      rounds &+= 1
    }
    return answer
  }

  /// Writes a list and makes the call; the answer and `next`.
  func list(
    _ id: CallID, at address: UInt64, _ entries: UInt64..., next: UInt64 = 0, count: UInt64? = nil
  ) -> (result: ResultCode, next: UInt64) {
    guest_store(address, (count ?? UInt64(entries.count)) | next << 16)
    for index in entries.indices { guest_store(address &+ 8 &+ UInt64(index) &* 8, entries[index]) }
    let answer = call(id, rcx: address)
    return (answer.result, guest_load(address) >> 16 & 0xFFFF)
  }

  /// PVALIDATE of one page.
  func change(
    _ page: UInt64, is2M: Bool = false, validate: Bool, ignore: Bool = false
  ) -> (result: ResultCode, next: UInt64) {
    list(
      .pvalidate, at: area &+ 8,
      PValidateEntry.encode(address: page, is2M: is2M, isValidate: validate, ignoresCarry: ignore))
  }

  // MARK: Pages

  /// Makes a page private to the guest, whatever it was.
  func makePrivate(_ page: UInt64) -> ResultCode {
    if header.isSNP {
      _ = guest_ghcb_msr(GHCBMSR.pageState(page: page >> 12, operation: .makePrivate).rawValue)
    }
    return change(page, validate: true, ignore: true).result
  }

  /// The pages that this guest needs, and (SNP) its GHCB.
  mutating func setUp() -> ResultCode {
    for index in 0..<header.vcpuCount {
      var page = Layout.block(index)
      while page < Layout.block(index) &+ 0x1_0000 {
        let result = makePrivate(page)
        if result != .success { return result }
        page &+= 0x1000
      }
    }
    for number in 0..<UInt64(32) {
      var result = makePrivate(Layout.test(number))
      if result == .success { result = change(Layout.test(number), validate: false).result }
      if result == .success { result = makePrivate(Layout.arena(number)) }
      if result != .success { return result }
    }
    return openGHCB()
  }

  /// Shares and registers the GHCB page of this vCPU.
  mutating func openGHCB() -> ResultCode {
    guard header.isSNP else { return .success }
    let page = Layout.ghcb(index)
    let rescinded = change(page, validate: false).result
    guard rescinded == .success else { return rescinded }
    _ = guest_ghcb_msr(GHCBMSR.pageState(page: page >> 12, operation: .makeShared).rawValue)
    for offset in 0..<UInt64(512) { guest_store(Layout.alias &+ page &+ 8 &* offset, 0) }
    _ = guest_ghcb_msr(GHCBMSR(.registerRequest, operand: page >> 12).rawValue)
    ghcb = page
    if index == 0 { header.noteSetUp() }
    return .success
  }
}

extension guest_answer {
  /// RAX as a result; a RAX with an upper half is none.
  var result: ResultCode {
    rax >> 32 == 0 ? ResultCode(rawValue: UInt32(truncatingIfNeeded: rax)) : ResultCode(rawValue: .max)
  }
  /// Whether the call ran and its answer is as wide as it may be.
  var isProper: Bool { rax >> 32 == 0 && pending == 0 && transport == 0x017 }
}
