// TrustDomain+L2Exit: whose an exit out of an L2 is, and what L1 sees of it.

import Bits
import TDX

extension TrustDomain {
  /// Ends L1's TDG.VP.ENTER with an exit of its L2: writes the state back and the outputs.
  ///
  /// Rule: tdx.md B.5 "Outputs": RBP and nothing else keeps L2's value; RSP stays L1's.
  mutating func exitToL1<Memory: PageMemory & ~Copyable>(
    _ vcpu: Int, _ exit: L2Exit, status: TDXStatus = .success, state: L2EnterState,
    _ registers: inout GeneralRegisters, _ memory: inout Memory
  ) -> TDXStatus {
    storeState(vcpu, state, &memory)
    let stack = registers.rsp
    registers = state.registers
    registers.rsp = stack
    registers.rbx = 0
    registers.rcx = exit.qualification
    registers.rdx = exit.linearAddress
    registers.rsi =
      UInt64(exit.codeSegment.selector) | UInt64(exit.codeSegment.rights) << 16
      | UInt64(exit.codeSegment.limit) << 32
    registers.rdi = exit.codeSegment.base
    registers.r8 = exit.guestAddress
    registers.r9 = exit.interruption
    registers.r10 = exit.vectoring
    registers.r11 = UInt64(exit.instructionInformation) | UInt64(exit.instructionLength) << 32
    registers.r12 = UInt64(exit.cpl & 3)
    registers.r13 = exit.extended.rawValue
    registers.r14 = 0
    registers.r15 = 0
    let answer = status.with(detail: exit.reason.rawValue)
    registers.rax = answer.rawValue
    let isCall =
      exit.reason == .tdcall && exit.cpl == 0
      && state.registers.rax == UInt64(TDGLeaf.vpVMCALL.rawValue) && state.registers.r10 == SVSMCall.signature
    vcpus[vcpu].svsmCall =
      isCall ? (vm: vcpus[vcpu].currentVM, returnAddress: state.rip &+ TDGLeaf.instructionLength) : nil
    vcpus[vcpu].mode = .running(vm: 0)
    vcpus[vcpu].currentVM = 0
    vcpus[vcpu].l2State = nil
    return answer
  }

  /// Decides an exit out of the running L2 and carries it out.
  ///
  /// Rule: tdx.md B.6. `registers` holds the L2's registers on the way in (RSP included in `state`)
  /// and, for `.toL1`, L1's outputs on the way out; `stack` is L1's RSP. EPT violations that the
  /// model has not decided itself go through `accessL2`.
  public mutating func l2Exit<Memory: PageMemory & ~Copyable>(
    _ vcpu: Int, _ exit: L2Exit, _ state: L2EnterState, stack: UInt64,
    _ registers: inout GeneralRegisters, _ memory: inout Memory
  ) -> L2Route {
    guard isVCPU(vcpu), case .running(let vm) = vcpus[vcpu].mode, vm > 0 else { return .resume }
    let route = route(vcpu, vm, exit, state)
    switch route {
    case .toL1:
      registers.rsp = stack
      _ = exitToL1(vcpu, exit, state: state, &registers, &memory)
    case .toHost(let out):
      vcpus[vcpu].l2State = state
      if exit.reason != .tdcall { storeState(vcpu, state, &memory) }
      if exit.reason == .tdcall {
        // RIP is past the instruction before the host sees the call.
        var after = state
        after.rip &+= TDGLeaf.instructionLength
        vcpus[vcpu].l2State = after
        return .toHost(vmcallExit(vcpu, state.registers, vm: vm))
      }
      leave(vcpu, out)
    case .resume, .injectGeneralProtection: break
    }
    return route
  }

  private func route(
    _ vcpu: Int, _ vm: Int, _ exit: L2Exit, _ state: L2EnterState
  ) -> L2Route {
    func toHost(_ status: TDXStatus = .success) -> L2Route {
      .toHost(
        TDExit(
          status, exit.reason, qualification: UInt32(truncatingIfNeeded: exit.qualification), vm: vm,
          extended: exit.extended, guestAddress: exit.guestAddress, interruption: exit.interruption))
    }
    switch exit.reason {
    case .externalInterrupt, .initSignal, .smi, .busLock, .notification, .eptMisconfiguration:
      return toHost()
    case .exceptionOrNMI:
      if exit.interruption >> 8 & 7 == 2 { return toHost() }
      if exit.interruption & 0xFF == 18 { return toHost(.nonRecoverableTDNonAccessible) }
      return .toL1
    case .rdmsr, .wrmsr: return routeMSR(vcpu, vm, exit, state)
    case .crAccess: return routeCR(vcpu, vm, exit, state)
    case .tdcall:
      let isHostCall =
        UInt16(truncatingIfNeeded: state.registers.rax) == TDGLeaf.vpVMCALL.rawValue
        && state.registers.rax >> 16 == 0
        && vcpus[vcpu].l2[vm - 1].controls & L2Virtual.enableTDVMCALL != 0 && exit.cpl == 0
        && isPermittedMask(state.registers.rcx)
      return isHostCall ? toHost() : .toL1
    default: return .toL1
    }
  }

