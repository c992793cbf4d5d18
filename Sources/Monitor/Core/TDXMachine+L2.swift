// TDXMachine+L2: an L2 on its own VMCB: entry, events before the entry, and the way back to L1.

import Bits
import Model
import Seams
import TDX

extension TDXMachine {
  /// TDG.VP.ENTER has passed its checks: the L2's state goes from VMCS and enter state into its VMCB.
  func enterL2(_ index: Int, _ vm: Int, _ state: L2EnterState) {
    var cpu = cpu(index, vm: vm)
    let event = domain.takeEntryEvent(index, vm: vm)
    var intercepts: UInt64 = 0
    var isShared = false
    var length: UInt64 = 0
    _ = domain.withL2(index, vm: vm) { l2 in
      L2Controls.load(l2, into: &cpu)
      L2Controls.setIntercepts(l2, &cpu)
      intercepts = L2Controls.controlIntercepts(l2)
      isShared = l2.controls & L2Virtual.enableSharedEPT != 0
      length = l2[VMCSEncoding(rawValue: 0x401A)]
    }
    processors[index].l2Intercepts = intercepts
    L2Controls.copyCommon(from: self.cpu(index), to: &cpu)
    cpu.registers = state.registers
    cpu[VMCB.rip] = state.rip
    cpu[VMCB.rflags] = state.rflags
    processors[index].unpaged[vm] = nil
    if !cpu[VMCB.cr0].bit(31) {
      // QEMU runs no nested guest in real mode that the monitor could confine (see UnpagedMode).
      guard cpu[VMCB.cr0].bit(0) else { stop(.panic, index, "an L2 in real mode") }
      processors[index].unpaged[vm] = UnpagedMode.enter(&cpu, cr0: cpu[VMCB.cr0])
    }
    if isShared {
      cpu[VMCB.nestedCR3] = tables[vm].root.address
    } else {
      let root = processors[index].privateRoots[vm]
      tables[vm].copyLowest(to: root, &hardware)
      cpu[VMCB.nestedCR3] = root.address
    }
    processors[index].interruptStatus = state.interruptStatus
    if var apic = virtualAPIC(index, vm) {
      apic.updatePriority()
      cpu[VMCB.virtualInterrupt] = UInt64(apic.taskPriority >> 4)
    }
    inject(event, length, &cpu)
  }

  /// VM entry's event in SVM's form: the layouts agree but for software exceptions (SDM 3C, 25.8.3; APM 2, 15.20).
  private func inject(_ event: UInt64, _ length: UInt64, _ cpu: inout PageCPU<Hardware>) {
    cpu[VMCB.eventInjection] = 0
    guard event.bit(31) else { return }
    var word = event & ~0x700
    switch event >> 8 & 7 {
    case 4, 5, 6:
      // The frame's RIP is the next instruction's.
      cpu[VMCB.rip] = cpu[VMCB.rip] &+ length
      word |= 4 << 8
    case let type: word |= type << 8
    }
    cpu[VMCB.eventInjection] = word
  }

  /// The virtual-APIC page of an L2 with the status that it runs with.
  func virtualAPIC(_ index: Int, _ vm: Int) -> L2VirtualAPIC<Hardware>? {
    domain.virtualAPICPage(index, vm: vm).map {
      L2VirtualAPIC($0, status: processors[index].interruptStatus, hardware)
    }
  }

  /// A field of an L2's VMCS.
  func field(_ index: Int, _ vm: Int, _ encoding: VMCSEncoding) -> UInt64 {
    domain.vcpus[index].l2[vm - 1][encoding]
  }

  /// The registers of a stopped L2 as the enter state holds them.
  func l2State(_ index: Int, _ vm: Int) -> L2EnterState {
    let cpu = cpu(index, vm: vm)
    var state = L2EnterState()
    state.registers = cpu.registers
    state.rip = cpu[VMCB.rip]
    state.rflags = cpu[VMCB.rflags]
    state.interruptStatus = processors[index].interruptStatus
    return state
  }

  /// Stores the guest state of a stopped L2 into its VMCS, where L1 and the module read it.
  func saveL2(_ index: Int, _ vm: Int) {
    let cpu = cpu(index, vm: vm)
    let unpaged = processors[index].unpaged[vm]
    let status = processors[index].interruptStatus
    _ = domain.withL2(index, vm: vm) { l2 in
      L2Controls.save(cpu, unpaged: unpaged, into: &l2)
      l2[.guestInterruptStatus] = UInt64(status)
    }
  }

  /// An exit with what all exits report.
  func l2Exit(_ index: Int, _ vm: Int, _ reason: VMXExitReason, length: UInt32 = 0) -> L2Exit {
    let cpu = cpu(index, vm: vm)
    let code = cpu.segment(VMCB.cs)
    var exit = L2Exit(reason)
    exit.instructionLength = length
    exit.codeSegment = (
      code.selector, UInt16(truncatingIfNeeded: L2Controls.rights(code.attributes)), code.limit, code.base
    )
    exit.cpl = cpu.cpl
    let vectoring = cpu[VMCB.exitIntInfo]
    if vectoring.bit(31) { exit.vectoring = vectoring & 0xFFFF_FFFF_8000_0FFF }
    return exit
  }

