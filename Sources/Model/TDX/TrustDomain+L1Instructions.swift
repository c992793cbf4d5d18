// TrustDomain+L1Instructions: the instructions of L1 that do not simply execute.

import Bits
import TDX

/// An instruction of L1 that the module is concerned with.
public enum L1Instruction: Equatable, Sendable {
  /// A port access; the qualification is `VEInfo.portQualification`.
  case io(qualification: UInt64)
  /// CPUID.
  case cpuid(leaf: UInt32, subleaf: UInt32)
  /// RDMSR.
  case rdmsr(UInt32)
  /// WRMSR with the value.
  case wrmsr(UInt32, UInt64)
  /// MOV to CR0 or CR4 with the old and the new value as L1 sees them.
  case moveToCR(UInt8, old: UInt64, new: UInt64, qualification: UInt64)
  /// HLT, INVD, WBINVD, VMCALL, MWAIT, MONITOR, PCONFIG: #VE with this reason.
  case trapped(VMXExitReason)
  /// VMX instructions, GETSEC, RSM, ENCLS, ENCLV, SEAMCALL, VMFUNC, ENQCMDS.
  case undefined
  /// RDPMC.
  case rdpmc
}

/// What the CPU does after the module's decision.
public enum L1Outcome: Equatable, Sendable {
  /// Executes the instruction.
  case native
  /// Moves past it with this CPUID answer; nil where the platform's own answer is to be filtered.
  case cpuid(CPUIDAnswer?)
  /// Moves past it; the module emulates the MSR.
  case emulated
  /// Takes an exception or leaves, RIP at the instruction.
  case fault(TDFault)
}

extension TrustDomain {
  /// Decides an instruction of L1.
  ///
  /// Rule: tdx.md D.1 (table of L1 causes), D.2, D.3. Every #VE carries `length`.
  public mutating func l1Instruction(
    _ vcpu: Int, _ instruction: L1Instruction, length: UInt32, cpl: UInt8 = 0
  ) -> L1Outcome {
    guard isVCPU(vcpu) else { return .native }
    func info(_ reason: VMXExitReason, _ qualification: UInt64 = 0) -> VEInfo {
      VEInfo(
        exitReason: reason.rawValue, qualification: qualification, instructionLength: length)
    }
    switch instruction {
    case .io(let qualification): return .fault(raiseVE(vcpu, info(.io, qualification)))
    case .trapped(let reason): return .fault(raiseVE(vcpu, info(reason)))
    case .undefined: return .fault(.raise(.invalidOpcode))
    case .rdpmc:
      return configuration.attributes.contains(.perfmon)
        ? .native : .fault(.raise(.generalProtection))
    case .cpuid(let leaf, let subleaf):
      let asked = cpl == 0 ? vcpus[vcpu].cpuidVE.supervisor : vcpus[vcpu].cpuidVE.user
      if asked { return .fault(raiseVE(vcpu, info(.cpuid))) }
      switch L1CPUIDPolicy.outcome(leaf: leaf, subleaf: subleaf) {
      case .answered(let answer): return .cpuid(answer)
      case .fromPlatform: return .cpuid(nil)
      case .virtualization: return .fault(raiseVE(vcpu, info(.cpuid)))
      }
    case .rdmsr(let msr):
      return outcome(vcpu, L1MSRPolicy(configuration).access(msr, isWrite: false), info(.rdmsr))
    case .wrmsr(let msr, let value):
      if msr == 0xC000_0080 { return writeEFER(vcpu, value, info(.wrmsr)) }
      if msr == 0xDA0, value & ~(configuration.xfam & Self.supervisorXFAM) != 0 {
        return .fault(.raise(.generalProtection))
      }
      return outcome(vcpu, L1MSRPolicy(configuration).access(msr, isWrite: true), info(.wrmsr))
    case .moveToCR(let number, let old, let new, let qualification):
      return moveToCR(vcpu, number, old, new, info(.crAccess, qualification))
    }
  }

  /// The XFAM bits that live in IA32_XSS: PT, PASID, CET, HDC, UINTR, LBR, HWP.
  private static let supervisorXFAM: UInt64 = 0x1_FD00

  private mutating func outcome(_ vcpu: Int, _ outcome: MSROutcome, _ info: VEInfo) -> L1Outcome {
    switch outcome {
    case .native: .native
    case .emulated: .emulated
    case .generalProtection: .fault(.raise(.generalProtection))
    case .virtualization: .fault(raiseVE(vcpu, info))
    }
  }

  /// WRMSR of EFER: only SCE may change (tdx.md D.1, G.19); any write counts as a breach (G.70).
  private mutating func writeEFER(_ vcpu: Int, _ value: UInt64, _ info: VEInfo) -> L1Outcome {
    note(.eferWritten, vcpu, vm: 0, GuestPage(rawValue: 0))
    let fixed: UInt64 = 0x500 | 0x800
    return value & ~1 == fixed ? .native : .fault(raiseVE(vcpu, info))
  }

  /// MOV to CR0 and CR4.
  ///
  /// Rule: tdx.md D.1: #GP for what a CPU refuses, #VE 28 for the bits that the module owns.
  private mutating func moveToCR(
    _ vcpu: Int, _ number: UInt8, _ old: UInt64, _ new: UInt64, _ info: VEInfo
  ) -> L1Outcome {
    let gp = L1Outcome.fault(.raise(.generalProtection))
    switch number {
    case 0:
      if new.bit(31), !new.bit(0) { return gp }
      if new.bit(29), !new.bit(30) { return gp }
      if new >> 32 != 0 || new.bit(29) || new.bit(30) { return .fault(raiseVE(vcpu, info)) }
      if !new.bit(0) || !new.bit(5) { return .fault(raiseVE(vcpu, info)) }
      return .native
    case 4:
      let defined: UInt64 = 0x01FF_7FFF
      if new & ~defined != 0 { return gp }
      if new.bit(23), configuration.xfam & 0x1800 == 0 { return gp }
      if new.bit(22), configuration.xfam & 0x200 == 0 { return gp }
      if new.bit(24), !configuration.attributes.contains(.pks) { return gp }
      if !new.bit(6) || new.bit(13) || new.bit(14) { return .fault(raiseVE(vcpu, info)) }
      return .native
    default: return .native
    }
  }
}
