// SNPGuest+Memory: nested faults, and nested tables that follow from the model page by page.

import Bits
import Model
import SNP
import Seams
import X86

extension SNPGuest {
  /// A nested fault: the model decides; what it allows is mapped, what it forbids goes where the architecture says.
  func nestedFault(_ index: Int, _ vmpl: VMPL) {
    var cpu = cpu(index, vmpl)
    let place = Int(vmpl.rawValue)
    let isUnpaged = !cpu[VMCB.cr0].bit(31)
    // The guest switched paging since the entry: the other root may well map the page.
    if processors[index].levels[place]?.usesUnpagedRoot != isUnpaged {
      cpu.resumeDelivery()
      return
    }
    let address = cpu[VMCB.exitInfo2]
    noteRepeat(index, address)
    let info = NestedFaultCode(rawValue: cpu[VMCB.exitInfo1])
    let page = GuestPage(containing: address & ~cMask)
    let isMarked = isUnpaged || address & cMask != 0
    guard machine.memory.nested.windows.index(page) != nil else {
      deviceAccess(index, vmpl, page, isMarked: !isUnpaged && address & cMask != 0)
      return
    }
    let kind = accessKind(info, isMarked: isMarked)
    if kind.isPrivate, !isMarked { relax(index, page) }
    do throws(GuestFault) {
      _ = try machine.memory.access(SNPCaller(cpu: index, vmpl: vmpl, cpl: cpu.cpl), page, kind)
      map(vmpl, page, isPrivate: kind.isPrivate, isMarked: address & cMask != 0, isUnpaged: isUnpaged)
      cpu.resumeDelivery()
    } catch {
      switch error {
      case .notValidated:
        cpu[VMCB.cr2] = linearAddress(index, vmpl, info)
        raiseVC(index, vmpl, .pageNotValidated)
      case .nested(let code): hostFault(index, vmpl, code, page)
      default: stop(.crashed, index, "an access failed in an unknown way")
      }
    }
  }

  private func accessKind(_ info: NestedFaultCode, isMarked: Bool) -> SNPAccessKind {
    // A walk's access to a table counts as a write in SVM (APM 2, 15.25.6); the RMP asks for rights only
    // where A or D is really set, which cannot be seen: stricter, both need the write.
    if info.contains(.pageTableWalk) { return .pageTableWalk(writes: info.contains(.write)) }
    if info.contains(.fetch) { return .fetch }
    return info.contains(.write) ? .write(encrypted: isMarked) : .read(encrypted: isMarked)
  }

  /// A table walk or fetch through C = 0: hardware treats it as private, TCG does not (svm-monitor.md §2, rule b).
  private func relax(_ index: Int, _ page: GuestPage) {
    relaxedPageCount &+= 1
    if options.isStrict { violation(index, "rule b: walk or fetch with C = 0", page) }
  }

  /// The linear address of a data access, or of the fetch.
  private func linearAddress(_ index: Int, _ vmpl: VMPL, _ info: NestedFaultCode) -> UInt64 {
    let cpu = cpu(index, vmpl)
    if info.contains(.fetch) { return cpu[VMCB.rip] }
    return instruction(index, vmpl)?.linearAddress(cpu) ?? 0
  }

  /// Guards against a fault that comes again and again: the monitor's own defect, not the guest's.
  private func noteRepeat(_ index: Int, _ address: UInt64) {
    if processors[index].lastFault == address {
      processors[index].faultRepeats &+= 1
      if processors[index].faultRepeats > 100_000 { stop(.crashed, index, "a nested fault repeats") }
    } else {
      processors[index].lastFault = address
      processors[index].faultRepeats = 0
    }
  }

  /// An access where the guest has no memory: shared ones are MMIO, which is the guest's #VC.
  private func deviceAccess(_ index: Int, _ vmpl: VMPL, _ page: GuestPage, isMarked: Bool) {
    if isMarked { violation(index, "B.1.3: private access where there is no memory", page) }
    raiseVC(index, vmpl, .nestedPageFault)
  }

  /// A nested fault that is the host's: it smashes a 2 MiB entry; everything else is a violation.
  ///
  /// Stricter than a host that converts pages by itself: no guest of ours may rely on that.
  func hostFault(_ index: Int, _ vmpl: VMPL, _ code: NestedFaultCode, _ page: GuestPage) {
    guard let entry = machine.memory.nested[page] else {
      violation(index, "B.1.3: access to a page that the host took away", page)
    }
    if code.contains(.sizeMismatch) {
      if machine.memory.rmp.governing(entry.page)?.pageSize == .size2M,
        machine.memory.psmash(entry.page.base2M) == .success
      {
        remapAll(page.base2M, count: 512)
        return
      }
      // The host's own mapping was too large: it maps small.
      machine.memory.nested[page] = NestedEntry(page: entry.page, isWritable: entry.isWritable)
      return
    }
    if code.contains(.vmpl) { violation(index, "B.1.4: VMPL permissions", page) }
    violation(index, "B.1.3: owner, reverse map or C-bit", page)
  }

  // MARK: Nested tables

  private func map(_ vmpl: VMPL, _ page: GuestPage, isPrivate: Bool, isMarked: Bool, isUnpaged: Bool) {
    guard let pair = roots[Int(vmpl.rawValue)] else { return }
    let table = isUnpaged ? pair.unpaged : pair.paged
    let number = page.rawValue | (isMarked ? cMask >> 12 : 0)
    if isPrivate { noteTouched(page) }
    guard isPrivate else {
      guard let (system, isWritable) = machine.memory.sharedMapping(page) else { return }
      if !table.map(number, to: system, isWritable ? .write : [], &hardware) { outOfMemory() }
      return
    }
    guard let (system, permissions) = machine.memory.privateMapping(page, vmpl) else { return }
    var rights: NestedRights = []
    if permissions.contains(.write) { rights.insert(.write) }
    // A nested table cannot tell user from supervisor fetches: either right makes a page executable.
    if !permissions.isDisjoint(with: [.executeUser, .executeSupervisor]) { rights.insert(.execute) }
    let isLarge =
      machine.memory.rmp.governing(system)?.pageSize == .size2M && isUniform(page) && isMarked
    let isMapped =
      isLarge
      ? table.map2M(page.base2M.rawValue | cMask >> 12, to: system.base2M, rights, &hardware)
      : table.map(number, to: system, rights, &hardware)
    if !isMapped { outOfMemory() }
  }

  /// Whether the host maps the 2 MiB around `page` in one piece, all of it alike.
  private func isUniform(_ page: GuestPage) -> Bool {
    guard let first = machine.memory.nested[page.base2M], first.page.is2MAligned else { return false }
    for offset in 1..<UInt64(512) {
      guard let entry = machine.memory.nested[page.base2M.advanced(by: offset)],
        entry.page == first.page.advanced(by: offset), entry.isWritable == first.isWritable
      else { return false }
    }
    return true
  }

  /// Takes `count` pages out of every table: the next access asks the model anew.
  func remapAll(_ page: GuestPage, count: UInt64) {
    for place in 0..<4 {
      guard let pair = roots[place] else { continue }
      for offset in 0..<count {
        let number = page.rawValue &+ offset
        pair.paged.unmap(number, &hardware)
        pair.paged.unmap(number | cMask >> 12, &hardware)
        pair.unpaged.unmap(number, &hardware)
      }
    }
  }
}
