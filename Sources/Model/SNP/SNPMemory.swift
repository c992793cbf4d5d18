// SNPMemory: the memory of one SNP guest as the RMP guards it, and the accesses to it.

import SNP

/// The reverse map, the host's nested table and the TLBs of one guest, and the rules between them.
///
/// Contents are not kept here: a successful access answers the system page that it reaches, and the
/// machine around the model (hosted memory, or the monitor) moves the bytes.
public struct SNPMemory: ~Copyable {
  /// The reverse map.
  public internal(set) var rmp: RMP
  /// The host's nested page table; the host may change it at any time.
  public var nested: NestedMap
  /// Reductions of rights that are not flushed everywhere.
  public internal(set) var revocations: RevocationLedger
  /// What the CPUs' TLBs may hold.
  public internal(set) var translations: TranslationCache
  /// What the guest did that hardware lets pass and this model does not.
  public internal(set) var breaches = BreachLog()
  /// The guest's address-space identifier, not 0.
  public let asid: UInt32

  /// A guest with `asid` on a machine of `systemPageCount` pages, whose own addresses lie in
  /// `windows`; all storage is allocated here.
  public init(
    asid: UInt32, systemPageCount: Int, windows: PageWindows, translationCapacity: Int = 0,
    revocationCapacity: Int = 256
  ) {
    self.asid = asid
    rmp = RMP(pageCount: systemPageCount)
    nested = NestedMap(windows: windows)
    revocations = RevocationLedger(capacity: revocationCapacity)
    translations = TranslationCache(capacity: translationCapacity)
  }

  /// The private page behind `page`, after every check but Validated and VMPL.
  ///
  /// Rule: reference B.1.3: present in the nested table, then assigned, owned by this ASID, reverse
  /// map equal, not immutable, and no nested mapping larger than the RMP entry; each failure is a
  /// nested page fault with `code` plus what failed.
  func resolve(
    _ page: GuestPage, _ code: NestedFaultCode
  ) throws(GuestFault) -> (NestedEntry, RMPEntry) {
    guard let mapping = nested[page] else { throw .nested(code) }
    let failed = code.union([.present, .rmp])
    guard let governing = rmp.governing(mapping.page), let entry = rmp.read(mapping.page),
      entry.isAssigned, entry.asid == asid, entry.guestPage == page, !entry.isImmutable
    else { throw .nested(failed) }
    if mapping.pageSize == .size2M, governing.pageSize == .size4K {
      throw .nested(failed.union(.sizeMismatch))
    }
    return (mapping, entry)
  }

  /// Checks one access of `caller` to the guest page `page` and answers the system page it reaches.
  ///
  /// Rule: reference B.1.3 (APM volume 2, table 15-39). Order: nested table, owner, reverse map, size
  /// (nested fault), Validated (#VC 0x404), VMPL (nested fault with the VMPL bit).
  /// Requires: `page` carries no C-bit; guest page-table checks are done.
  public mutating func access(
    _ caller: SNPCaller, _ page: GuestPage, _ kind: SNPAccessKind
  ) throws(GuestFault) -> SystemPage {
    if kind.isPrivate { return try privateAccess(caller, page, kind) }
    let code = kind.faultCode(cpl: caller.cpl)
    guard let mapping = nested[page] else { throw .nested(code) }
    if case .write = kind {
      guard mapping.isWritable else { throw .nested(code.union(.present)) }
      guard let entry = rmp.governing(mapping.page), entry.isHypervisorOwned else {
        throw .nested(code.union([.present, .rmp]))
      }
    }
    return mapping.page
  }

  private mutating func privateAccess(
    _ caller: SNPCaller, _ page: GuestPage, _ kind: SNPAccessKind
  ) throws(GuestFault) -> SystemPage {
    let needed = kind.needed(cpl: caller.cpl)
    if let cached = translations.lookUp(cpu: caller.cpu, level: caller.vmpl.rawValue, page),
      RMPPermissions(rawValue: cached.rights).isSuperset(of: needed)
    {
      if revocations.isOpen(page, caller.vmpl),
        !(privateMapping(page, caller.vmpl)?.permissions.isSuperset(of: needed) ?? false)
      {
        note(.staleTranslationUsed, caller, page)
      }
      return cached.systemPage
    }
    let code = kind.faultCode(cpl: caller.cpl)
    let (mapping, entry) = try resolve(page, code)
    if needed.contains(.write), !mapping.isWritable { throw .nested(code.union(.present)) }
    guard entry.isValidated else { throw .notValidated }
    let held = entry.permissions(caller.vmpl)
    // Write without Read is illegal and faults on any use (reference B.1.1).
    let isIllegal = held.contains(.write) && !held.contains(.read)
    guard held.isSuperset(of: needed), !isIllegal else {
      throw .nested(code.union([.present, .rmp, .vmpl]))
    }
    translations.insert(
      CachedTranslation(
        cpu: caller.cpu, level: caller.vmpl.rawValue, guestPage: page, systemPage: mapping.page,
        rights: (mapping.isWritable ? held : held.subtracting(.write)).rawValue))
    return mapping.page
  }

  /// What a nested page table for `vmpl` may map at `page` with C = 1: the system page and the
  /// rights, or nil.
  ///
  /// For the monitor, which derives its tables page by page.
  ///
  /// Rule: the same as `access`; supervisor and user execute stay apart.
  public func privateMapping(
    _ page: GuestPage, _ vmpl: VMPL
  ) -> (page: SystemPage, permissions: RMPPermissions)? {
    guard let (mapping, entry) = try? resolve(page, []), entry.isValidated else { return nil }
    var held = entry.permissions(vmpl)
    if held.contains(.write), !held.contains(.read) { return nil }
    if !mapping.isWritable { held.remove(.write) }
    return held.isEmpty ? nil : (mapping.page, held)
  }

  /// What a nested page table may map at `page` with C = 0: reads go anywhere the host says,
  /// writes only to pages that the hypervisor owns (reference B.1.3).
  public func sharedMapping(_ page: GuestPage) -> (page: SystemPage, isWritable: Bool)? {
    guard let mapping = nested[page] else { return nil }
    let isHostPage = rmp.governing(mapping.page)?.isHypervisorOwned ?? false
    return (mapping.page, mapping.isWritable && isHostPage)
  }

  /// A write by the host to system memory: allowed only to pages that it owns.
  ///
  /// Rule: reference B.1.3; otherwise #PF with the RMP bit 31. Host reads need no check.
  public func hostMayWrite(_ page: SystemPage) -> Bool {
    rmp.governing(page)?.isHypervisorOwned ?? false
  }

  mutating func note(_ rule: BreachRule, _ caller: SNPCaller, _ page: GuestPage) {
    breaches.note(
      Breach(rule: rule, cpu: caller.cpu, level: caller.vmpl.rawValue, page: page))
  }
}
