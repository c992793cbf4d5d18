// TDXMachine+L2Exits: SVM's exits of an L2 in VMX's terms.

import Bits
import Model
import SNP
import Seams
import TDX

extension TDXMachine {
  /// An exit of an L2.
  func exitedL2(_ index: Int, _ vm: Int) {
    var cpu = cpu(index, vm: vm)
    cpu[VMCB.eventInjection] = 0
    takePriority(index, vm)
    let code = SVMExitCode(rawValue: cpu[VMCB.exitCode] & 0xFFFF_FFFF)
    switch code {
    case .interrupt:
      hardware.takeInterrupts()
      processors[index].alarm = nil
      _ = domain.asynchronousExit(index, .externalInterrupt, state: l2State(index, vm), &hardware)
      saveL2(index, vm)
      cpu.resumeDelivery()
    case .nmi, .virtualInterrupt: break
    case .nestedPageFault: nestedFaultL2(index, vm)
    case .exceptionUD: undefinedL2(index, vm)
    case .msr: msrL2(index, vm, isWrite: cpu[VMCB.exitInfo1] & 1 == 1)
    case .io: portL2(index, vm)
    case .shutdown: deliver(index, vm, l2Exit(index, vm, .tripleFault))
    case .vmmcall, .invlpga, .vmrun, .vmload, .vmsave, .stgi, .clgi, .skinit, .icebp:
      raise(index, .invalidOpcode, vm: vm)
    case .invalid, SVMExitCode(rawValue: 0xFFFF_FFFF):
      deliver(index, vm, l2Exit(index, vm, .entryFailureGuestState))
    default:
      switch cpu[VMCB.exitCode] {
      case 0x00...0x1F: controlRegisterL2(index, vm)
      case 0x20...0x3F: debugRegisterL2(index, vm)
      case 0x40...0x5F: exceptionL2(index, vm, UInt8(truncatingIfNeeded: cpu[VMCB.exitCode] & 31))
      default: instructionL2(index, vm, code)
      }
    }
  }

  /// CR8 is V_TPR while a guest runs; the page's TPR follows it.
  private func takePriority(_ index: Int, _ vm: Int) {
    let priority = UInt8(truncatingIfNeeded: cpu(index, vm: vm)[VMCB.virtualInterrupt] & 15)
    guard var apic = virtualAPIC(index, vm), apic.taskPriority >> 4 != priority else { return }
    apic.setTaskPriority(priority << 4)
  }

  /// Exits that say nothing but their reason and the instruction's length.
  private func instructionL2(_ index: Int, _ vm: Int, _ code: SVMExitCode) {
    var reason: VMXExitReason
    var length: Int
    switch code {
    case .cpuid: (reason, length) = (.cpuid, 2)
    case .hlt: (reason, length) = (.hlt, 1)
    case .invd: (reason, length) = (.invd, 2)
    case .wbinvd: (reason, length) = (.wbinvd, 2)
    case .monitor: (reason, length) = (.monitor, 3)
    case .mwait: (reason, length) = (.mwait, 3)
    case .rdpmc: (reason, length) = (.rdpmc, 2)
    case .rdtsc: (reason, length) = (VMXExitReason(rawValue: 16), 2)
    case .rdtscp: (reason, length) = (VMXExitReason(rawValue: 51), 3)
    case .pause: (reason, length) = (.pause, 2)
    case SVMExitCode(rawValue: 0x8D): (reason, length) = (.xsetbv, 3)
    case SVMExitCode(rawValue: 0x79): (reason, length) = (VMXExitReason(rawValue: 14), 3)
    case SVMExitCode(rawValue: 0x7D): (reason, length) = (.taskSwitch, 0)
    // Descriptor tables: GDTR and IDTR, then LDTR and TR, reads and writes.
    case SVMExitCode(rawValue: 0x66), SVMExitCode(rawValue: 0x67), SVMExitCode(rawValue: 0x6A),
      SVMExitCode(rawValue: 0x6B):
      (reason, length) = (VMXExitReason(rawValue: 46), 3)
    case SVMExitCode(rawValue: 0x68), SVMExitCode(rawValue: 0x69), SVMExitCode(rawValue: 0x6C),
      SVMExitCode(rawValue: 0x6D):
      (reason, length) = (VMXExitReason(rawValue: 47), 3)
    default: stop(.panic, index, "unexpected exit of an L2")
    }
    // Prefixes make instructions longer; those that the decoder does not know keep the usual length.
    if let found = instruction(at: index, vm: vm) {
      length = found.length
      // QEMU 7.2 reports INVD as WBINVD.
      if found.operation == .invd { reason = .invd }
    }
    deliver(index, vm, l2Exit(index, vm, reason, length: UInt32(truncatingIfNeeded: length)))
  }

