// Neighbours: the other vCPUs: made by CREATE_VCPU, set to work at the same time, and not deleted while they run.
import GuestPort
import SNP
import SVSMProtocol
import Seams

/// Words of a vCPU's mailbox, by offset.
enum MailboxWord {
  /// 1 once the vCPU waits.
  static let isUp: UInt64 = 0
  /// Rounds that it is to race; 0: wait.
  static let rounds: UInt64 = 8
  /// Answers that no rule allows.
  static let wrong: UInt64 = 16
  /// Calls made.
  static let calls: UInt64 = 24
  /// 1 once it has raced.
  static let isDone: UInt64 = 32
}

/// Another vCPU's life.
enum Neighbour {
  static func run(index: Int, header: Header, area: UInt64) {
    guest_load_idt()
    var port = Port(index: index, header: header, area: area)
    // On a TD every vCPU is started at once, and its memory is not there before the first one has made it.
    while guest_load(guest_entry_address() &+ 0xF0) == 0 { guest_pause() }
    let mailbox = Layout.mailbox(index)
    if header.isSNP, port.openGHCB() != .success { guest_store(mailbox &+ MailboxWord.wrong, 1) }
    guest_store(mailbox &+ MailboxWord.isUp, 1)
    while true {
      let rounds = guest_exchange(mailbox &+ MailboxWord.rounds, 0)
      guard rounds != 0 else {
        guest_pause()
        continue
      }
      var race = Race(port: port, seed: UInt64(index) &* 7919)
      race.run(rounds: rounds)
      guest_store(mailbox &+ MailboxWord.wrong, guest_load(mailbox &+ MailboxWord.wrong) &+ race.wrong)
      guest_store(mailbox &+ MailboxWord.calls, race.calls)
      guest_store(mailbox &+ MailboxWord.isDone, 1)
    }
  }
}

/// The statements about several vCPUs, run by the start-up vCPU.
struct Neighbours {
  let port: Port
  let report: Report

  func run(_ tally: inout Tally) {
    let header = port.header
    for index in 1..<max(1, header.vcpuCount) {
      guest_store(Layout.mailbox(index) &+ MailboxWord.isUp, 0)
      guest_store(Layout.mailbox(index) &+ MailboxWord.rounds, 0)
    }
    guest_store(guest_entry_address() &+ 0xF0, 1)
    if header.isSNP {
      wrongStates(&tally)
      twoOfOneCPU(&tally)
    } else {
      let answer = port.call(.createVCPU, rcx: Layout.vmsa(0), rdx: Layout.spare(0, 1), r8: 0)
      tally.check(
        49, answer.result == .unsupportedCall, "every vCPU is started by the kernel", answer.result,
        on: report)
    }
    var isEverybodyUp = true
    for index in 1..<max(1, header.vcpuCount) {
      if header.isSNP { start(index, &tally) }
      isEverybodyUp = wait(Layout.mailbox(index) &+ MailboxWord.isUp) && isEverybodyUp
    }
    tally.check(
      61, isEverybodyUp, "every vCPU runs and is served at the calling area it was made with", on: report)
    if isEverybodyUp { race(&tally) }
    if header.isSNP, header.vcpuCount > 1, isEverybodyUp { deletions(&tally) }
  }

  /// Waits until the word at `address` is not 0, a bounded time.
  private func wait(_ address: UInt64) -> Bool {
    for _ in 0..<50_000_000 {
      if guest_load(address) != 0 { return true }
      guest_pause()
    }
    return false
  }

  // MARK: vCPUs

