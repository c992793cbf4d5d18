// TrustDomain+Call: TDCALL, from the instruction to the leaf.

import Bits
import TDX

/// How a TDCALL ends.
public enum TDCallOutcome: Equatable, Sendable {
  /// Done: the registers hold the results and RIP moves past the instruction; STI and MOV-SS blocking
  /// are cleared.
  case completed
  /// Not done: RIP and registers stay, an interrupt is taken first, then the instruction runs again.
  case interrupted
  /// The vCPU takes an exception; RIP stays.
  case raised(TDException)
  /// Control goes to the host; the instruction runs again later.
  case exited(TDExit)
  /// Control goes to the host; RIP is already past the instruction.
  case exitedAfter(TDExit)
  /// L2 VM `vm` runs now, from this state; RIP of L1 is past the instruction when L1 comes back.
  case enteredL2(vm: Int, L2EnterState)
}

/// What a leaf needs to know about the CPU besides its registers.
public struct TDCallContext: Equatable, Sendable {
  /// The vCPU.
  public var vcpu: Int
  /// Whether CS.L and EFER.LMA are set.
  public var is64Bit: Bool
  /// The privilege level.
  public var cpl: UInt8
  /// Whether an interrupt becomes pending while a long leaf runs.
  public var isInterruptPending: Bool
  /// The time stamp counter as the TD sees it, for TSC_DEADLINE.
  public var timeStamp: UInt64

  /// A call from 64-bit CPL 0 code with nothing pending.
  public init(
    vcpu: Int, is64Bit: Bool = true, cpl: UInt8 = 0, isInterruptPending: Bool = false,
    timeStamp: UInt64 = 0
  ) {
    self.vcpu = vcpu
    self.is64Bit = is64Bit
    self.cpl = cpl
    self.isInterruptPending = isInterruptPending
    self.timeStamp = timeStamp
  }
}

extension TrustDomain {
  /// TDCALL by L1.
  ///
  /// Rule: tdx.md A.1: #GP(0) outside 64-bit mode or at CPL > 0; reserved bits of RAX, unknown leaves
  /// and versions other than 0 (1 for VM.RD) answer OPERAND_INVALID | RAX and fault never.
  public mutating func tdcall<Memory: PageMemory & ~Copyable>(
    _ context: TDCallContext, _ registers: inout GeneralRegisters, _ memory: inout Memory
  ) -> TDCallOutcome {
    guard context.is64Bit, context.cpl == 0 else { return .raised(.generalProtection) }
    guard isVCPU(context.vcpu), vcpus[context.vcpu].mode == .running(vm: 0) else {
      return .raised(.invalidOpcode)
    }
    let leaf = TDGLeaf(rawValue: UInt16(truncatingIfNeeded: registers.rax))
    let version = registers.rax >> 16 & 0xFF
    guard registers.rax >> 24 == 0, version == 0 || (version == 1 && leaf == .vmRead) else {
      return finish(&registers, .operandInvalid.with(.rax))
    }
    do {
      let status = try perform(leaf, version: UInt8(version), context, &registers, &memory)
      return finish(&registers, status)
    } catch {
      switch error {
      case .fault(.raise(let exception)): return .raised(exception)
      case .fault(.exit(let exit)): return .exited(exit)
      case .trap(let exit): return .exitedAfter(exit)
      case .interrupted: return .interrupted
      case .enter(let vm, let state): return .enteredL2(vm: vm, state)
      }
    }
  }

  private func finish(
    _ registers: inout GeneralRegisters, _ status: TDXStatus
  ) -> TDCallOutcome {
    registers.rax = status.rawValue
    return .completed
  }

  private mutating func perform<Memory: PageMemory & ~Copyable>(
    _ leaf: TDGLeaf, version: UInt8, _ context: TDCallContext,
    _ registers: inout GeneralRegisters, _ memory: inout Memory
  ) throws(TDLeafEnd) -> TDXStatus {
    switch leaf {
    case .vpVMCALL: return try vpVMCALL(context, &registers)
    case .vpInfo: return vpInfo(context, &registers)
    case .rtmrExtend: return try rtmrExtend(context, registers, &memory)
    case .veInfoGet: return veInfoGet(context, &registers)
    case .mrReport: return try mrReport(context, registers, &memory)
    case .cpuidVESet: return cpuidVESet(context, registers)
    case .pageAccept: return try pageAccept(context, registers, &memory)
    case .vmRead: return vmRead(&registers, version: version)
    case .vmWrite: return vmWrite(&registers)
    case .vpRead: return vpRead(context, &registers)
    case .vpWrite: return vpWrite(context, &registers)
    case .sysRead: return sysRead(&registers)
    case .sysReadAll: return try sysReadAll(context, &registers, &memory)
    case .servtdRead, .servtdWrite: return servtd(&registers)
    case .verifyReport: return try verifyReport(context, registers, &memory)
    case .pageAttrRead: return try pageAttrRead(context, &registers)
    case .pageAttrWrite: return try pageAttrWrite(context, &registers)
    case .vpEnter: return try vpEnter(context, &registers, &memory)
    case .vpInvalidateEPT: return vpInvalidateEPT(context, registers)
    case .vpInvalidateGLA: return try vpInvalidateGLA(context, &registers, memory)
    default: return .operandInvalid.with(.rax)
    }
  }

  /// Finds the system page of a memory operand, as the module's walk does.
  ///
  /// Rule: tdx.md A.1 "Memory operands": PENDING raises #VE or exits with type 6, any other failed walk
  /// exits; the TDCALL runs again. `raisesVE` is false for VP.ENTER's own addresses.
  mutating func operandPage(
    _ vcpu: Int, _ address: UInt64, _ kind: TDAccessKind, raisesVE: Bool = true
  ) throws(TDLeafEnd) -> SystemPage {
    let page = GuestPage(containing: address & ~configuration.sharedMask)
    let access = TDAccess(address, kind)
    do throws(TDFault) {
      if address & configuration.sharedMask != 0 {
        return try sharedAccess(vcpu, access, page, vm: 0)
      }
      let leaf = sept.leaf(page)
      if let leaf, leaf.walk.entry.state == .mapped { return leaf.page }
      if leaf?.walk.entry.state == .pending {
        note(.pendingOperand, vcpu, vm: 0, page)
        if raisesVE, !exitsOnPending {
          throw raiseVE(
            vcpu,
            VEInfo(
              exitReason: VMXExitReason.eptViolation.rawValue, qualification: UInt64(kind.rawValue),
              guestAddress: address))
        }
        throw exit(vcpu, access, exitsOnPending ? .pendingEPTViolation : .none, vm: 0)
      }
      throw exit(vcpu, access, .none, vm: 0)
    } catch {
      throw .fault(error)
    }
  }
}

/// The ways in which a leaf does not simply answer a status.
enum TDLeafEnd: Error, Equatable {
  case fault(TDFault)
  case trap(TDExit)
  case interrupted
  case enter(vm: Int, L2EnterState)
}
