// SNPGuest+Hostile: what a hostile host does to an SNP guest, and whether a secret came out.

import Bits
import Model
import SNP
import Seams
import X86

extension SNPGuest {
  /// Moves of the script before the vCPU goes on; a step if it does not.
  func play(_ index: Int) -> NextStep? {
    guard let limit = host.limit else { return nil }
    let now = hardware.timeStamp()
    if now >= limit { conclude(.stillRunning) }
    if let until = host.stalled(index, now: now, ticksPerSecond: options.cpuid.ticksPerSecond) {
      account(index)
      processors[index].alarm = nil
      return .wait(until: min(until, limit))
    }
    if host.strikes(.remap) { takeBack(index, pickPage()) }
    if host.strikes(.swap) { swap(index, pickPage(), pickPage()) }
    if host.strikes(.doubleMap) { doubleMap(index, pickPage(), pickPage()) }
    if host.strikes(.forgeExit) { forge(index) }
    for script in [HostileScript.floodInterrupts, .duplicateInterrupts] where host.strikes(script) {
      let vector =
        script == .floodInterrupts ? UInt8(32 &+ host.draw(below: 224)) : processors[index].lastVector
      for number in 0..<UInt8(4) { withAPIC(index, VMPL(rawValue: number)) { $0.request(vector) } }
      if script == .floodInterrupts { ring(index, vector) }
    }
    if host.strikes(.switchOutOfTurn) {
      _ = machine.hostSwitch(index, to: VMPL(rawValue: UInt8(host.draw(below: 4))))
    }
    if host.strikes(.startTwice), let vmpl = machine.vcpus[index].next ?? machine.vcpus[index].running {
      // The same VMSA on another vCPU: VMRUN finds it in use, or the guest goes on there.
      let other = Int(host.draw(below: UInt64(processors.count)))
      if other != index {
        machine.offerVMSA(machine.vcpus[index].vmsa(vmpl), vcpu: other, vmpl: vmpl)
        hardware.kick(other)
      }
    }
    return nil
  }

  /// A private page: every other time one that the guest touched lately.
  private func pickPage() -> GuestPage {
    if host.draw() & 1 << 20 != 0, touchedCount > 0 {
      return touched[Int(host.draw(below: UInt64(min(touchedCount, 64))))]
    }
    return GuestPage(rawValue: host.draw(below: backing.ramPageCount))
  }

  /// Remembers a page that the guest uses.
  func noteTouched(_ page: GuestPage) {
    guard host.script != nil else { return }
    touched[touchedCount & 63] = page
    touchedCount &+= 1
  }

  /// RMPUPDATE to the hypervisor and back to the guest: Validated and contents are gone (reference B.1.2).
  private func takeBack(_ index: Int, _ page: GuestPage) {
    guard let entry = machine.memory.nested[page] else { return }
    if machine.memory.rmp.governing(entry.page)?.pageSize == .size2M {
      guard machine.memory.psmash(entry.page.base2M) == .success else { return }
      remapAll(page.base2M, count: 512)
    }
    guard let old = machine.memory.rmp.governing(entry.page), old.isAssigned,
      machine.memory.rmpUpdate(entry.page, .hypervisorOwned()) == .success
    else { return }
    machine.memory.nested[page] = NestedEntry(page: entry.page)
    remapAll(page, count: 1)
    flushOthers(index)
    scramble(entry.page)
    _ = machine.memory.rmpUpdate(
      entry.page,
      RMPUpdateRecord(
        guestAddress: page.address, assigned: true, pageSize: .size4K, immutable: false,
        asid: machine.configuration.asid))
  }

  /// Two guest pages change their system pages; the reverse map sees it.
  private func swap(_ index: Int, _ first: GuestPage, _ second: GuestPage) {
    guard let one = machine.memory.nested[first], let two = machine.memory.nested[second] else { return }
    machine.memory.nested[first] = NestedEntry(page: two.page)
    machine.memory.nested[second] = NestedEntry(page: one.page)
    remapAll(first, count: 1)
    remapAll(second, count: 1)
    flushOthers(index)
  }

  /// One system page behind two guest pages; the reverse map sees it.
  private func doubleMap(_ index: Int, _ first: GuestPage, _ second: GuestPage) {
    guard let one = machine.memory.nested[first] else { return }
    machine.memory.nested[second] = NestedEntry(page: one.page)
    remapAll(second, count: 1)
    flushOthers(index)
  }

  /// An exception or #HV that nothing caused, as far as the level's injection mode lets a host.
  private func forge(_ index: Int) {
    guard let vmpl = machine.vcpus[index].running ?? machine.vcpus[index].next,
      processors[index].levels[Int(vmpl.rawValue & 3)] != nil
    else { return }
    var cpu = cpu(index, vmpl)
    guard !cpu[VMCB.eventInjection].bit(31), cpu.codeSize == .bits64 else { return }
    let code = UInt32(truncatingIfNeeded: host.draw() >> 32 & 0x7F)
    for event in [EventInjection(.exception, vector: 29, errorCode: code), .hypervisorInjection] {
      guard case .inject = machine.hostInjection(index, vmpl, event, hardware) else { continue }
      if event == .hypervisorInjection {
        cpu[VMCB.eventInjection] = event.rawValue
      } else {
        deliverFrame(index, vmpl, vector: 29, errorCode: code)
      }
      return
    }
  }