  func fill(
    _ page: UInt64, index: Int, level: UInt64? = nil, efer: UInt64 = 0x1D00, features: UInt64? = nil
  ) {
    for offset in 0..<UInt64(512) { guest_store(page &+ 8 &* offset, 0) }
    func put(_ offset: Int, _ value: UInt64) { guest_store(page &+ UInt64(offset), value) }
    func segment(_ offset: Int, _ selector: UInt64, _ attributes: UInt64) {
      put(offset, selector | attributes << 16 | 0xFFFF_FFFF << 32)
    }
    segment(VMSAField.cs, 0x08, 0xA9B)
    for offset in [VMSAField.ds, VMSAField.es, VMSAField.ss, VMSAField.fs, VMSAField.gs] {
      segment(offset, 0x10, 0xC93)
    }
    put(VMSAField.ldtr, 0x82 << 16 | 0xFFFF << 32)
    put(VMSAField.tr, 0x8B << 16 | 0xFFFF << 32)
    put(VMSAField.gdtr, 0xFFFF << 32)
    put(VMSAField.idtr, 0xFFFF << 32)
    put(VMSAField.vmpl & ~7, (level ?? port.header.level) << UInt64(8 &* (VMSAField.vmpl & 7)))
    put(VMSAField.efer, efer)
    put(VMSAField.cr0, 0x8000_0011)
    put(VMSAField.cr3, guest_root())
    put(VMSAField.cr4, 0x20)
    put(VMSAField.dr6, 0xFFFF_0FF0)
    put(VMSAField.dr7, 0x400)
    put(VMSAField.rflags, 2)
    put(VMSAField.rip, guest_entry_address())
    put(VMSAField.rsp, guest_stack_top(UInt64(index)))
    put(VMSAField.rdi, UInt64(index))
    put(VMSAField.rsi, Layout.callingArea(index))
    put(VMSAField.pat, 0x0007_0406_0007_0406)
    put(VMSAField.xcr0, 1)
    put(VMSAField.mxcsr, 0x1F80 | 0x5555 << 32)
    put(VMSAField.fcw, 0x40)
    put(VMSAField.sevFeatures, features ?? port.header.features)
  }

  private func create(_ vmsa: UInt64, _ area: UInt64, _ apicID: UInt64) -> ResultCode {
    port.call(.createVCPU, rcx: vmsa, rdx: area, r8: apicID).result
  }

  private func wrongStates(_ tally: inout Tally) {
    let vmsa = Layout.spare(0, 0)
    let area = Layout.spare(0, 1)
    let header = port.header
    let own = header.apicID(0)
    fill(vmsa, index: 0, level: 0)
    var result = create(vmsa, area, own)
    tally.check(51, result == .invalidParameter, "a vCPU at VMPL0", result, on: report)
    guest_store(vmsa, 1)
    tally.check(51, guest_load(vmsa) == 1, "the page is the guest's again", on: report)
    fill(vmsa, index: 0, level: header.level &- 1)
    result = create(vmsa, area, own)
    tally.check(52, result == .invalidParameter, "a more privileged vCPU", result, on: report)
    fill(vmsa, index: 0, efer: 0xD00)
    result = create(vmsa, area, own)
    tally.check(53, result == .invalidParameter, "EFER.SVME = 0", result, on: report)
    fill(vmsa, index: 0, features: header.features ^ 0x20)
    result = create(vmsa, area, own)
    tally.check(53, result == .invalidParameter, "other SEV_FEATURES", result, on: report)
    fill(vmsa, index: 0)
    result = create(vmsa &+ 8, area, own)
    tally.check(54, result == .invalidParameter, "a misaligned state", result, on: report)
    result = create(vmsa, area &+ 0x100, own)
    tally.check(54, result == .invalidParameter, "a misaligned calling area", result, on: report)
    for bad in [header.kernelBase, port.area, Layout.test(30)] {
      result = create(bad, area, own)
      tally.check(55, result == .invalidAddress, "a state that is not the guest's", result, on: report)
      result = create(vmsa, bad, own)
      tally.check(55, result == .invalidAddress, "a calling area that is not the guest's", result, on: report)
    }
    result = create(vmsa, vmsa, own)
    tally.check(55, result == .invalidAddress, "one page for both", result, on: report)
    result = create(vmsa, area, 0xFFFF_FFF0)
    tally.check(56, result == .invalidParameter, "an unknown APIC identifier", result, on: report)
    for bad in [0, vmsa, vmsa &+ 8, port.area, header.kernelBase] {
      result = port.call(.deleteVCPU, rcx: bad).result
      tally.check(64, result == .invalidParameter, "what is no vCPU can't be deleted", result, on: report)
    }
  }

