// TDXMachine+Hostile: what a hostile host does to a TD, and whether a secret came out.

import Bits
import Model
import SNP
import Seams
import TDX

extension TDXMachine {
  /// Moves of the script before the vCPU goes on; a step if it does not.
  func play(_ index: Int) -> NextStep? {
    guard let limit = host.limit else { return nil }
    let now = hardware.timeStamp()
    if now >= limit { conclude(.stillRunning) }
    if let until = host.stalled(index, now: now, ticksPerSecond: options.ticksPerSecond) {
      account(index)
      processors[index].alarm = nil
      return .wait(until: min(until, limit))
    }
    removeBlocked(index)
    if host.strikes(.remap) || host.strikes(.swap) { takeBack(index) }
    if host.strikes(.doubleMap) { doubleMap() }
    if host.strikes(.forgeExit) {
      processors[index].isNMIPending = true
      wakeEarly(index)
    }
    if host.strikes(.duplicateInterrupts) {
      _ = processors[index].interrupts.post(processors[index].lastVector)
    }
    if host.strikes(.floodInterrupts) {
      for _ in 0..<4 { _ = processors[index].interrupts.post(UInt8(32 &+ host.draw(below: 224))) }
    }
    if host.strikes(.startTwice) { enterTwice(index, flags: 0) }
    if host.strikes(.switchOutOfTurn) { enterTwice(index, flags: TrustDomain.resumeL1Flag) }
    return nil
  }

  /// A private page: every other time one that the guest touched lately.
  private func pickPage() -> GuestPage {
    if host.draw() & 1 << 20 != 0, touchedCount > 0 {
      return touched[Int(host.draw(below: UInt64(min(touchedCount, 64))))]
    }
    return GuestPage(rawValue: host.draw(below: UInt64(memory.pageCount)))
  }

  /// Remembers a page that the guest uses.
  func noteTouched(_ page: GuestPage) {
    guard host.script != nil else { return }
    touched[touchedCount & 63] = page
    touchedCount &+= 1
  }

  /// TDH.MEM.RANGE.BLOCK and TRACK; REMOVE follows when every vCPU has come in anew (tdx.md D.6).
  private func takeBack(_ index: Int) {
    let page = pickPage()
    guard blockedPage == nil, let leaf = domain.sept.leaf(page) else { return }
    let isLarge = leaf.walk.level == 1
    guard domain.block(isLarge ? page.base2M : page, level: leaf.walk.level) else { return }
    domain.track()
    blockedPage = page
    for vm in 0..<tables.count { mapPrivate(page, vm: vm) }
    for other in processors.indices where other != index { hardware.kick(other) }
  }

  /// TDH.MEM.PAGE.REMOVE, then AUG of the same page, which the guest would have to accept.
  private func removeBlocked(_ index: Int) {
    guard let page = blockedPage, let leaf = domain.sept.leaf(page) else { return }
    let isLarge = leaf.walk.level == 1
    let first = isLarge ? page.base2M : page
    guard domain.remove(first, level: leaf.walk.level) else {
      for other in processors.indices where other != index { hardware.kick(other) }
      return
    }
    blockedPage = nil
    if let system = memory[first] { _ = domain.augment(first, system, level: leaf.walk.level) }
  }

  /// The page behind one private page is offered for another: the module must refuse.
  private func doubleMap() {
    let page = pickPage()
    guard let leaf = domain.sept.leaf(page), !domain.ownership.isFree(leaf.page) else { return }
    for _ in 0..<16 {
      let other = GuestPage(rawValue: host.draw(below: UInt64(memory.pageCount)))
      guard domain.sept.leaf(other) == nil else { continue }
      if domain.sept.walk(other, to: 0).level == 1, !domain.addTable(other) { continue }
      if domain.augment(other, leaf.page) { refusalMissed("TDH.MEM.PAGE.AUG of a page in use") }
      return
    }
  }

  /// TDH.VP.ENTER of a vCPU that is in the TD, or into L1 after an exit that was not an L2's.
  private func enterTwice(_ index: Int, flags: UInt64) {
    let other = Int(host.draw(below: UInt64(processors.count)))
    if case .out = domain.vcpus[other].mode {
      guard flags != 0, domain.vcpus[other].currentVM == 0 else { return }
    }
    var registers = GeneralRegisters()
    registers.rcx = flags
    if case .running = domain.enterFromHost(other, registers, &hardware) {
      refusalMissed("TDH.VP.ENTER of a vCPU that runs")
    }
  }

  private func refusalMissed(_ what: String) -> Never {
    hardware.write("monitor: the module did not refuse ")
    hardware.line(what)
    conclude(.breach)
  }

  /// A halt ends without an interrupt.
  private func wakeEarly(_ index: Int) {
    guard case .halt(_, let registers) = processors[index].pendingCall else { return }
    processors[index].pendingCall = nil
    processors[index].answer = registers
  }

  // MARK: Answers

  /// Whether the host refuses the call, or says that it is done when it is not.
  func refuses(_ index: Int, _ call: TDHostCall, _ registers: GeneralRegisters) -> Bool {
    guard host.script != nil else { return false }
    switch call {
    case .mapGPA(let address, let byteCount, let isShared):
      let mark = isShared ? domain.configuration.sharedMask : 0
      if host.strikes(.refusePageState) {
        answer(index, registers, .invalidOperand, address | mark)
        return true
      }
      if host.strikes(.throttleMessages) {
        answer(index, registers, .retry, address | mark)
        return true
      }
      guard host.strikes(.halfPageState) else { return false }
      // The first half, rounded down to pages: of one page nothing.
      let half = byteCount / 2 & ~0xFFF
      if half > 0 {
        hostCall(index, .mapGPA(address: address, byteCount: half, isShared: isShared), registers)
      }
      if processors[index].pendingCall == nil { answer(index, registers, .success) }
      return true
    case .getQuote:
      guard host.strikes(.throttleMessages) else { return false }
      answer(index, registers, .retry)
      return true
    default: return false
    }
  }

  /// The answer to a call as the host gives it.
  func distort(_ index: Int, _ call: TDHostCall) {
    guard host.script != nil, var answer = processors[index].answer else { return }
    let old = processors[index].lastAnswer
    processors[index].lastAnswer = answer
    if let old, host.strikes(.replayReply) { answer = old }
    if host.strikes(.corruptReply) {
      answer[10 + Int(host.draw(below: 6))] ^= 1 << host.draw(below: 64)
    }
    if case .cpuid = call, host.strikes(.lyingCPUID) {
      for number in 12..<16 { answer[number] ^= host.draw() >> 32 }
    }
    processors[index].answer = answer
  }

  // MARK: Secrets

  /// Looks at what a TDVMCALL shows to the host.
  func scanRegisters(_ registers: GeneralRegisters) {
    for number in 0..<16 where registers[number] == Canary.word && leak == nil { leak = 0 }
  }

  /// Looks at a page that the host can read.
  func scanShared(_ page: GuestPage) {
    guard leak == nil, case .page(let system) = domain.shared[page], domain.ownership.isFree(system) else {
      return
    }
    var before: UInt64 = 0
    for offset in stride(from: 0, to: 4096, by: 8) {
      let word = hardware.load(system, offset)
      if before != 0, Canary.starts(in: before, word) { leak = page.address }
      before = word
    }
    if Canary.starts(in: before, 0) { leak = page.address }
  }

  /// Ends the run: secrets are looked for first.
  func conclude(_ ending: RunEnding) -> Never {
    for number in 0..<UInt64(memory.pageCount) { scanShared(GuestPage(rawValue: number)) }
    hardware.conclude(ending, host, leak: leak)
  }
}