  /// Gives an exit to the model, which knows whose it is, and carries out what it says but for
  /// `resume` and `injectGeneralProtection`.
  @discardableResult
  func deliver(_ index: Int, _ vm: Int, _ exit: L2Exit) -> L2Route {
    saveL2(index, vm)
    var registers = GeneralRegisters()
    let stack = cpu(index)[VMCB.rsp]
    let route = domain.l2Exit(index, exit, l2State(index, vm), stack: stack, &registers, &hardware)
    switch route {
    case .toL1: enterL1(index, vm, registers)
    case .toHost(let out):
      if exit.reason == .tdcall {
        var cpu = cpu(index, vm: vm)
        cpu.skip(TDGLeaf.instructionLength)
        hostCall(index, out.registers)
      } else {
        hostExit(index, out)
      }
    case .resume, .injectGeneralProtection: break
    }
    return route
  }

  /// L1 goes on after its TDG.VP.ENTER with these registers.
  private func enterL1(_ index: Int, _ vm: Int, _ registers: GeneralRegisters) {
    leaveVMCB(index, vm)
    var cpu = cpu(index)
    cpu.registers = registers
  }

  /// What L1 and L2 share goes from the L2's VMCB to L1's.
  func leaveVMCB(_ index: Int, _ vm: Int) {
    var cpu = cpu(index)
    L2Controls.copyCommon(from: self.cpu(index, vm: vm), to: &cpu)
    processors[index].lastFault = 0
  }

  /// Events, deadline and windows before an entry; false if they took the vCPU to L1.
  func prepareL2(_ index: Int, _ vm: Int) -> Bool {
    if let vector = processors[index].interrupts.deliverable {
      notifyL1(index, vm, vector)
      return false
    }
    if domain.isDeadlinePast(index, vm: vm, timeStamp: guestTime(index)) {
      leaveBeforeEntry(index, vm, .preemptionTimer)
      return false
    }
    var cpu = cpu(index, vm: vm)
    let primary = field(index, vm, .primaryControls)
    let hasEvent = cpu[VMCB.eventInjection].bit(31)
    let isUnblocked = cpu[VMCB.interruptShadow] & 1 == 0 && !hasEvent
    if primary.bit(22), isUnblocked, !field(index, vm, .interruptibility).bit(3) {
      leaveBeforeEntry(index, vm, .nmiWindow)
      return false
    }
    let wantsWindow = primary.bit(2)
    if wantsWindow, VirtualInterrupt.isOpen(cpu) {
      leaveBeforeEntry(index, vm, .interruptWindow)
      return false
    }
    var vector: UInt8?
    var isHeld = false
    if !wantsWindow, field(index, vm, .secondaryControls).bit(9), let apic = virtualAPIC(index, vm) {
      vector = apic.recognized
      isHeld = vector == nil && apic.heldByTaskPriority != nil
    }
    _ = processors[index].offer.prepare(
      &cpu, priority: cpu[VMCB.virtualInterrupt], vector: vector, wantsWindow: wantsWindow,
      watchesPriority: isHeld, intercepts: processors[index].l2Intercepts)
    return true
  }

  /// Books what became of the interrupt that VM `vm` was offered at its entry.
  func settleOffer(_ index: Int, _ vm: Int) {
    var cpu = cpu(index, vm: vm)
    guard let (vector, isTaken) = processors[index].offer.settle(&cpu) else { return }
    if vm == 0 {
      if isTaken {
        processors[index].interrupts.accept(vector)
      } else {
        processors[index].interrupts.withdraw(vector)
      }
    } else if isTaken, var apic = virtualAPIC(index, vm) {
      _ = apic.deliver()
      processors[index].interruptStatus = apic.status
    }
  }

  /// An exit without an instruction of the L2: an event that waits for the entry was not delivered.
  private func leaveBeforeEntry(_ index: Int, _ vm: Int, _ reason: VMXExitReason) {
    var cpu = cpu(index, vm: vm)
    cpu[VMCB.exitIntInfo] = cpu[VMCB.eventInjection]
    cpu[VMCB.eventInjection] = 0
    deliver(index, vm, l2Exit(index, vm, reason))
  }

  /// An interrupt for L1 while its L2 runs: status 0x1102 (tdx.md B.6).
  private func notifyL1(_ index: Int, _ vm: Int, _ vector: UInt8) {
    var cpu = cpu(index, vm: vm)
    // An event that waited is L1's to inject again.
    cpu[VMCB.exitIntInfo] = cpu[VMCB.eventInjection]
    cpu[VMCB.eventInjection] = 0
    saveL2(index, vm)
    domain.setL1Interrupt(
      vcpu: index, requested: vector, priority: processors[index].interrupts.processorPriority)
    var registers = GeneralRegisters()
    let stack = self.cpu(index)[VMCB.rsp]
    let route = domain.postedInterrupt(
      index, requested: vector, exit: l2Exit(index, vm, .externalInterrupt), l2State(index, vm), stack: stack,
      &registers, &hardware)
    if route == .toL1 { enterL1(index, vm, registers) }
  }
}