  private func twoOfOneCPU(_ tally: inout Tally) {
    let vmsa = Layout.spare(0, 0)
    let area = Layout.spare(0, 1)
    fill(vmsa, index: 0)
    var result = create(vmsa, area, port.header.apicID(0) | 0xABCD << 32)
    tally.check(57, result == .success, "the upper half of R8 is ignored", result, on: report)
    result = port.change(vmsa, validate: false).result
    tally.check(60, result == .invalidAddress, "a registered state can't be rescinded", result, on: report)
    result = port.call(.remapCallingArea, rcx: vmsa).result
    tally.check(20, result == .invalidAddress, "nor be a calling area", result, on: report)
    result = port.change(area, validate: false).result
    tally.check(39, result == .invalidAddress, "its calling area can't be rescinded", result, on: report)
    result = port.call(.deleteVCPU, rcx: vmsa).result
    tally.check(63, result == .success, "a stopped vCPU is deleted", result, on: report)
    guest_store(vmsa, 2)
    tally.check(63, guest_load(vmsa) == 2, "its page is the guest's again", on: report)
    fill(vmsa, index: 0)
    result = create(vmsa, area, port.header.apicID(0))
    tally.check(63, result == .success, "the same pages make a vCPU again", result, on: report)
    result = port.call(.deleteVCPU, rcx: vmsa).result
    tally.check(63, result == .success, "and are deleted again", result, on: report)
  }

  private func start(_ index: Int, _ tally: inout Tally) {
    let vmsa = Layout.vmsa(index)
    let apicID = port.header.apicID(index)
    fill(vmsa, index: index)
    let result = create(vmsa, Layout.callingArea(index), apicID)
    tally.check(49, result == .success, "a vCPU is made", result, on: report)
    // AP creation now, at the guest's level; RAX holds SEV_FEATURES (reference snp-svsm.md B.5.1).
    let info = guest_snp_event(
      port.ghcb, Layout.alias &+ port.ghcb, NAEEvent.apCreation.rawValue,
      apicID << 32 | port.header.level << 16 | 1, vmsa, port.header.features)
    tally.check(49, info == 0, "and started by the host", on: report)
  }

  // MARK: At the same time

  private func race(_ tally: inout Tally) {
    let rounds: UInt64 = 300
    for index in 1..<max(1, port.header.vcpuCount) {
      guest_store(Layout.mailbox(index) &+ MailboxWord.isDone, 0)
      _ = guest_exchange(Layout.mailbox(index) &+ MailboxWord.rounds, rounds)
    }
    var own = Race(port: port, seed: 1)
    own.run(rounds: rounds)
    var wrong = own.wrong
    var isDone = true
    for index in 1..<max(1, port.header.vcpuCount) {
      isDone = wait(Layout.mailbox(index) &+ MailboxWord.isDone) && isDone
      wrong &+= guest_load(Layout.mailbox(index) &+ MailboxWord.wrong)
    }
    tally.check(12, isDone, "every vCPU ends its race", on: report)
    tally.check(
      48, wrong == 0, "every answer in the race is one that a rule allows",
      ResultCode(rawValue: own.firstWrong), on: report)
  }

  private func deletions(_ tally: inout Tally) {
    var result = port.call(.deleteVCPU, rcx: Layout.vmsa(1)).result
    tally.check(67, result == .vcpuInUse, "a running vCPU is not deleted", result, on: report)
    guest_store(Layout.mailbox(1) &+ MailboxWord.isDone, 0)
    _ = guest_exchange(Layout.mailbox(1) &+ MailboxWord.rounds, 5)
    tally.check(67, wait(Layout.mailbox(1) &+ MailboxWord.isDone), "and runs on", on: report)
    result = port.change(Layout.vmsa(1), validate: false).result
    tally.check(39, result == .invalidAddress, "another vCPU's state can't be rescinded", result, on: report)
    result = port.change(Layout.callingArea(1), validate: false).result
    tally.check(39, result == .invalidAddress, "nor its calling area", result, on: report)
    result = port.call(.remapCallingArea, rcx: Layout.callingArea(1)).result
    tally.check(20, result == .invalidAddress, "nor be taken over", result, on: report)
  }
}
