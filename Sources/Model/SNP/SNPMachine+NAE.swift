// SNPMachine+NAE: the host's answers to the events in a GHCB page.

import Bits
import SNP

/// What an event in a GHCB page asks of the machine.
public enum NAEAction: Equatable, Sendable {
  /// Nothing more: the page holds the answer.
  case answered
  /// An instruction or device access that the machine carries out; it answers with `answerNAE`.
  case emulate(NAEEvent, info1: UInt64, info2: UInt64)
  /// The vCPU of this index has a new VMSA for the level, or none; kick it if it runs.
  case vcpuChanged(Int, VMPL, APCreation.Operation)
  /// `next` of the vCPU is set to another level.
  case switched(VMPL)
  /// An ICR value to deliver.
  case sendIPI(UInt64)
  /// Park the vCPU until it is started.
  case resetHold
  /// The guest ends itself.
  case terminated(set: UInt8, code: UInt8)
}

extension SNPMachine {
  /// Serves VMGEXIT by the GHCB page `page`, which the caller registered.
  ///
  /// Rule: reference B.5, B.5.1, D.123. Order: usage, exit code and both infos valid, code known, the
  /// event's own inputs valid, scratch inside the buffer. Errors are INFO1 = 2 and INFO2 2 to 6.
  public mutating func naeRequest<Memory: PageMemory & ~Copyable>(
    _ vcpu: Int, _ page: GuestPage, _ bytes: inout Memory
  ) -> NAEAction {
    guard isVCPU(vcpu), let caller = vcpus[vcpu].next, let system = memory.nested[page]?.page else {
      return .answered
    }
    let ghcb = GHCBView(page: system)
    guard memory.hostMayWrite(system) else { return .answered }
    guard bytes.load32(system, GHCBPage.usage) == 0 else {
      return fail(ghcb, GHCBResult.invalidUsage, &bytes)
    }
    guard ghcb.areValid(GHCBPage.exitCode, GHCBPage.exitInfo1, GHCBPage.exitInfo2, bytes) else {
      return fail(ghcb, GHCBResult.missingInput, &bytes)
    }
    let event = NAEEvent(rawValue: bytes.load(system, GHCBPage.exitCode))
    let info1 = bytes.load(system, GHCBPage.exitInfo1)
    let info2 = bytes.load(system, GHCBPage.exitInfo2)
    if let error = ghcb.missingInput(event, info1: info1, bytes) { return fail(ghcb, error, &bytes) }
    switch event {
    case .pageStateChange: return pageStateChange(ghcb, &bytes)
    case .guestRequest, .extendedGuestRequest:
      return guestRequest(ghcb, event, info1, info2, &bytes)
    case .apCreation: return apCreation(ghcb, caller, APCreation(rawValue: info1), info2, &bytes)
    case .doorbell: return doorbell(ghcb, vcpu, caller, info1, info2, &bytes)
    case .hvIPI:
      ghcb.succeed(info2: 0, &bytes)
      return .sendIPI(info1)
    case .apicIDList: return apicIDList(ghcb, info1, &bytes)
    case .runVMPL:
      let vmpl = VMPL(rawValue: UInt8(truncatingIfNeeded: info1))
      guard info1 < 4, switchTo(vcpu, from: caller, vmpl) else {
        return fail(ghcb, GHCBResult.invalidInput, &bytes)
      }
      ghcb.succeed(info2: 0, &bytes)
      return .switched(vmpl)
    case .features:
      ghcb.succeed(info2: configuration.features.rawValue, &bytes)
      return .answered
    case .terminate:
      return .terminated(
        set: UInt8(truncatingIfNeeded: info1 & 15), code: UInt8(truncatingIfNeeded: info1 >> 4))
    case .apResetHold: return .resetHold
    default: return .emulate(event, info1: info1, info2: info2)
    }
  }

  private func fail<Memory: PageMemory & ~Copyable>(
    _ ghcb: GHCBView, _ error: UInt64, _ bytes: inout Memory
  ) -> NAEAction {
    ghcb.finish(info1: GHCBResult.error, info2: error, &bytes)
    return .answered
  }