  /// #UD: TDCALL, VMCALL, or an instruction that is undefined.
  private func undefinedL2(_ index: Int, _ vm: Int) {
    let isCall = isPlainTDCALL(index, vm: vm)
    switch isCall ? .tdcall : instruction(at: index, vm: vm)?.operation {
    case .tdcall:
      let cpu = cpu(index, vm: vm)
      // The CPU's own check comes before any exit (tdx.md A.1).
      guard cpu.cpl == 0, cpu.codeSize == .bits64 else {
        raise(index, .generalProtection, vm: vm)
        return
      }
      deliver(index, vm, l2Exit(index, vm, .tdcall, length: UInt32(TDGLeaf.instructionLength)))
    case .vmcall: deliver(index, vm, l2Exit(index, vm, .vmcall, length: 3))
    default: exceptionL2(index, vm, 6)
    }
  }

  /// An exception that SVM was told to intercept: L1's, or the L2's own after all.
  private func exceptionL2(_ index: Int, _ vm: Int, _ vector: UInt8) {
    var cpu = cpu(index, vm: vm)
    let errorCode = UInt32(truncatingIfNeeded: cpu[VMCB.exitInfo1])
    let hasErrorCode = vector == 8 || (10...14).contains(vector) || vector == 17
    let isL1s =
      domain.withL2(index, vm: vm) { L2Controls.isIntercepted(vector, errorCode: errorCode, $0) } ?? false
    guard isL1s else {
      if vector == 14 { cpu[VMCB.cr2] = cpu[VMCB.exitInfo2] }
      cpu.inject(vector: vector, type: 3, errorCode: hasErrorCode ? errorCode : nil)
      return
    }
    var exit = l2Exit(index, vm, .exceptionOrNMI)
    // #BP and #OF are software exceptions (SDM 3C, 25.9.2).
    let type: UInt64 = vector == 3 || vector == 4 ? 6 : 3
    exit.interruption = UInt64(vector) | type << 8 | 1 << 31
    if hasErrorCode { exit.interruption |= 1 << 11 | UInt64(errorCode) << 32 }
    if vector == 14 { exit.qualification = cpu[VMCB.exitInfo2] }
    if vector == 1 { exit.qualification = cpu[VMCB.dr6] & 0x600F }
    if type == 6 { exit.instructionLength = 1 }
    deliver(index, vm, exit)
  }

  /// A page fault that the monitor has found in the L2's stead.
  func pageFaultL2(_ index: Int, _ vm: Int, _ fault: GuestPageFault) {
    var cpu = cpu(index, vm: vm)
    cpu[VMCB.exitInfo1] = UInt64(fault.errorCode)
    cpu[VMCB.exitInfo2] = fault.address
    exceptionL2(index, vm, 14)
  }

  /// A nested fault of an L2: the model decides whether memory is there, and whose fault it is otherwise.
  private func nestedFaultL2(_ index: Int, _ vm: Int) {
    var cpu = cpu(index, vm: vm)
    let address = cpu[VMCB.exitInfo2]
    noteRepeat(index, address)
    let access = nestedAccess(index, vm: vm)
    do throws(L2AccessFault) {
      let system = try domain.accessL2(index, vm: vm, access)
      if address & domain.configuration.sharedMask != 0 {
        mapShared(address, system, vm: vm)
      } else {
        mapPrivate(GuestPage(containing: address), vm: vm)
        if cpu[VMCB.nestedCR3] != tables[vm].root.address {
          tables[vm].copyLowest(to: processors[index].privateRoots[vm], &hardware)
        }
      }
      cpu.resumeDelivery()
    } catch {
      switch error {
      case .toL1(let extended): violation(index, vm, access, extended)
      case .toHost(let exit):
        saveL2(index, vm)
        domain.leaveL2(index, exit, l2State(index, vm), &hardware)
        cpu.resumeDelivery()
        hostExit(index, exit)
      }
    }
  }

