// TrustDomain+Basic: the leaves about the vCPU itself, VMCALL, INFO, VEINFO.GET, CPUIDVE.SET.

import Bits
import TDX

extension TrustDomain {
  /// TDG.VP.VMCALL: a trap-like exit to the host with the selected registers.
  ///
  /// Rule: tdx.md A.4 leaf 0: bits 0, 1, 4 and 63:32 of the mask must be 0, bit 5 too if NO_RBP_MOD;
  /// unselected registers read 0 at the host (RBP untouched by NO_RBP_MOD means never passed).
  mutating func vpVMCALL(
    _ context: TDCallContext, _ registers: inout GeneralRegisters
  ) throws(TDLeafEnd) -> TDXStatus {
    guard isPermittedMask(registers.rcx) else { return .operandInvalid.with(.rcx) }
    throw .trap(vmcallExit(context.vcpu, registers, vm: 0))
  }

  func isPermittedMask(_ mask: UInt64) -> Bool {
    mask & TDVMCALLMask.forbidden == 0
      && (mask & TDVMCALLMask.rbp == 0 || !configuration.flags.contains(.noRBPModification))
  }

  /// Leaves to the host with a TDVMCALL of VM `vm` and remembers what to merge at the return.
  mutating func vmcallExit(_ vcpu: Int, _ registers: GeneralRegisters, vm: Int) -> TDExit {
    let mask = TDVMCALLMask(rawValue: registers.rcx)
    var exit = TDExit(.success, .tdcall)
    for number in 0..<16 where mask.selects(number) { exit.registers[number] = registers[number] }
    exit.registers.rcx = registers.rcx | UInt64(vm & 3) << 32
    exit.visibleXMM = UInt16(truncatingIfNeeded: registers.rcx >> 16)
    vcpus[vcpu].vmcallMask = mask
    vcpus[vcpu].vmcallRegisters = registers
    leave(vcpu, exit, wasTDVMCALL: vm != 0)
    return exit
  }

  /// TDG.VP.INFO: never fails.
  ///
  /// Rule: tdx.md A.4 leaf 1.
  func vpInfo(_ context: TDCallContext, _ registers: inout GeneralRegisters) -> TDXStatus {
    registers.rcx = UInt64(configuration.addressWidth)
    registers.rdx = configuration.attributes.rawValue
    registers.r8 = UInt64(configuration.vcpuCount) | UInt64(configuration.maximumVCPUCount) << 32
    registers.r9 = UInt64(context.vcpu)
    registers.r10 = 1
    registers.r11 = 0
    return .success
  }

  /// TDG.VP.VEINFO.GET: outputs are zeroed first; takes the information and re-arms #VE.
  ///
  /// Rule: tdx.md A.4 leaf 3.
  mutating func veInfoGet(
    _ context: TDCallContext, _ registers: inout GeneralRegisters
  ) -> TDXStatus {
    registers.rcx = 0
    registers.rdx = 0
    registers.r8 = 0
    registers.r9 = 0
    registers.r10 = 0
    guard let info = vcpus[context.vcpu].veInfo else { return .noValidVEInfo }
    registers.rcx = UInt64(info.exitReason)
    registers.rdx = info.qualification
    registers.r8 = info.linearAddress
    registers.r9 = info.guestAddress
    registers.r10 = UInt64(info.instructionLength) | UInt64(info.instructionInformation) << 32
    vcpus[context.vcpu].veInfo = nil
    vcpus[context.vcpu].veOverruns = 0
    return .success
  }

  /// TDG.VP.CPUIDVE.SET: bit 0 supervisor, bit 1 user; bits 63:2 must be 0.
  ///
  /// Rule: tdx.md A.4 leaf 5.
  mutating func cpuidVESet(
    _ context: TDCallContext, _ registers: GeneralRegisters
  ) -> TDXStatus {
    guard registers.rcx >> 2 == 0 else { return .operandInvalid.with(.rcx) }
    vcpus[context.vcpu].cpuidVE = (registers.rcx.bit(0), registers.rcx.bit(1))
    return .success
  }

  /// TDG.SERVTD.RD and WR: this TD is bound to no service TD.
  ///
  /// Rule: tdx.md A.4 leaves 18 and 20; the outputs of R8 and R10 to R13 are zeroed, RDX is -1
  /// (the order of default outputs is unverified).
  func servtd(_ registers: inout GeneralRegisters) -> TDXStatus {
    registers.rdx = .max
    registers.r8 = 0
    registers.r10 = 0
    registers.r11 = 0
    registers.r12 = 0
    registers.r13 = 0
    return .servtdNotBound
  }

  /// The host posts an NMI for L1; see `isNMIDeliverable`.
  public mutating func postNMI(vcpu: Int) {
    if isVCPU(vcpu) { vcpus[vcpu].isNMIPending = true }
  }

  /// Takes the pending NMI if it may be delivered now.
  ///
  /// Rule: tdx.md D.1, G.15: held back while #VE information is waiting.
  public mutating func takeNMI(vcpu: Int) -> Bool {
    guard isVCPU(vcpu), vcpus[vcpu].isNMIPending, vcpus[vcpu].veInfo == nil,
      vcpus[vcpu].mode == .running(vm: 0)
    else { return false }
    vcpus[vcpu].isNMIPending = false
    return true
  }

  /// The machine tells what L1's virtual APIC says: RVI and PPR.
  public mutating func setL1Interrupt(vcpu: Int, requested: UInt8, priority: UInt8) {
    guard isVCPU(vcpu) else { return }
    vcpus[vcpu].l1RequestedVector = requested
    vcpus[vcpu].l1Priority = priority
  }
}
