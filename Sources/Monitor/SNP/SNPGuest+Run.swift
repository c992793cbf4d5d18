// SNPGuest+Run: from an exit to the next entry.

import Bits
import Model
import SNP
import Seams
import X86

extension SNPGuest {
  /// The first step of a CPU, and the one after a halt.
  public func next(_ index: Int) -> NextStep {
    guard index < processors.count else { return .wait(until: nil) }
    processors[index].clock.exited(hardware.timeStamp())
    return resume(index)
  }

  /// The step after an exit.
  public func exited(_ index: Int) -> NextStep {
    processors[index].isInGuest = false
    processors[index].clock.exited(hardware.timeStamp())
    processors[index].exitCount &+= 1
    let vmpl = level(index)
    settleOffer(index, vmpl)
    let priority = UInt8(truncatingIfNeeded: cpu(index, vmpl)[VMCB.virtualInterrupt] & 15)
    // CR8 is V_TPR while a guest runs (APM 2, 15.21.1).
    withAPIC(index, vmpl) { if priority != $0.taskPriority >> 4 { $0.setTaskPriority(priority << 4) } }
    takeExit(index, vmpl)
    checkBreaches(index)
    return resume(index)
  }

  /// What the vCPU does now: enters a level, or waits for one, for an event, or for its start.
  func resume(_ index: Int) -> NextStep {
    if let step = play(index) { return step }
    expireTimers(index)
    if processors[index].resetHold != nil { return wait(index) }
    preferPrivileged(index)
    guard var vmpl = machine.vcpus[index].next ?? machine.vcpus[index].running else { return wait(index) }
    if isHalted(index, vmpl) {
      guard let started = processors[index].pendingStart, machine.hostSwitch(index, to: started) else {
        return wait(index)
      }
      processors[index].pendingStart = nil
      vmpl = started
    }
    if machine.vcpus[index].running == nil {
      switch machine.vmrun(index, vmpl, &hardware) {
      case .entered: processors[index].closedGates = 0
      case .invalid:
        // VMPL0 clears EFER.SVME for a moment while it decides about a vCPU on another CPU.
        if isGateClosed(index, vmpl), processors[index].closedGates < 1000 {
          processors[index].closedGates &+= 1
          return later(index)
        }
        makeLevel(index, vmpl)
        stop(.denied, index, "VMRUN is invalid")
      case .busy:
        // Only a hostile host runs a VMSA twice; it may try again.
        guard host.script == nil else { return later(index) }
        makeLevel(index, vmpl)
        stop(.denied, index, "VMRUN of a VMSA in use")
      }
    }
    return enter(index, vmpl)
  }

  private func isGateClosed(_ index: Int, _ vmpl: VMPL) -> Bool {
    guard let page = machine.vcpus[index].vmsa(vmpl).flatMap({ machine.memory.nested[$0]?.page }),
      machine.memory.rmp.read(page)?.isVMSA == true
    else { return false }
    return hardware.load(page, VMSAField.efer) & VMSAField.eferSVME == 0
  }

  /// A millisecond's pause.
  private func later(_ index: Int) -> NextStep {
    account(index)
    processors[index].alarm = nil
    return .wait(until: hardware.timeStamp() &+ options.cpuid.ticksPerSecond / 1000)
  }

  private func wait(_ index: Int) -> NextStep {
    account(index)
    // The loop sets the alarm itself, and the halt's end leaves it unknown.
    processors[index].alarm = nil
    return .wait(until: nextDeadline(index))
  }

  /// Whether the level rests in HLT and nothing has come for it.
  private func isHalted(_ index: Int, _ vmpl: VMPL) -> Bool {
    guard processors[index].levels[Int(vmpl.rawValue)]?.isHalted == true else { return false }
    guard hasEvent(index, vmpl) else { return true }
    setHalted(index, vmpl, false)
    return false
  }

  func setHalted(_ index: Int, _ vmpl: VMPL, _ isHalted: Bool) {
    processors[index].levels[Int(vmpl.rawValue & 3)]?.isHalted = isHalted
  }

