// SNPMachine+Injection: which events a host may inject, and the #HV doorbell.

import SNP

extension SNPMachine {
  /// NAE event doorbell page: 0 preferred, 1 set, 2 query, 3 clear.
  ///
  /// Rule: reference B.5.1. The model prefers no page (all ones); a doorbell is a shared page, aligned.
  mutating func doorbell<Memory: PageMemory & ~Copyable>(
    _ ghcb: GHCBView, _ vcpu: Int, _ caller: VMPL, _ info1: UInt64, _ address: UInt64,
    _ bytes: inout Memory
  ) -> NAEAction {
    let level = Int(caller.rawValue)
    switch info1 {
    case 0: ghcb.succeed(info2: .max, &bytes)
    case 1:
      let page = GuestPage(containing: address)
      guard address & 0xFFF == 0, let system = memory.nested[page]?.page,
        memory.hostMayWrite(system)
      else {
        ghcb.finish(info1: GHCBResult.error, info2: GHCBResult.invalidInput, &bytes)
        return .answered
      }
      vcpus[vcpu].doorbells[level] = page
      ghcb.succeed(info2: address, &bytes)
    case 2: ghcb.succeed(info2: vcpus[vcpu].doorbells[level]?.address ?? 0, &bytes)
    case 3:
      vcpus[vcpu].doorbells[level] = nil
      ghcb.succeed(info2: 0, &bytes)
    default: ghcb.finish(info1: GHCBResult.error, info2: GHCBResult.invalidInput, &bytes)
    }
    return .answered
  }

  /// How a host's event reaches a vCPU at a level.
  public enum Delivery: Equatable, Sendable {
    /// Inject this event at the next VMRUN.
    case inject(EventInjection)
    /// Nothing to inject: the doorbell page holds the event, the guest was signalled before.
    case noted
    /// The doorbell still holds another event; the host keeps this one.
    case held
    /// The level's injection mode forbids it: VMRUN would answer VMEXIT_INVALID.
    case forbidden
  }

  /// The host wants to inject `event` into a level by VMCB fields.
  ///
  /// Rule: reference B.9: normal mode anything; restricted mode only #HV; alternate mode nothing, since
  /// the fields are taken from the VMSA.
  public func hostInjection<Memory: PageMemory & ~Copyable>(
    _ vcpu: Int, _ vmpl: VMPL, _ event: EventInjection, _ bytes: borrowing Memory
  ) -> Delivery {
    guard isVCPU(vcpu), event.isValid, event.kind != nil else { return .forbidden }
    let mode = features(vcpu, vmpl, bytes)
    if mode.contains(.alternateInjection) { return .forbidden }
    if mode.contains(.restrictedInjection) {
      return event == .hypervisorInjection ? .inject(event) : .forbidden
    }
    return .inject(event)
  }

  /// The event that a VMSA under alternate injection asks to be injected; its validity bit is cleared.
  ///
  /// Rule: reference B.9: EVENTINJ and V_IRQ come from the VMSA, which only a more privileged level wrote.
  public mutating func takeAlternateInjection<Memory: PageMemory & ~Copyable>(
    _ vcpu: Int, _ vmpl: VMPL, _ bytes: inout Memory
  ) -> (event: EventInjection?, control: VirtualInterruptControl)? {
    guard isVCPU(vcpu), features(vcpu, vmpl, bytes).contains(.alternateInjection),
      let page = vmsaPage(vcpu, vmpl)
    else { return nil }
    let event = EventInjection(rawValue: bytes.load(page, VMSAField.eventInjection))
    let control = VirtualInterruptControl(
      rawValue: bytes.load(page, VMSAField.virtualInterruptControl))
    guard event.isValid else { return (nil, control) }
    bytes.store(page, VMSAField.eventInjection, event.rawValue & ~(1 << 31))
    return (event, control)
  }

  /// An interrupt, or an NMI (`vector` nil), for a level under restricted injection.
  ///
  /// Rule: reference B.5.3: the vector is written if none is pending (else the host holds it); with
  /// no_further_signal clear it is set and #HV injected. Vectors below 31 are not interrupts.
  public mutating func ringDoorbell<Memory: PageMemory & ~Copyable>(
    _ vcpu: Int, _ vmpl: VMPL, vector: UInt8?, _ bytes: inout Memory
  ) -> Delivery {
    guard isVCPU(vcpu), let page = vcpus[vcpu].doorbell(vmpl),
      let system = memory.nested[page]?.page, memory.hostMayWrite(system)
    else { return .forbidden }
    if let vector, vector < 31 { return .forbidden }
    let old = bytes.load(system, 0)
    var word = DoorbellWord(rawValue: UInt32(truncatingIfNeeded: old))
    if let vector {
      guard word.vector == 0 else { return .held }
      word.vector = vector
    } else {
      word.isNMIPending = true
    }
    let isSignalled = word.isNoFurtherSignal
    word.isNoFurtherSignal = true
    bytes.store(system, 0, (old & ~0xFFFF_FFFF) | UInt64(word.rawValue))
    return isSignalled ? .noted : .inject(.hypervisorInjection)
  }
}
