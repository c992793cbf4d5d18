// TrustDomain+Enter: VP.ENTER and the flushes that go with it.

import Bits
import SVSMProtocol
import TDX

extension TrustDomain {
  /// TDG.VP.ENTER: runs an L2.
  ///
  /// Rule: tdx.md B.5. Order: RDX, RCX, virtual-APIC page set, pending interrupt for L1, translations
  /// (exit, run again), flush by flags, deadline, load, enter.
  mutating func vpEnter<Memory: PageMemory & ~Copyable>(
    _ context: TDCallContext, _ registers: inout GeneralRegisters, _ memory: inout Memory
  ) throws(TDLeafEnd) -> TDXStatus {
    let vcpu = context.vcpu
    let address = registers.rdx
    guard address & (L2EnterState.alignment &- 1) == 0, configuration.isValidPrivate(address) else {
      return .operandInvalid.with(.rdx)
    }
    let vm = Int(registers.rcx >> 52 & 3)
    guard registers.rcx & 0xFFCF_FFFF_FFFF_FFFC == 0, vm >= 1, vm <= configuration.l2Count else {
      return .operandInvalid.with(.rcx)
    }
    let virtualAPIC = vcpus[vcpu].l2[vm - 1][.virtualAPICAddress]
    guard virtualAPIC != .max else { return .operandInvalid.with(.l2VirtualAPICAddress) }
    if vcpus[vcpu].hasPendingL1Interrupt { return .pendingInterrupt }
    let page = try operandPage(vcpu, address, .write, raisesVE: false)
    _ = try operandPage(vcpu, virtualAPIC, .write, raisesVE: false)
    let hlat = vcpus[vcpu].l2[vm - 1][.hlatPointer]
    if vcpus[vcpu].l2[vm - 1][.tertiaryControls] & 2 != 0 {
      guard hlat != .max else { return .operandInvalid.with(.rdx) }
      _ = try operandPage(vcpu, hlat & ~0xFFF, .read, raisesVE: false)
    }
    // Flag 1 is INVEPT: everything. Flags 2 and 3 leave guest-physical translations alone.
    if registers.rcx & 3 == 1 { flush(vm, on: vcpu) }
    let state = loadState(page, Int(address & 0xFFF), memory)
    if isAnsweredBusy(vcpu, vm: vm, state) { revocations.withhold(by: vcpu) }
    vcpus[vcpu].svsmCall = nil
    noteOpenRevocations(vcpu, vm: vm)
    revocations.entered(vm, vcpu: vcpu)
    vcpus[vcpu].mode = .running(vm: vm)
    vcpus[vcpu].currentVM = vm
    vcpus[vcpu].enterStateAddress = address
    if isEntryRefused(vcpu, vm: vm, state) {
      let exit = L2Exit(.entryFailureGuestState)
      return exitToL1(vcpu, exit, state: state, &registers, &memory)
    }
    if isDeadlinePast(vcpu, vm: vm, timeStamp: context.timeStamp) {
      var exit = L2Exit(.preemptionTimer)
      exit.vectoring = takeEntryEvent(vcpu, vm: vm)
      return exitToL1(vcpu, exit, state: state, &registers, &memory)
    }
    throw .enter(vm: vm, state)
  }

  /// Whether this entry answers the L2's call of the SVSM with BUSY.
  ///
  /// Rule: design.md "Guest rights reduced": not all acknowledged, then BUSY and the page still withheld.
  private func isAnsweredBusy(_ vcpu: Int, vm: Int, _ state: L2EnterState) -> Bool {
    guard let call = vcpus[vcpu].svsmCall, call.vm == vm, state.rip == call.returnAddress else {
      return false
    }
    return state.registers.rax == 0 && state.registers.r10 == UInt64(ResultCode.busy.rawValue)
  }