  /// AP creation.
  ///
  /// Rule: reference B.5.1 "AP creation rules", D.125, D.62: unknown APIC ID, an unaligned or 2 MiB aligned
  /// VMSA, other injection bits than the start-up vCPU's answer 2/5. A caller may name only its own
  /// level or less privileged ones (stricter; the planes patches protect VMPL0).
  private mutating func apCreation<Memory: PageMemory & ~Copyable>(
    _ ghcb: GHCBView, _ caller: VMPL, _ request: APCreation, _ vmsa: UInt64, _ bytes: inout Memory
  ) -> NAEAction {
    guard let operation = request.operation, request.reserved == 0, request.vmpl.isArchitectural,
      request.vmpl >= caller, let target = vcpu(apicID: request.apicID)
    else { return fail(ghcb, GHCBResult.invalidInput, &bytes) }
    if operation != .destroy {
      guard vmsa & 0x1F_FFFF != 0, vmsa & 0xFFF == 0,
        isSameInjection(bytes.load(ghcb.page, GHCBPage.rax), request.vmpl, bytes)
      else { return fail(ghcb, GHCBResult.invalidInput, &bytes) }
    }
    vcpus[target].vmsas[Int(request.vmpl.rawValue)] =
      operation == .destroy ? nil : GuestPage(containing: vmsa)
    if operation == .create, vcpus[target].running == nil { vcpus[target].next = request.vmpl }
    if operation == .destroy, vcpus[target].next == request.vmpl { vcpus[target].next = nil }
    ghcb.succeed(info2: 0, &bytes)
    return .vcpuChanged(target, request.vmpl, operation)
  }

  /// Whether `features` has the injection bits 3 and 4 of the first vCPU's VMSA at the same level set; the first VMSA
  /// of a level decides for those that follow.
  private func isSameInjection<Memory: PageMemory & ~Copyable>(
    _ features: UInt64, _ level: VMPL, _ bytes: borrowing Memory
  ) -> Bool {
    let mask: SEVFeatures = [.restrictedInjection, .alternateInjection]
    let wanted = SEVFeatures(rawValue: features).intersection(mask)
    guard vcpus[0].vmsa(level) != nil else { return wanted != mask }
    return self.features(0, level, bytes).intersection(mask) == wanted
  }

  /// The list of APIC identifiers.
  ///
  /// Rule: reference B.5.1: RAX = 0, or too small, answers the number of pages in RAX; otherwise the
  /// shared buffer at INFO1 gets a count and the identifiers.
  private mutating func apicIDList<Memory: PageMemory & ~Copyable>(
    _ ghcb: GHCBView, _ address: UInt64, _ bytes: inout Memory
  ) -> NAEAction {
    let offered = bytes.load(ghcb.page, GHCBPage.rax)
    ghcb.set(GHCBPage.rax, 1, &bytes)
    guard offered > 0 else {
      ghcb.succeed(info2: 0, &bytes)
      return .answered
    }
    guard address & 0xFFF == 0, let page = memory.nested[GuestPage(containing: address)]?.page,
      memory.hostMayWrite(page)
    else { return fail(ghcb, GHCBResult.invalidInput, &bytes) }
    var values = [UInt32(vcpus.count)]
    for vcpu in vcpus { values.append(vcpu.apicID) }
    if values.count % 2 == 1 { values.append(0) }
    for index in stride(from: 0, to: values.count - 1, by: 2) {
      bytes.store(page, index * 4, UInt64(values[index]) | UInt64(values[index + 1]) << 32)
    }
    ghcb.succeed(info2: 0, &bytes)
    return .answered
  }

  /// Refuses an event that the machine was to carry out: INFO1 = 2 and `error`.
  public mutating func failNAE<Memory: PageMemory & ~Copyable>(
    _ vcpu: Int, error: UInt64 = GHCBResult.invalidInput, _ bytes: inout Memory
  ) {
    guard isVCPU(vcpu), let caller = vcpus[vcpu].next, let page = vcpus[vcpu].ghcb(caller),
      let system = memory.nested[page]?.page, memory.hostMayWrite(system)
    else { return }
    GHCBView(page: system).finish(info1: GHCBResult.error, info2: error, &bytes)
  }

  /// Answers an event that the machine has carried out: RAX, RBX, RCX and RDX as far as given.
  public mutating func answerNAE<Memory: PageMemory & ~Copyable>(
    _ vcpu: Int, rax: UInt64? = nil, rbx: UInt64? = nil, rcx: UInt64? = nil, rdx: UInt64? = nil,
    exception: EventInjection? = nil, _ bytes: inout Memory
  ) {
    guard isVCPU(vcpu), let caller = vcpus[vcpu].next, let page = vcpus[vcpu].ghcb(caller),
      let system = memory.nested[page]?.page, memory.hostMayWrite(system)
    else { return }
    let ghcb = GHCBView(page: system)
    if let exception {
      ghcb.finish(info1: GHCBResult.injectException, info2: exception.rawValue, &bytes)
      return
    }
    ghcb.clearValid(&bytes)
    if let rax { ghcb.set(GHCBPage.rax, rax, &bytes) }
    if let rbx { ghcb.set(GHCBPage.rbx, rbx, &bytes) }
    if let rcx { ghcb.set(GHCBPage.rcx, rcx, &bytes) }
    if let rdx { ghcb.set(GHCBPage.rdx, rdx, &bytes) }
    ghcb.succeed(info2: 0, &bytes)
  }
}
