// TrustDomain+Access: what happens when L1 or an L2 touches memory.

import TDX

/// The kinds of access that EPT tells apart; raw values are exit-qualification bits 2:0.
public enum TDAccessKind: UInt32, Sendable {
  /// A data read.
  case read = 1
  /// A data write.
  case write = 2
  /// An instruction fetch.
  case fetch = 4

  /// The alias rights that the access needs; a fetch needs Xs, or Xu at CPL 3.
  func needed(cpl: UInt8) -> GPAAttributes {
    switch self {
    case .read: .read
    case .write: [.read, .write]
    case .fetch: cpl == 3 ? .executeUser : .executeSupervisor
    }
  }
}

/// One access of a VM of the TD.
public struct TDAccess: Equatable, Sendable {
  /// The guest-physical address in bytes, shared bit included.
  public var address: UInt64
  /// The kind.
  public var kind: TDAccessKind
  /// The privilege level.
  public var cpl: UInt8
  /// The linear address; nil for a walk of page tables.
  public var linearAddress: UInt64?

  /// An access at CPL 0 unless said otherwise.
  public init(
    _ address: UInt64, _ kind: TDAccessKind, cpl: UInt8 = 0, linearAddress: UInt64? = 0
  ) {
    self.address = address
    self.kind = kind
    self.cpl = cpl
    self.linearAddress = linearAddress
  }

  /// The VMX exit qualification: kind, and bit 7 linear address valid, bit 8 final translation.
  public var qualification: UInt32 { kind.rawValue | (linearAddress != nil ? 0x180 : 0) }
}

extension TrustDomain {
  /// Checks an access by L1 and answers the system page that it reaches.
  ///
  /// Rule: tdx.md D.1: bits above the shared bit #PF (P, RSVD); private PENDING #VE or exit type 6;
  /// private not mapped exit; shared as the host's EPT says; code and page tables in shared memory
  /// are refused (unverified; counted as a breach).
  public mutating func accessL1(
    _ vcpu: Int, _ access: TDAccess
  ) throws(TDFault) -> SystemPage {
    guard configuration.isValid(access.address) else {
      let bits: UInt32 =
        1 | 8 | (access.kind == .write ? 2 : 0) | (access.cpl == 3 ? 4 : 0)
        | (access.kind == .fetch ? 16 : 0)
      throw .raise(.pageFault(errorCode: bits, linearAddress: access.linearAddress ?? 0))
    }
    let page = GuestPage(containing: access.address & ~configuration.sharedMask)
    if access.address & configuration.sharedMask != 0 {
      return try sharedAccess(vcpu, access, page, vm: 0)
    }
    if let cached = translations.lookUp(cpu: vcpu, level: 0, page) { return cached.systemPage }
    return try privateL1(vcpu, access, page)
  }

  private mutating func privateL1(
    _ vcpu: Int, _ access: TDAccess, _ page: GuestPage
  ) throws(TDFault) -> SystemPage {
    let leaf = sept.leaf(page)
    switch leaf?.walk.entry.state {
    case .some(.mapped):
      guard let system = leaf?.page else { break }
      translations.insert(
        CachedTranslation(
          cpu: vcpu, level: 0, guestPage: page, systemPage: system,
          rights: UInt8(truncatingIfNeeded: GPAAttributes.full.rawValue)))
      return system
    case .some(.blockedForWrite) where access.kind != .write:
      if let system = leaf?.page { return system }
    case .some(.pending):
      if !exitsOnPending {
        throw raiseVE(
          vcpu,
          VEInfo(
            exitReason: VMXExitReason.eptViolation.rawValue, qualification: UInt64(access.qualification),
            linearAddress: access.linearAddress ?? 0, guestAddress: access.address))
      }
      throw exit(vcpu, access, .pendingEPTViolation, vm: 0)
    default: break
    }
    throw exit(vcpu, access, .none, vm: 0)
  }

  mutating func sharedAccess(
    _ vcpu: Int, _ access: TDAccess, _ page: GuestPage, vm: Int
  ) throws(TDFault) -> SystemPage {
    if access.kind == .fetch || access.linearAddress == nil {
      note(.sharedCodeOrTables, vcpu, vm: vm, page)
      throw exit(vcpu, access, .none, vm: vm)
    }
    switch shared[page] {
    // A shared mapping of a private page would poison it on hardware; here it reaches nothing.
    case .page(let system) where ownership.isFree(system): return system
    case .device where vm == 0:
      throw raiseVE(
        vcpu,
        VEInfo(
          exitReason: VMXExitReason.eptViolation.rawValue, qualification: UInt64(access.qualification),
          linearAddress: access.linearAddress ?? 0, guestAddress: access.address))
    default: throw exit(vcpu, access, .none, vm: vm)
    }
  }

  /// A TD exit for an EPT violation (tdx.md A.5).
  mutating func exit(
    _ vcpu: Int, _ access: TDAccess, _ extended: ExtendedQualification, vm: Int
  ) -> TDFault {
    let exit = TDExit(
      .success, .eptViolation, qualification: access.qualification, vm: vm, extended: extended,
      guestAddress: access.address)
    leave(vcpu, exit)
    return .exit(exit)
  }

  /// Notes that the vCPU has left the TD with `exit`.
  mutating func leave(_ vcpu: Int, _ exit: TDExit, wasTDVMCALL: Bool = false) {
    guard isVCPU(vcpu) else { return }
    if vcpus[vcpu].currentVM != 0 {
      vcpus[vcpu].lastL2Exit = exit
      vcpus[vcpu].lastL2ExitWasTDVMCALL = wasTDVMCALL
    }
    if vcpus[vcpu].mode != .dead { vcpus[vcpu].mode = .out }
  }

  /// What an EPT for `vm` may map at a private page: the system page and the rights; nil if nothing.
  ///
  /// For the monitor, which derives its tables page by page. Rule: tdx.md B.4, H: L1 has all rights on
  /// an accepted page, an L2 what its alias says.
  public func privateMapping(
    _ page: GuestPage, vm: Int
  ) -> (page: SystemPage, rights: GPAAttributes)? {
    guard let leaf = sept.leaf(page), leaf.walk.entry.state == .mapped else { return nil }
    if vm == 0 { return (leaf.page, .full) }
    guard let alias = sept.attributes(page, vm: vm), !alias.isBlocked, alias.attributes.isPresent
    else { return nil }
    return (leaf.page, alias.attributes)
  }
}
