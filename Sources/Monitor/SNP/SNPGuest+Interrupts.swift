// SNPGuest+Interrupts: who gets which interrupt, and in which form.

import Bits
import Model
import SNP
import Seams
import X86

extension SNPGuest {
  /// Carries out what an access to an APIC register asked for.
  func carryOut(_ effect: VirtualAPIC.Effect, _ index: Int, _ vmpl: VMPL) {
    if case .send(let command) = effect { send(command, from: index, vmpl) }
  }

  /// Delivers a command to the APICs of the same level that it addresses.
  func send(_ command: InterprocessorInterrupt, from index: Int, _ vmpl: VMPL) {
    let sender = machine.vcpus[index].apicID
    for target in processors.indices {
      let isAddressed =
        withAPIC(target, vmpl) { command.addresses($0, sender: sender) }
        ?? command.addresses(
          VirtualAPIC(
            id: machine.vcpus[target].apicID, isBootProcessor: false, isX2APIC: options.cpuid.hasX2APIC),
          sender: sender)
      guard isAddressed else { continue }
      switch command.mode {
      case .fixed, .lowestPriority: post(command.vector, to: target, vmpl)
      case .nmi: withAPIC(target, vmpl) { $0.isNMIPending = true }
      case .startup where processors[target].resetHold != nil: release(target)
      // INIT and start-up do not start SNP vCPUs: AP creation does.
      default: continue
      }
      if target != index { hardware.kick(target) }
      if command.mode == .lowestPriority { return }
    }
  }

  /// Makes a vector wait, as often as the host pleases.
  func post(_ vector: UInt8, to target: Int, _ vmpl: VMPL) {
    if host.strikes(.dropInterrupts) { return }
    makeLevel(target, vmpl)
    processors[target].lastVector = vector
    withAPIC(target, vmpl) { $0.request(vector) }
  }

  private func release(_ target: Int) {
    switch processors[target].resetHold {
    case .msr:
      machine.answerResetHold(target)
      let vmpl = level(target)
      setGHCB(target, vmpl, machine.vcpus[target].ghcbMSR)
    case .page: machine.answerNAE(target, &hardware)
    case nil: break
    }
    processors[target].resetHold = nil
  }

  /// Lets the timers of all levels of a vCPU expire.
  func expireTimers(_ index: Int) {
    let now = guestTime(index)
    for number in 0..<UInt8(4) {
      let vmpl = VMPL(rawValue: number)
      let isDue = withAPIC(index, vmpl) { $0.deadline.map { $0 <= now } ?? false } ?? false
      if isDue { withAPIC(index, vmpl) { _ = $0.expire(now: now, isDropped: host.strikes(.dropInterrupts)) } }
    }
  }

  /// When the next timer of a vCPU expires, in physical ticks.
  func nextDeadline(_ index: Int) -> UInt64? {
    var first: UInt64?
    for number in 0..<UInt8(4) {
      guard let due = withAPIC(index, VMPL(rawValue: number), { $0.deadline }) ?? nil else { continue }
      first = min(first ?? .max, due &+ processors[index].clock.offset)
    }
    if let limit = host.limit { first = min(first ?? .max, limit) }
    return first
  }

  /// Whether something waits for a level: a vector above its priority, an NMI, a doorbell.
  func hasEvent(_ index: Int, _ vmpl: VMPL) -> Bool {
    let isPending = withAPIC(index, vmpl) { $0.pending != nil || $0.isNMIPending } ?? false
    if isPending { return true }
    guard machine.features(index, vmpl, hardware).contains(.restrictedInjection),
      let page = machine.vcpus[index].doorbell(vmpl), let system = machine.memory.nested[page]?.page
    else { return false }
    return hardware.load(system, 0) & 0x7FFF != 0
  }

  /// A more privileged level with an event runs first (design "Guest conventions": #HV for VMPL0 while a
  /// guest level runs).
  func preferPrivileged(_ index: Int) {
    guard machine.vcpus[index].running == nil, let next = machine.vcpus[index].next else {
      switchForEvent(index)
      return
    }
    for number in 0..<next.rawValue {
      let vmpl = VMPL(rawValue: number)
      if machine.vcpus[index].vmsa(vmpl) != nil, hasEvent(index, vmpl), machine.hostSwitch(index, to: vmpl) {
        setHalted(index, vmpl, false)
        return
      }
    }
  }