  /// A vector into the doorbell of the level that runs, whether its APIC would have it or not.
  private func ring(_ index: Int, _ vector: UInt8) {
    guard let vmpl = machine.vcpus[index].running ?? machine.vcpus[index].next,
      processors[index].levels[Int(vmpl.rawValue & 3)] != nil
    else { return }
    var cpu = cpu(index, vmpl)
    guard !cpu[VMCB.eventInjection].bit(31),
      machine.features(index, vmpl, hardware).contains(.restrictedInjection),
      case .inject(let event) = machine.ringDoorbell(index, vmpl, vector: vector, &hardware)
    else { return }
    cpu[VMCB.eventInjection] = event.rawValue
  }

  // MARK: Answers

  /// The answer to an MSR request as the host gives it.
  func distort(_ answer: GHCBMSR) -> GHCBMSR {
    guard host.script != nil else { return answer }
    let old = lastAnswer
    lastAnswer = answer
    if host.strikes(.replayReply) { return old ?? answer }
    if host.strikes(.corruptReply) { return GHCBMSR(rawValue: answer.rawValue ^ 1 << host.draw(below: 64)) }
    return answer
  }

  /// The answer in a GHCB page as the host gives it.
  func distortPage(_ system: SystemPage) {
    guard host.script != nil else { return }
    if lastPage == nil { lastPage = hardware.allocatePage() }
    if let lastPage, host.strikes(.replayReply) {
      for offset in stride(from: 0, to: 4096, by: 8) {
        hardware.store(system, offset, hardware.load(lastPage, offset))
      }
    } else if let lastPage {
      for offset in stride(from: 0, to: 4096, by: 8) {
        hardware.store(lastPage, offset, hardware.load(system, offset))
      }
    }
    if host.strikes(.corruptReply) {
      // Mostly where answers lie: registers, exit information, the shared buffer's start.
      let offset = Int(host.draw(below: host.draw() & 1 << 20 == 0 ? 0x80 : 0x200)) * 8
      hardware.store(system, offset, hardware.load(system, offset) ^ 1 << host.draw(below: 64))
    }
  }

  /// A page-state list of which the host does the first half, or of one entry nothing, and calls it done.
  ///
  /// Nil if the host is honest now; otherwise what the header must say afterwards.
  func halvePageState(_ system: SystemPage, _ page: GuestPage) -> (offset: Int, header: UInt64)? {
    guard host.strikes(.halfPageState) else { return nil }
    let offset = hardware.load(system, GHCBPage.scratch) &- page.address
    guard offset >= 0x800, offset <= 0xFE8, offset & 7 == 0 else { return nil }
    let header = PageStateHeader(rawValue: hardware.load(system, Int(offset)))
    guard header.current <= header.end, Int(header.end) < PageStateHeader.maximumCount else { return nil }
    let last = header.end
    let half =
      header.current == last
      ? PageStateHeader(current: last &+ 1, end: last)
      : PageStateHeader(current: header.current, end: header.current &+ (last &- header.current) / 2)
    hardware.store(system, Int(offset), half.rawValue)
    return (Int(offset), PageStateHeader(current: last &+ 1, end: last).rawValue)
  }

  // MARK: Secrets

  /// Whether `page` holds a canary or the beginning of one of the guest's message keys.
  private func holdsSecret(_ page: SystemPage) -> Bool {
    let keys = messageKeys
    var before: UInt64 = 0
    for offset in stride(from: 0, to: 4096, by: 8) {
      let word = hardware.load(page, offset)
      if word != 0, word == keys[0] || word == keys[1] || word == keys[2] || word == keys[3] { return true }
      if before != 0, Canary.starts(in: before, word) { return true }
      before = word
    }
    return Canary.starts(in: before, 0)
  }

  /// Looks at a page that the hypervisor could read until now.
  func scanShared(_ page: GuestPage, _ system: SystemPage) {
    if leak == nil, holdsSecret(system) { leak = page.address }
  }

  /// Looks at every page that the hypervisor can read.
  func scanSharedMemory() {
    for number in 0..<backing.ramPageCount where leak == nil {
      let page = GuestPage(rawValue: number)
      guard let entry = machine.memory.nested[page], machine.memory.hostMayWrite(entry.page) else { continue }
      scanShared(page, entry.page)
    }
  }

  /// Ends the run: secrets are looked for first.
  func conclude(_ ending: RunEnding) -> Never {
    scanSharedMemory()
    hardware.conclude(ending, host, leak: leak)
  }
}

extension NAEEvent {
  /// Whether an exit code asks for a guest message to be passed on.
  static func isGuestMessage(_ code: UInt64) -> Bool {
    code == guestRequest.rawValue || code == extendedGuestRequest.rawValue
  }
}
