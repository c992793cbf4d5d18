// TrustDomain+L2Access: what happens when an L2 touches memory.

import TDX

/// The end of an L2's access that does not reach memory.
public enum L2AccessFault: Error, Equatable, Sendable {
  /// An EPT violation that goes to L1, with this extended qualification.
  case toL1(ExtendedQualification)
  /// An EPT violation that goes to the host.
  case toHost(TDExit)
}

extension TrustDomain {
  /// Checks an access by L2 `vm` and answers the system page that it reaches.
  ///
  /// Rule: tdx.md B.6 "EPT violation 48", B.2 (shared EPT): bits above the shared bit go to L1; shared
  /// without ENABLE_SHARED_EPTP, or not mapped, go to the host; private on an accepted L1 leaf with no
  /// or too small an alias to L1 with type 0; on a pending leaf to L1 with type 6; anything else to the
  /// host. A stale translation may be used until the vCPU flushes (G.61).
  public mutating func accessL2(
    _ vcpu: Int, vm: Int, _ access: TDAccess
  ) throws(L2AccessFault) -> SystemPage {
    guard configuration.isValid(access.address) else { throw .toL1(.none) }
    let page = GuestPage(containing: access.address & ~configuration.sharedMask)
    if access.address & configuration.sharedMask != 0 {
      let controls =
        isVCPU(vcpu) && vm >= 1 && vm <= configuration.l2Count ? vcpus[vcpu].l2[vm - 1].controls : 0
      if controls & L2Virtual.enableSharedEPT != 0, access.kind != .fetch,
        case .page(let system) = shared[page], ownership.isFree(system)
      {
        return system
      }
      throw .toHost(l2Violation(access, vm: vm))
    }
    let needed = access.kind.needed(cpl: access.cpl)
    let level = UInt8(truncatingIfNeeded: vm)
    if let cached = translations.lookUp(cpu: vcpu, level: level, page),
      GPAAttributes(rawValue: UInt16(cached.rights)).isSuperset(of: needed)
    {
      if revocations.isOpen(page, vm: vm, vcpu: vcpu),
        !(privateMapping(page, vm: vm)?.rights.isSuperset(of: needed) ?? false)
      {
        note(.staleTranslationUsed, vcpu, vm: vm, page)
      }
      return cached.systemPage
    }
    guard let leaf = sept.leaf(page) else { throw .toHost(l2Violation(access, vm: vm)) }
    switch leaf.walk.entry.state {
    case .pending: throw .toL1(.pendingEPTViolation)
    case .mapped:
      guard let (system, rights) = privateMapping(page, vm: vm), rights.isSuperset(of: needed) else {
        throw .toL1(.none)
      }
      translations.insert(
        CachedTranslation(
          cpu: vcpu, level: level, guestPage: page, systemPage: system,
          rights: UInt8(truncatingIfNeeded: rights.rawValue & 0xF)))
      return system
    default: throw .toHost(l2Violation(access, vm: vm))
    }
  }

  private func l2Violation(_ access: TDAccess, vm: Int) -> TDExit {
    TDExit(
      .success, .eptViolation, qualification: access.qualification, vm: vm,
      guestAddress: access.address)
  }
}