  /// An EPT violation that is L1's.
  private func violation(
    _ index: Int, _ vm: Int, _ access: TDAccess, _ extended: ExtendedQualification
  ) {
    var exit = l2Exit(index, vm, .eptViolation)
    exit.qualification = UInt64(access.qualification)
    if let rights = domain.privateMapping(GuestPage(containing: access.address), vm: vm)?.rights {
      // What the entry allows: bits 5:3, and 6 for user fetches (SDM 3C, table 28-7).
      exit.qualification |= UInt64(rights.rawValue & 15) << 3
    }
    exit.linearAddress = access.linearAddress ?? 0
    exit.guestAddress = access.address
    exit.extended = extended
    deliver(index, vm, exit)
  }

  /// IN and OUT.
  private func portL2(_ index: Int, _ vm: Int) {
    let cpu = cpu(index, vm: vm)
    let found = instruction(at: index, vm: vm)
    var exit = l2Exit(
      index, vm, .io, length: UInt32(truncatingIfNeeded: cpu[VMCB.exitInfo2] &- cpu[VMCB.rip]))
    exit.qualification = portQualification(cpu[VMCB.exitInfo1], found)
    if cpu[VMCB.exitInfo1].bit(2) { exit.linearAddress = found?.linearAddress(cpu) ?? 0 }
    deliver(index, vm, exit)
  }

  /// MOV to and from debug registers, where L1 asked for exits.
  private func debugRegisterL2(_ index: Int, _ vm: Int) {
    guard let found = instruction(at: index, vm: vm),
      case .moveControl(isDebug: true, let isWrite) = found.operation
    else { stop(.panic, index, "no MOV to or from DR") }
    var exit = l2Exit(index, vm, VMXExitReason(rawValue: 29), length: UInt32(found.length))
    exit.qualification =
      UInt64(found.controlRegister & 7) | (isWrite ? 0 : 1 << 4) | UInt64(found.register.rawValue) << 8
    deliver(index, vm, exit)
  }

  /// MOV to and from control registers.
  private func controlRegisterL2(_ index: Int, _ vm: Int) {
    var cpu = cpu(index, vm: vm)
    guard let found = instruction(at: index, vm: vm) else {
      stop(.panic, index, "no instruction of an L2 that touches a control register")
    }
    guard case .moveControl(isDebug: false, let isWrite) = found.operation else {
      changeStatusWordL2(index, vm, found)
      return
    }
    let number = found.controlRegister
    var exit = l2Exit(index, vm, .crAccess, length: UInt32(found.length))
    exit.qualification =
      UInt64(number) | (isWrite ? 0 : 1 << 4) | UInt64(found.register.rawValue) << 8
    if !isWrite, number == 0 || number == 4 {
      found.setRegister(shownControl(index, vm, number), &cpu)
      cpu.skip(UInt64(found.length))
      return
    }
    if number == 8, !field(index, vm, .primaryControls).bit(19) {
      writePriority(index, vm, found)
      return
    }
    settleControl(index, vm, found, number, found.registerValue(cpu), exit)
  }

  /// MOV to CR8 while an interrupt waits: TPR virtualization (SDM 3C, 30.1.2).
  private func writePriority(_ index: Int, _ vm: Int, _ found: Instruction) {
    var cpu = cpu(index, vm: vm)
    guard let priority = VirtualInterrupt.writePriority(found, &cpu) else {
      raise(index, .generalProtection, vm: vm)
      return
    }
    if var apic = virtualAPIC(index, vm) { apic.setTaskPriority(priority) }
  }

  /// CR0 or CR4 as the L2 reads it: L1's shadow where L1 owns the bit (tdx.md B.3 "CR rule").
  private func shownControl(_ index: Int, _ vm: Int, _ number: UInt8) -> UInt64 {
    let real = control(index, number, vm: vm) | (number == 4 ? L2Controls.vmxe : 0)
    let mask = field(index, vm, number == 0 ? .cr0Mask : .cr4Mask)
    let shadow = field(index, vm, number == 0 ? .cr0Shadow : .cr4Shadow)
    return real & ~mask | shadow & mask
  }
}
