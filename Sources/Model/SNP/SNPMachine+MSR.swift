// SNPMachine+MSR: the host's answers to the GHCB MSR protocol.

import SNP

/// What a VMGEXIT with a code in the GHCB MSR asks of the machine.
public enum GHCBMSRAction: Equatable, Sendable {
  /// Nothing more: the MSR holds the answer, or is unchanged.
  case answered
  /// Answer with `answerCPUID`.
  case cpuid(function: UInt32, register: UInt8)
  /// Park the vCPU until it is started; then answer with `answerResetHold`.
  case resetHold
  /// `next` of the vCPU is set to another level.
  case switched(VMPL)
  /// The guest ends itself.
  case terminated(set: UInt8, code: UInt8)
  /// The MSR holds the address of the registered GHCB page: look there.
  case page(GuestPage)
  /// The guest used a GHCB page that it has not registered: a host kills it.
  case unregisteredPage
}

extension SNPMachine {
  /// Serves VMGEXIT by the value of the GHCB MSR.
  ///
  /// Rule: reference B.4, D.122: codes answered bit-exactly; an unknown code leaves the MSR unchanged; an
  /// address that is 0 or not mapped returns to the guest untouched; an unregistered page kills.
  /// Requires: the exit of the vCPU is done (`vmexit`), so `next` is the caller's level.
  public mutating func msrRequest(_ vcpu: Int, _ value: GHCBMSR) -> GHCBMSRAction {
    guard isVCPU(vcpu), let caller = vcpus[vcpu].next else { return .answered }
    vcpus[vcpu].ghcbMSR = value
    switch value.code {
    case .page:
      let page = GuestPage(rawValue: value.operand)
      guard value.rawValue != 0, memory.nested[page] != nil else { return .answered }
      return vcpus[vcpu].ghcb(caller) == page ? .page(page) : .unregisteredPage
    case .infoRequest:
      let versions = configuration.ghcbVersions
      answer(
        vcpu,
        .info(maximum: versions.maximum, minimum: versions.minimum, cBit: configuration.cBit))
    case .cpuidRequest:
      return .cpuid(function: value.upper, register: value.cpuidRegister)
    case .apResetHoldRequest: return .resetHold
    case .preferredRequest: answer(vcpu, GHCBMSR(.preferredResponse, operand: 0xF_FFFF_FFFF_FFFF))
    case .registerRequest: register(vcpu, caller, GuestPage(rawValue: value.operand))
    case .pageStateRequest: changePageState(vcpu, value)
    case .runVMPLRequest:
      let isSwitched =
        value.upper >> 8 == 0 && switchTo(vcpu, from: caller, value.vmpl)
      answer(vcpu, GHCBMSR(.runVMPLResponse, upper: isSwitched ? 0 : 1))
      if isSwitched { return .switched(value.vmpl) }
    case .featuresRequest:
      answer(vcpu, GHCBMSR(.featuresResponse, operand: configuration.features.rawValue))
    case .termination:
      return .terminated(set: value.terminationSet, code: value.terminationCode)
    default: break
    }
    return .answered
  }

  private mutating func answer(_ vcpu: Int, _ value: GHCBMSR) { vcpus[vcpu].ghcbMSR = value }

  /// Answers a CPUID request.
  public mutating func answerCPUID(_ vcpu: Int, _ value: UInt32) {
    if isVCPU(vcpu) { answer(vcpu, GHCBMSR(.cpuidResponse, upper: value)) }
  }

  /// Answers an AP reset hold, once the vCPU is to go on.
  public mutating func answerResetHold(_ vcpu: Int) {
    if isVCPU(vcpu) { answer(vcpu, GHCBMSR(.apResetHoldResponse, operand: 1)) }
  }

  /// A GHCB must be a shared page that the host can write; anything else is refused.
  private mutating func register(_ vcpu: Int, _ caller: VMPL, _ page: GuestPage) {
    guard let mapping = memory.nested[page], memory.hostMayWrite(mapping.page) else {
      answer(vcpu, GHCBMSR(.registerResponse, operand: 0xF_FFFF_FFFF_FFFF))
      return
    }
    vcpus[vcpu].ghcbs[Int(caller.rawValue)] = page
    answer(vcpu, GHCBMSR(.registerResponse, operand: page.rawValue))
  }

  private mutating func changePageState(_ vcpu: Int, _ value: GHCBMSR) {
    let isKnown = value.stateOperation == .makePrivate || value.stateOperation == .makeShared
    let isDone =
      isKnown && value.rawValue >> 56 == 0
      && changePageState(
        GuestPage(rawValue: value.statePage), value.stateOperation, is2M: false)
    answer(vcpu, GHCBMSR(.pageStateResponse, upper: isDone ? 0 : 0x8000_0000))
  }

  /// An honest host's page-state change, by RMPUPDATE and PSMASH on the page that backs `page`.
  ///
  /// Rule: reference B.5.2: a page made private has Validated = 0 and rights for VMPL0 only; a page made
  /// shared belongs to the host. A 4 KiB change inside a 2 MiB entry smashes it first. A change to the
  /// state that holds already succeeds and changes nothing.
  public mutating func changePageState(
    _ page: GuestPage, _ operation: PageStateOperation, is2M: Bool
  ) -> Bool {
    guard let mapping = memory.nested[page], let entry = memory.rmp.governing(mapping.page) else {
      return false
    }
    let size: RMPPageSize = is2M ? .size2M : .size4K
    if is2M, !page.is2MAligned || !mapping.page.is2MAligned { return false }
    if entry.isAssigned, entry.pageSize == .size2M, !is2M || operation == .smash {
      guard memory.psmash(mapping.page.base2M) == .success else { return false }
      for offset in 0..<UInt64(512) {
        let small = page.base2M.advanced(by: offset)
        guard let old = memory.nested[small] else { continue }
        memory.nested[small] = NestedEntry(page: old.page, isWritable: old.isWritable)
      }
    }
    switch operation {
    case .makePrivate:
      let record = RMPUpdateRecord(
        guestAddress: page.address, assigned: true, pageSize: size, immutable: false,
        asid: memory.asid)
      return memory.rmpUpdate(mapping.page, record) == .success
    case .makeShared: return makeShared(mapping.page, size)
    case .smash, .unsmash: return true
    default: return false
    }
  }

  private mutating func makeShared(_ page: SystemPage, _ size: RMPPageSize) -> Bool {
    if size == .size4K || memory.rmp.governing(page)?.pageSize == .size2M {
      return memory.rmpUpdate(page, .hypervisorOwned(size)) == .success
    }
    for offset in 0..<UInt64(512) {
      guard memory.rmpUpdate(page.advanced(by: offset), .hypervisorOwned()) == .success else {
        return false
      }
    }
    return true
  }
}