  /// MSR exits: L1's bitmap first, then the module's policy.
  ///
  /// Rule: tdx.md B.6 "MSR 31/32": #GP outcomes stay in L2, #VE outcomes go to L1; EFER may change SCE
  /// and LME only; the VMX capability MSRs go to L1.
  private func routeMSR(
    _ vcpu: Int, _ vm: Int, _ exit: L2Exit, _ state: L2EnterState
  ) -> L2Route {
    let msr = UInt32(truncatingIfNeeded: state.registers.rcx)
    let isWrite = exit.reason == .wrmsr
    if vcpus[vcpu].l2[vm - 1].intercepts(msr: msr, isWrite: isWrite) { return .toL1 }
    if (0x480...0x492).contains(msr) { return .toL1 }
    if msr == 0xC000_0080, isWrite {
      let value = state.registers.rax & 0xFFFF_FFFF | state.registers.rdx << 32
      let change = (value ^ vcpus[vcpu].l2[vm - 1][.efer]) & ~0x400
      return change & ~0x101 == 0 ? .resume : .toL1
    }
    switch L1MSRPolicy(configuration).access(msr, isWrite: isWrite) {
    case .native, .emulated: return .resume
    case .generalProtection: return .injectGeneralProtection
    case .virtualization: return .toL1
    }
  }

  /// Control-register exits: L1-owned bits that differ from L1's shadow go to L1, CR3 and CR8 too.
  ///
  /// Rule: tdx.md B.6 "CR access 28", B.3 "CR rule": for module-owned bits an illegal write is #GP in L2.
  private func routeCR(
    _ vcpu: Int, _ vm: Int, _ exit: L2Exit, _ state: L2EnterState
  ) -> L2Route {
    let number = exit.qualification & 15
    let kind = exit.qualification >> 4 & 3
    guard number == 0 || number == 4 else { return .toL1 }
    let l2 = vcpus[vcpu].l2[vm - 1]
    let mask = number == 0 ? l2[.cr0Mask] : l2[.cr4Mask]
    let shadow = number == 0 ? l2[.cr0Shadow] : l2[.cr4Shadow]
    let old = number == 0 ? l2[.cr0] : l2[.cr4]
    let value: UInt64
    // The bits that the instruction can change: CLTS clears TS, LMSW sets PE and writes 3:1 (SDM 3C, 26.1.3).
    var reach: UInt64 = .max
    switch kind {
    case 0: value = state.registers[Int(exit.qualification >> 8 & 15)]
    case 2:
      value = old & ~8
      reach = 8
    case 3:
      let operand = exit.qualification >> 16 & 0xF
      value = old & ~0xE | operand
      reach = 0xE | operand & 1
    default: return .toL1
    }
    if (value ^ shadow) & mask & reach != 0 { return .toL1 }
    let writable: UInt64 = number == 0 ? 0x8005_001F : 0x03FF_1FBF
    return (value ^ old) & ~writable & ~mask == 0 ? .resume : .injectGeneralProtection
  }

  /// An interrupt with L1's notification vector arrives while an L2 runs.
  ///
  /// Rule: tdx.md B.6, G.59: with a deliverable interrupt L1 gets status 0x1102, reason 1; otherwise the
  /// L2 goes on. `requested` is the highest vector that becomes pending; `exit` has reason 1 and what
  /// every exit reports.
  public mutating func postedInterrupt<Memory: PageMemory & ~Copyable>(
    _ vcpu: Int, requested: UInt8, exit: L2Exit = L2Exit(.externalInterrupt), _ state: L2EnterState,
    stack: UInt64,
    _ registers: inout GeneralRegisters, _ memory: inout Memory
  ) -> L2Route {
    guard isVCPU(vcpu) else { return .resume }
    vcpus[vcpu].l1RequestedVector = max(vcpus[vcpu].l1RequestedVector, requested)
    guard case .running(let vm) = vcpus[vcpu].mode, vm > 0, vcpus[vcpu].hasPendingL1Interrupt else {
      return .resume
    }
    registers.rsp = stack
    _ = exitToL1(
      vcpu, exit, status: .l2ExitPendingInterrupt, state: state, &registers, &memory)
    return .toL1
  }
}
