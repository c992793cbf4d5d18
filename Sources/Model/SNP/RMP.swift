// RMP: the reverse map table and the instructions by which the host changes it.

import SNP

/// The reverse map: one entry per 4 KiB page of system memory.
///
/// A 2 MiB entry lives at the first of its 512 places, as on hardware; the other 511 are dead until
/// PSMASH fills them. The storage is fixed at `init`; nothing grows later.
public struct RMP: ~Copyable {
  private var entries: [RMPEntry]

  /// A table for `pageCount` pages of system memory, all owned by the hypervisor.
  public init(pageCount: Int) {
    entries = [RMPEntry](repeating: RMPEntry(), count: max(0, pageCount))
  }

  /// How many 4 KiB pages the table covers.
  public var pageCount: Int { entries.count }

  private func index(_ page: SystemPage) -> Int? {
    guard let index = Int(exactly: page.rawValue), index < entries.count else { return nil }
    return index
  }

  /// The place of the entry that governs `page`: the 2 MiB entry around it if there is one.
  private func governingIndex(_ page: SystemPage) -> Int? {
    guard let own = index(page), let base = index(page.base2M) else { return nil }
    return entries[base].isAssigned && entries[base].pageSize == .size2M ? base : own
  }

  /// The entry that governs `page`, as stored; nil outside the table.
  public func governing(_ page: SystemPage) -> RMPEntry? {
    governingIndex(page).map { entries[$0] }
  }

  /// RMPREAD: what holds for the 4 KiB page `page`, with its own guest page; nil outside the table.
  ///
  /// Rule: reference B.1.2 (the instruction's opcode is unverified, its meaning is not).
  public func read(_ page: SystemPage) -> RMPEntry? {
    guard let place = governingIndex(page) else { return nil }
    var entry = entries[place]
    if entry.pageSize == .size2M, entry.isAssigned {
      entry.guestPage = entry.guestPage.advanced(by: page.rawValue & 511)
    }
    return entry
  }

  /// Changes the entry that governs `page` in place.
  ///
  /// For the guest instructions of this room.
  mutating func update(_ page: SystemPage, _ change: (inout RMPEntry) -> Void) {
    guard let place = governingIndex(page) else { return }
    change(&entries[place])
  }

  /// RMPUPDATE: the host gives a page to a guest, to the firmware, or takes it back.
  ///
  /// Rule: reference B.1.2. Codes 1 input, 2 immutable or firmware page, 3 running VMSA, 4 a 2 MiB
  /// update over assigned 4 KiB pages or the reverse. The order 1, 2, 3, 4 is this model's choice.
  /// A change of owner, ASID, guest page or size clears Validated, VMSA and all lower permissions.
  public mutating func rmpUpdate(_ page: SystemPage, _ record: RMPUpdateRecord) -> RMPStatus {
    guard record.pageSize.isArchitectural, let place = index(page) else { return .failInput }
    let size = record.pageSize
    guard record.guestAddress & (size.byteCount &- 1) == 0, record.guestAddress < 1 << 52
    else { return .failInput }
    if size == .size2M {
      guard page.is2MAligned, index(page.advanced(by: 511)) != nil else { return .failInput }
    }
    // An owner that the table of B.1.1 does not list is refused (stricter than documented).
    if record.assigned ? record.asid == 0 && !record.immutable : record.asid != 0 || record.immutable {
      return .failInput
    }
    if let refusal = refusal(page, size) { return refusal }

    let old = entries[place]
    var new = RMPEntry()
    new.isAssigned = record.assigned
    new.asid = record.asid
    new.pageSize = size
    new.isImmutable = record.immutable
    new.guestPage = GuestPage(containing: record.guestAddress)
    if old.isAssigned, record.assigned, old.asid == record.asid, old.pageSize == size,
      old.guestPage == new.guestPage
    {
      new = old
      new.isImmutable = record.immutable
    }
    if !record.assigned { new.pageSize = .size4K }
    entries[place] = new
    return .success
  }

  /// The refusal of RMPUPDATE for any page of the range, in the order 2, 3, 4.
  private func refusal(_ page: SystemPage, _ size: RMPPageSize) -> RMPStatus? {
    guard let place = governingIndex(page) else { return .failInput }
    var isInUse = entries[place].isInUse
    var isImmutable = entries[place].isImmutable
    var overlaps = entries[place].isAssigned && entries[place].pageSize == .size2M && size == .size4K
    if size == .size2M, entries[place].pageSize == .size4K || !entries[place].isAssigned {
      for offset in 0..<512 where place + offset < entries.count {
        let entry = entries[place + offset]
        guard entry.isAssigned else { continue }
        overlaps = true
        isInUse = isInUse || entry.isInUse
        isImmutable = isImmutable || entry.isImmutable
      }
    }
    if isImmutable { return .failPermission }
    if isInUse { return .failInUse }
    return overlaps ? .failOverlap : nil
  }

  /// PSMASH: splits a 2 MiB entry into 512 entries of 4 KiB that keep Validated, VMSA and rights.
  ///
  /// Rule: reference B.1.2. Code 7 outside the table, 1 misaligned or no 2 MiB entry, 2 immutable,
  /// 3 in use.
  public mutating func psmash(_ page: SystemPage) -> RMPStatus {
    guard page.is2MAligned else { return .failInput }
    guard let place = index(page), index(page.advanced(by: 511)) != nil else {
      return .failBadAddress
    }
    let whole = entries[place]
    guard whole.isAssigned, whole.pageSize == .size2M else { return .failInput }
    if whole.isImmutable { return .failPermission }
    if whole.isInUse { return .failInUse }
    for offset in 0..<512 { entries[place + offset] = whole.subpage(UInt64(offset)) }
    return .success
  }

  /// What the firmware's LAUNCH_UPDATE does to the entry: validated, rights given, mutable again.
  ///
  /// Rule: reference B.10. False if the page is not in the state the host must have prepared
  /// (assigned to `asid`, immutable).
  mutating func firmwareLaunch(
    _ page: SystemPage, asid: UInt32, isVMSA: Bool,
    permissions: (RMPPermissions, RMPPermissions, RMPPermissions)
  ) -> Bool {
    guard let place = governingIndex(page) else { return false }
    let entry = entries[place]
    guard entry.isAssigned, entry.isImmutable, entry.asid == asid, asid != 0 else { return false }
    entries[place].isValidated = true
    entries[place].isVMSA = isVMSA
    entries[place].setPermissions(permissions.0, for: .vmpl1)
    entries[place].setPermissions(permissions.1, for: .vmpl2)
    entries[place].setPermissions(permissions.2, for: .vmpl3)
    entries[place].isImmutable = false
    return true
  }

  /// PAGE_RECLAIM: the firmware lets go of a page, which becomes the hypervisor's to RMPUPDATE.
  ///
  /// Rule: reference B.10 (command 0x0C7). False unless the page is immutable.
  mutating func firmwareReclaim(_ page: SystemPage) -> Bool {
    guard let place = governingIndex(page), entries[place].isImmutable else { return false }
    entries[place] = RMPEntry()
    return true
  }
}