  /// The same while a level is inside an exit that was not automatic: it is interrupted first.
  private func switchForEvent(_ index: Int) {
    guard let running = machine.vcpus[index].running, running > .vmpl0 else { return }
    for number in 0..<running.rawValue where hasEvent(index, VMPL(rawValue: number)) {
      let vmpl = VMPL(rawValue: number)
      guard machine.vcpus[index].vmsa(vmpl) != nil else { continue }
      leave(index, running, .interrupt)
      if machine.hostSwitch(index, to: vmpl) { setHalted(index, vmpl, false) }
      return
    }
  }

  /// Fills EVENTINJ and V_IRQ for the entry.
  func injectEvents(_ index: Int, _ vmpl: VMPL, _ cpu: inout PageCPU<Hardware>) {
    cpu.restoreShadow(self, markBit: cMask)
    let mode = machine.features(index, vmpl, hardware)
    var vector: UInt8?
    if mode.contains(.restrictedInjection) {
      ringDoorbell(index, vmpl, &cpu)
    } else if mode.contains(.alternateInjection) {
      if let (event, _) = machine.takeAlternateInjection(index, vmpl, &hardware), let event,
        !cpu[VMCB.eventInjection].bit(31)
      {
        cpu[VMCB.eventInjection] = event.rawValue
      }
    } else {
      injectNMI(index, vmpl, &cpu)
      vector = withAPIC(index, vmpl) { $0.pending } ?? nil
    }
    let priority = withAPIC(index, vmpl) { $0.taskPriority >> 4 } ?? 0
    if processors[index].offer.prepare(&cpu, priority: UInt64(priority), vector: vector), let vector {
      withAPIC(index, vmpl) { $0.offer(vector) }
    }
  }

  private func injectNMI(_ index: Int, _ vmpl: VMPL, _ cpu: inout PageCPU<Hardware>) {
    let isOpen = processors[index].levels[Int(vmpl.rawValue & 3)]?.nmi.isOpen(cpu) ?? false
    guard isOpen, withAPIC(index, vmpl, { $0.isNMIPending }) ?? false else { return }
    withAPIC(index, vmpl) { $0.isNMIPending = false }
    processors[index].levels[Int(vmpl.rawValue & 3)]?.nmi.inject(&cpu)
  }

  /// Finds out what became of the interrupt that a level was offered at its entry.
  func settleOffer(_ index: Int, _ vmpl: VMPL) {
    var cpu = cpu(index, vmpl)
    guard let (vector, isTaken) = processors[index].offer.settle(&cpu) else { return }
    withAPIC(index, vmpl) { if isTaken { $0.accept(vector) } else { $0.withdraw(vector) } }
  }

  /// Restricted injection: vectors go through the doorbell, and #HV is all that is injected (reference B.5.3).
  ///
  /// The host ends the service itself and says so in no_eoi_required.
  private func ringDoorbell(_ index: Int, _ vmpl: VMPL, _ cpu: inout PageCPU<Hardware>) {
    guard !cpu[VMCB.eventInjection].bit(31) else { return }
    let isNMI = withAPIC(index, vmpl) { $0.isNMIPending } ?? false
    let vector = withAPIC(index, vmpl) { $0.pending } ?? nil
    guard isNMI || vector != nil else { return }
    let delivery = machine.ringDoorbell(index, vmpl, vector: isNMI ? nil : vector, &hardware)
    switch delivery {
    case .inject(let event): cpu[VMCB.eventInjection] = event.rawValue
    case .noted: break
    case .held, .forbidden: return
    }
    if isNMI {
      withAPIC(index, vmpl) { $0.isNMIPending = false }
    } else {
      withAPIC(index, vmpl) {
        _ = $0.acknowledge()
        _ = $0.endOfInterrupt()
      }
      guard let page = machine.vcpus[index].doorbell(vmpl), let system = machine.memory.nested[page]?.page
      else { return }
      hardware.store(system, 0, hardware.load(system, 0) | 1 << 16)
    }
  }
}