  /// Counts an entry after a reduction of rights that is not flushed everywhere: by the vCPU itself, or
  /// by one that runs the L2 now while this one, which took the rights, goes on.
  ///
  /// Of the latter those do not count whose page is withheld: `commit` counts when such a page is given away.
  /// Rule: tdx.md B.4, last paragraph, G.50, and design.md "Guest rights reduced": completing a call with
  /// a reduction open is a violation, BUSY does not complete it. A vCPU outside the L2 may flush at its own
  /// next entry (B.7).
  private mutating func noteOpenRevocations(_ vcpu: Int, vm: Int) {
    if revocations.isEmpty { return }
    revocations.becomeDue(by: vcpu)
    if revocations.isDue(vm, vcpu: vcpu) {
      note(.openRevocation, vcpu, vm: vm, GuestPage(rawValue: 0))
    }
    for other in vcpus.indices where other != vcpu {
      let current = vcpus[other].currentVM
      guard current > 0, vcpus[other].mode == .running(vm: current),
        revocations.isPending(current, vcpu: other, openedBy: vcpu)
      else { continue }
      note(.openRevocation, vcpu, vm: current, GuestPage(rawValue: 0))
    }
  }

  /// The event that L1 wants injected, error code in the upper half; an entry takes it (SDM 3C, 25.8.3).
  ///
  /// Hardware delivers it before a deadline that is past ends the L2; this model hands it back as
  /// IDT-vectoring information instead, which L1 must be ready for at any exit (tdx.md B.6).
  public mutating func takeEntryEvent(_ vcpu: Int, vm: Int) -> UInt64 {
    guard isVCPU(vcpu), vm >= 1, vm <= configuration.l2Count else { return 0 }
    let event = vcpus[vcpu].l2[vm - 1][.entryInterruptionInformation]
    guard event.bit(31) else { return 0 }
    vcpus[vcpu].l2[vm - 1][.entryInterruptionInformation] = event & ~(1 << 31)
    let code = event.bit(11) ? vcpus[vcpu].l2[vm - 1][.entryExceptionErrorCode] : 0
    return event & 0xFFFF_FFFF | code << 32
  }

  private func loadState<Memory: PageMemory & ~Copyable>(
    _ page: SystemPage, _ offset: Int, _ memory: borrowing Memory
  ) -> L2EnterState {
    var state = L2EnterState()
    for number in 0..<16 { state.registers[number] = memory.load(page, offset + 8 * number) }
    state.rflags = memory.load(page, offset + L2EnterState.rflagsOffset)
    state.rip = memory.load(page, offset + L2EnterState.ripOffset)
    state.ssp = memory.load(page, offset + L2EnterState.sspOffset)
    state.interruptStatus = UInt16(
      truncatingIfNeeded: memory.load(page, offset + L2EnterState.interruptStatusOffset))
    return state
  }

  func storeState<Memory: PageMemory & ~Copyable>(
    _ vcpu: Int, _ state: L2EnterState, _ memory: inout Memory
  ) {
    let address = vcpus[vcpu].enterStateAddress
    guard let page = sept.leaf(GuestPage(containing: address))?.page else { return }
    let offset = Int(address & 0xFFF)
    for number in 0..<16 { memory.store(page, offset + 8 * number, state.registers[number]) }
    memory.store(page, offset + L2EnterState.rflagsOffset, state.rflags)
    memory.store(page, offset + L2EnterState.ripOffset, state.rip)
    memory.store(page, offset + L2EnterState.sspOffset, state.ssp)
    memory.store(page, offset + L2EnterState.interruptStatusOffset, UInt64(state.interruptStatus))
  }

