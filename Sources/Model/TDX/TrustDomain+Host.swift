// TrustDomain+Host: the SEAMCALLs by which the host runs a TD.

import Bits
import TDX

/// What TDH.VP.ENTER does.
public enum HostEntry: Equatable, Sendable {
  /// Refused; the status is in the host's RAX.
  case refused(TDXStatus)
  /// VM `vm` runs; the registers are replaced if given (after a TDVMCALL, or for RESUME_L1).
  case running(vm: Int, GeneralRegisters?)
}

extension TrustDomain {
  /// RCX bit 53 of TDH.VP.ENTER.
  public static let resumeL1Flag: UInt64 = 1 << 53
  /// RCX bit 52 of TDH.VP.ENTER.
  public static let hostRecoverabilityHint: UInt64 = 1 << 52

  /// TDH.VP.ENTER: the host lets a vCPU run.
  ///
  /// Rule: tdx.md A.5, A.4 leaf 0, B.6 "Host-routed". RESUME_L1 is legal only after an exit from an L2;
  /// the hint only after a busy timeout, which this model never raises. After a TDVMCALL only the
  /// selected registers change, RAX is 0 and RCX the mask. `stack` is L1's RSP for RESUME_L1.
  public mutating func enterFromHost<Memory: PageMemory & ~Copyable>(
    _ vcpu: Int, _ host: GeneralRegisters, stack: UInt64 = 0, _ memory: inout Memory
  ) -> HostEntry {
    guard isVCPU(vcpu) else { return .refused(.operandInvalid.with(.rcx)) }
    if vcpus[vcpu].mode == .dead { return .refused(.nonRecoverableVCPU) }
    guard vcpus[vcpu].mode == .out, measurements.isFinal else {
      return .refused(.operandBusy.with(.rcx))
    }
    let resumesL1 = host.rcx & Self.resumeL1Flag != 0
    let reserved: UInt64 = 0xFFF0_0000_0000_0FFF & ~Self.resumeL1Flag
    guard host.rcx & reserved == 0 else { return .refused(.operandInvalid.with(.rcx)) }
    if resumesL1, vcpus[vcpu].currentVM == 0 { return .refused(.operandInvalid.with(.rcx)) }
    catchUp(vcpu)
    let vm = vcpus[vcpu].currentVM
    vcpus[vcpu].mode = .running(vm: vm)
    var merged: GeneralRegisters?
    if let mask = vcpus[vcpu].vmcallMask {
      var registers = vcpus[vcpu].vmcallRegisters
      for number in 0..<16 where mask.selects(number) { registers[number] = host[number] }
      registers.rax = TDXStatus.success.rawValue
      registers.rcx = mask.rawValue
      vcpus[vcpu].vmcallMask = nil
      merged = registers
      if vm > 0 { vcpus[vcpu].l2State?.registers = registers }
    }
    guard resumesL1, let state = vcpus[vcpu].l2State else { return .running(vm: vm, merged) }
    return .running(vm: 0, resumeL1(vcpu, state, stack, &memory))
  }

  private mutating func resumeL1<Memory: PageMemory & ~Copyable>(
    _ vcpu: Int, _ state: L2EnterState, _ stack: UInt64, _ memory: inout Memory
  ) -> GeneralRegisters {
    var registers = GeneralRegisters()
    registers.rsp = stack
    let last = vcpus[vcpu].lastL2Exit
    var exit = L2Exit(last?.reason ?? .externalInterrupt)
    exit.qualification = (last?.registers.rcx ?? 0) & 0xFFFF_FFFF
    exit.guestAddress = last?.registers.r8 ?? 0
    let status: TDXStatus =
      vcpus[vcpu].lastL2ExitWasTDVMCALL ? .l2ExitHostRoutedTDVMCALL : .l2ExitHostRoutedAsync
    _ = exitToL1(vcpu, exit, status: status, state: state, &registers, &memory)
    return registers
  }

  /// A vCPU that comes in after TDH.MEM.TRACK has flushed its translations.
  private mutating func catchUp(_ vcpu: Int) {
    if vcpus[vcpu].epoch != epoch { translations.drop(cpu: vcpu) }
    vcpus[vcpu].epoch = epoch
  }

  /// The vCPU leaves to the host for a reason of the host's own (interrupt, NMI).
  public mutating func asynchronousExit<Memory: PageMemory & ~Copyable>(
    _ vcpu: Int, _ reason: VMXExitReason, state: L2EnterState? = nil, _ memory: inout Memory
  ) -> TDExit {
    let vm = isVCPU(vcpu) ? vcpus[vcpu].currentVM : 0
    let exit = TDExit(.success, reason, vm: vm)
    if isVCPU(vcpu), vm > 0, let state {
      vcpus[vcpu].l2State = state
      storeState(vcpu, state, &memory)
    }
    leave(vcpu, exit)
    return exit
  }
}
