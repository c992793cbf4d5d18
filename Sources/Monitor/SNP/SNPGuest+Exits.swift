// SNPGuest+Exits: which exits are the guest's own (#VC), which the host's, and which are neither.

import Bits
import Model
import SNP
import Seams
import X86

extension SNPGuest {
  /// Deals with an exit at `vmpl` (reference B.3: automatic or not).
  func takeExit(_ index: Int, _ vmpl: VMPL) {
    var cpu = cpu(index, vmpl)
    let code = SVMExitCode(rawValue: cpu[VMCB.exitCode] & 0xFFFF_FFFF)
    switch code {
    case .exceptionUD: undefined(index, vmpl)
    case .vmmcall: vmmcall(index, vmpl)
    case .msr: msr(index, vmpl, isWrite: cpu[VMCB.exitInfo1].bit(0))
    case .nestedPageFault: nestedFault(index, vmpl)
    case .interrupt:
      hardware.takeInterrupts()
      processors[index].alarm = nil
      cpu.resumeDelivery()
      resumeFrame(index, vmpl)
      leave(index, vmpl, .interrupt)
    case .nmi, .virtualInterrupt: cpu.resumeDelivery()
    case .cr8Write: writePriority(index, vmpl)
    case .iret: processors[index].levels[Int(vmpl.rawValue & 3)]?.nmi.returns(&cpu)
    case .hlt:
      cpu.skip(1)
      leave(index, vmpl, .hlt)
      setHalted(index, vmpl, true)
    case .shutdown: stop(tripleFaultEnding(cpu, host), index, "triple fault")
    case .cpuid, .io, .rdpmc, .invd, .wbinvd, .monitor, .mwait, .dr7Read, .dr7Write:
      raiseVC(index, vmpl, code)
    case .invlpga, .vmrun, .vmload, .vmsave, .stgi, .clgi, .skinit, .icebp:
      raise(index, vmpl, Vector.invalidOpcode)
    default: stop(.crashed, index, "unexpected exit")
    }
  }

  /// An exception whose frame the monitor was to build and whose delivery was interrupted.
  func resumeFrame(_ index: Int, _ vmpl: VMPL) {
    let cpu = cpu(index, vmpl)
    guard let event = PendingEvent.reinjection(cpu[VMCB.eventInjection]), PendingEvent.needsFrame(event)
    else {
      return
    }
    var changed = cpu
    changed[VMCB.eventInjection] = 0
    deliverFrame(index, vmpl, vector: event.vector, errorCode: event.errorCode)
  }

  /// The instruction at RIP; nil if it is none that the monitor knows.
  func instruction(_ index: Int, _ vmpl: VMPL) -> Instruction? {
    let cpu = cpu(index, vmpl)
    let paging = GuestPaging(cpu, markBit: cMask)
    return InstructionDecoder.decode(paging.fetch(cpu.codeAddress(cpu[VMCB.rip]), self), cpu.codeSize)
  }

  /// #VC with the exit code as its error code.
  func raiseVC(_ index: Int, _ vmpl: VMPL, _ code: SVMExitCode) {
    deliverFrame(
      index, vmpl, vector: Vector.vmmCommunication, errorCode: UInt32(truncatingIfNeeded: code.rawValue))
  }

  /// An exception that QEMU delivers right.
  func raise(_ index: Int, _ vmpl: VMPL, _ vector: UInt8, errorCode: UInt32? = nil) {
    var cpu = cpu(index, vmpl)
    cpu.inject(vector: vector, type: 3, errorCode: errorCode)
  }

  /// A frame built by the monitor; without a usable gate or stack the CPU would take #DF.
  func deliverFrame(_ index: Int, _ vmpl: VMPL, vector: UInt8, errorCode: UInt32?) {
    var cpu = cpu(index, vmpl)
    var view = self
    do throws(DeliveryFailure) {
      try ExceptionFrame.deliver(vector: vector, errorCode: errorCode, &cpu, &view, markBit: cMask)
    } catch {
      if cpu.codeSize != .bits64 {
        stop(tripleFaultEnding(cpu, host), index, "#VC outside 64-bit mode")
      }
      raise(index, vmpl, Vector.doubleFault, errorCode: 0)
    }
  }

  private func undefined(_ index: Int, _ vmpl: VMPL) {
    switch instruction(index, vmpl)?.operation {
    case .pvalidate: pvalidate(index, vmpl)
    case .rmpadjust: rmpadjust(index, vmpl)
    case .rmpquery: rmpquery(index, vmpl)
    case .invlpgb: invalidate(index, vmpl)
    case .tlbsync: synchronize(index, vmpl)
    default: raise(index, vmpl, Vector.invalidOpcode)
    }
  }

  /// MOV to CR8 while an interrupt waits.
  private func writePriority(_ index: Int, _ vmpl: VMPL) {
    var cpu = cpu(index, vmpl)
    guard let found = instruction(index, vmpl) else {
      stop(.crashed, index, "no instruction that touches CR8")
    }
    guard let priority = VirtualInterrupt.writePriority(found, &cpu) else {
      raise(index, vmpl, Vector.generalProtection, errorCode: 0)
      return
    }
    withAPIC(index, vmpl) { $0.setTaskPriority(priority) }
  }

  private func vmmcall(_ index: Int, _ vmpl: VMPL) {
    guard instruction(index, vmpl)?.operation == .vmgexit else {
      raiseVC(index, vmpl, .vmmcall)
      return
    }
    var cpu = cpu(index, vmpl)
    cpu.skip(4)
    leave(index, vmpl, .vmgexit)
    vmgexit(index, vmpl)
  }

  /// MSRs that the VMSA holds, and the three that only an SNP guest has; the others raise #VC.
  private func msr(_ index: Int, _ vmpl: VMPL, isWrite: Bool) {
    var cpu = cpu(index, vmpl)
    let number = UInt32(truncatingIfNeeded: cpu[.rcx])
    let value = (cpu[.rax] & 0xFFFF_FFFF) | cpu[.rdx] << 32
    switch number {
    case 0xC001_0130:
      if isWrite {
        setGHCB(index, vmpl, GHCBMSR(rawValue: value))
      } else {
        set(&cpu, processors[index].levels[Int(vmpl.rawValue)]?.ghcbMSR.rawValue ?? 0)
      }
    case 0xC001_0131:
      guard !isWrite else {
        raise(index, vmpl, Vector.generalProtection, errorCode: 0)
        return
      }
      set(&cpu, machine.features(index, vmpl, hardware).status)
    case 0xC000_0080:
      // SVME is not the guest's to see or change; LMA follows paging.
      if isWrite {
        let kept = cpu[VMCB.efer] & (1 << 10 | VMSAField.eferSVME)
        cpu[VMCB.efer] = (value & ~(1 << 10 | VMSAField.eferSVME)) | kept
      } else {
        set(&cpu, cpu[VMCB.efer] & ~VMSAField.eferSVME)
      }
    // SPEC_CTRL and PRED_CMD: there is nothing to predict.
    case 0x48, 0x49: if !isWrite { set(&cpu, 0) }
    default:
      raiseVC(index, vmpl, .msr)
      return
    }
    cpu.skip(2)
  }

  private func set(_ cpu: inout PageCPU<Hardware>, _ value: UInt64) {
    cpu[.rax] = value & 0xFFFF_FFFF
    cpu[.rdx] = value >> 32
  }

  func setGHCB(_ index: Int, _ vmpl: VMPL, _ value: GHCBMSR) {
    processors[index].levels[Int(vmpl.rawValue & 3)]?.ghcbMSR = value
  }
}