  /// Loads the VMSA if another level or nobody ran, and prepares the VMCB.
  private func enter(_ index: Int, _ vmpl: VMPL) -> NextStep {
    makeLevel(index, vmpl)
    let place = Int(vmpl.rawValue)
    var cpu = cpu(index, vmpl)
    let vmsa = machine.vcpus[index].vmsa(vmpl)
    if processors[index].levels[place]?.loaded != vmsa, let vmsa,
      let page = machine.memory.nested[vmsa]?.page
    {
      VMSACodec.load(page, into: &cpu, hardware)
      processors[index].levels[place]?.loaded = vmsa
    }
    switchVectors(index, vmpl, vmsa)
    chooseRoot(index, vmpl, &cpu)
    injectEvents(index, vmpl, &cpu)
    setAlarm(index)
    account(index)
    cpu[VMCB.tscOffset] = 0 &- processors[index].clock.offset
    processors[index].isInGuest = true
    return .run(vmcb: cpu.vmcbPage, registers: cpu.registersPage)
  }

  /// Gives the physical CPU the level's own x87 and SSE state (reference B.6: they are the VMSA's).
  ///
  /// CPUID shows no more than these. A VMSA that never ran has the state after FNINIT, MXCSR 0x1F80.
  private func switchVectors(_ index: Int, _ vmpl: VMPL, _ vmsa: GuestPage?) {
    let place = Int(vmpl.rawValue & 3)
    let isFresh = processors[index].levels[place]?.vectorsOf != vmsa
    guard isFresh || processors[index].vectorLevel != vmpl, let own = processors[index].levels[place]?.vectors
    else {
      return
    }
    if let old = processors[index].vectorLevel,
      let page = processors[index].levels[Int(old.rawValue & 3)]?.vectors
    {
      hardware.saveVectors(page)
    }
    if isFresh {
      hardware.zero(own)
      hardware.store(own, 0, 0x37F)
      hardware.store(own, 24, 0x1F80)
      processors[index].levels[place]?.vectorsOf = vmsa
    }
    hardware.restoreVectors(own)
    processors[index].vectorLevel = vmpl
  }

  /// A guest that computes must be interrupted when one of its timers is due.
  private func setAlarm(_ index: Int) {
    let deadline = nextDeadline(index)
    guard deadline != processors[index].alarm else { return }
    processors[index].alarm = deadline
    hardware.setAlarm(deadline)
  }

  /// The nested root that fits CR0.PG (svm-monitor.md §2, rule a).
  func chooseRoot(_ index: Int, _ vmpl: VMPL, _ cpu: inout PageCPU<Hardware>) {
    let place = Int(vmpl.rawValue)
    guard let pair = roots[place] else { return }
    let isUnpaged = !cpu[VMCB.cr0].bit(31)
    cpu[VMCB.nestedCR3] = (isUnpaged ? pair.unpaged : pair.paged).root.address
    processors[index].levels[place]?.usesUnpagedRoot = isUnpaged
  }

  /// An automatic exit: the VMSA is free again and tells what happened.
  ///
  /// Registers go into the VMSA too, since a more privileged level may look at them at once.
  func leave(_ index: Int, _ vmpl: VMPL, _ code: SVMExitCode) {
    let cpu = cpu(index, vmpl)
    if let vmsa = machine.vcpus[index].vmsa(vmpl), let page = machine.memory.nested[vmsa]?.page {
      VMSACodec.store(cpu, into: page, &hardware)
    }
    machine.vmexit(
      index, code, info1: cpu[VMCB.exitInfo1], info2: cpu[VMCB.exitInfo2],
      interruption: cpu[VMCB.exitIntInfo],
      &hardware)
    // A more privileged level, on any CPU, may change the registers now: they are loaded again.
    processors[index].levels[Int(vmpl.rawValue & 3)]?.loaded = nil
  }

  /// Time that the monitor took is not the guest's.
  func account(_ index: Int) { processors[index].clock.account(hardware.timeStamp()) }

  /// The time-stamp counter as the guest sees it.
  func guestTime(_ index: Int) -> UInt64 { processors[index].clock.guestTime(hardware.timeStamp()) }

  /// Waits until every other vCPU that is in the guest has left it once, so that its TLB is empty.
  ///
  /// Called between exits only: the lock is let go meanwhile, and other CPUs may change the model.
  func flushOthers(_ index: Int) {
    var counts = InlineArray<64, UInt64>(repeating: 0)
    for other in processors.indices where other != index && processors[other].isInGuest {
      counts[other] = processors[other].exitCount &+ 1
      hardware.kick(other)
    }
    for other in processors.indices where other != index {
      while counts[other] != 0, processors[other].isInGuest, processors[other].exitCount < counts[other] {
        hardware.unlock()
        hardware.pause()
        hardware.lock()
      }
    }
  }
}