  /// What the L2 state that L1 set up would make VM entry do: whether it is refused.
  ///
  /// Rule: SDM volume 3, 27.3.1, the parts that do not depend on the CPU: RFLAGS bit 1 set and
  /// reserved bits clear, PG needs PE, LMA equals LME and PG, the IA-32e control equals LMA, and a
  /// non-canonical RIP is refused in 64-bit mode (tdx.md B.5, G.55).
  public func isEntryRefused(_ vcpu: Int, vm: Int, _ state: L2EnterState) -> Bool {
    guard isVCPU(vcpu), vm >= 1, vm <= configuration.l2Count else { return true }
    let l2 = vcpus[vcpu].l2[vm - 1]
    let reserved: UInt64 = ~0x3F_7FD7
    guard state.rflags.bit(1), state.rflags & reserved == 0 else { return true }
    let event = l2[.entryInterruptionInformation]
    if event.bit(31), event >> 8 & 7 == 0 {
      // An interrupt wants IF and no blocking (SDM 3C, 27.3.1.4 and 27.3.1.5).
      if !state.rflags.bit(9) || l2[.interruptibility] & 3 != 0 { return true }
    }
    let cr0 = l2[.cr0]
    let efer = l2[.efer]
    let isLong = l2[.entryControls].bit(9)
    if cr0.bit(31), !cr0.bit(0) { return true }
    if efer.bit(10) != isLong { return true }
    if cr0.bit(31), efer.bit(8) != efer.bit(10) { return true }
    if isLong, !cr0.bit(31) || !l2[.cr4].bit(5) { return true }
    if isLong, l2[.csAccessRights].bit(13) {
      let top = state.rip >> 47
      if top != 0, top != 0x1_FFFF { return true }
    } else if state.rip >> 32 != 0 {
      return true
    }
    return false
  }

  /// Whether the TSC deadline of `vm` lets no instruction run (tdx.md B.2, G.40).
  public func isDeadlinePast(_ vcpu: Int, vm: Int, timeStamp: UInt64) -> Bool {
    guard isVCPU(vcpu), vm >= 1, vm <= configuration.l2Count else { return false }
    let deadline = vcpus[vcpu].l2[vm - 1].tscDeadline
    return deadline != .max && deadline <= timeStamp
  }

  /// TDG.VP.INVEPT: flushes L2 virtual machines on this vCPU only.
  ///
  /// Rule: tdx.md A.4 leaf 26: bit 0 and bits above NUM_L2_VMS must be 0; 0 is a legal no-op.
  mutating func vpInvalidateEPT(
    _ context: TDCallContext, _ registers: GeneralRegisters
  ) -> TDXStatus {
    let permitted = (UInt64(1) << UInt64(configuration.l2Count &+ 1)) &- 2
    guard registers.rcx & ~permitted == 0 else { return .operandInvalid.with(.rcx) }
    for vm in stride(from: 1, through: configuration.l2Count, by: 1)
    where registers.rcx.bit(vm) { flush(vm, on: context.vcpu) }
    return .success
  }

  /// TDG.VP.INVVPID (INVGLA): flushes linear addresses of an L2 on this vCPU.
  ///
  /// Rule: tdx.md A.4 leaf 27. It closes no reduction of rights: those need all addresses.
  mutating func vpInvalidateGLA<Memory: PageMemory & ~Copyable>(
    _ context: TDCallContext, _ registers: inout GeneralRegisters, _ memory: borrowing Memory
  ) throws(TDLeafEnd) -> TDXStatus {
    let vm = Int(registers.rcx >> 52 & 3)
    guard registers.rcx & 0xFFCF_FFFF_FFFF_FFFE == 0, vm >= 1, vm <= configuration.l2Count else {
      return .operandInvalid.with(.rcx)
    }
    guard registers.rcx.bit(0) else {
      return Self.isCanonical(registers.rdx) ? .success : .glaNotCanonical
    }
    var first = registers.rdx & 0x1FF
    var count = registers.rdx >> 52 & 0x3FF
    let address = registers.rdx & 0x000F_FFFF_FFFF_F000
    guard registers.rdx >> 62 == 0, registers.rdx & 0xE00 == 0, first + count <= 512,
      configuration.isValidPrivate(address)
    else { return .operandInvalid.with(.rdx) }
    let page = try operandPage(context.vcpu, address, .read)
    while count > 0 {
      guard Self.isCanonical(memory.load(page, Int(first) * 8)) else { return .glaNotCanonical }
      first += 1
      count -= 1
      if context.isInterruptPending, count > 0 {
        registers.rdx = count << 52 | address | first & 0x1FF
        throw .interrupted
      }
    }
    registers.rdx = address | first & 0x1FF
    return .success
  }

  private static func isCanonical(_ entry: UInt64) -> Bool {
    let top = (entry & ~0xFFF) >> 47
    return top == 0 || top == 0x1_FFFF
  }
}
