// TrustDomain+HostMemory: the SEAMCALLs by which the host builds and changes a TD's memory.

import TDX

extension TrustDomain {
  /// TDH.MEM.SEPT.ADD: puts an empty table of 4 KiB entries under a region.
  ///
  /// With `vm` > 0, under the same region of that L2. False if something is there already.
  public mutating func addTable(_ page: GuestPage, vm: Int = 0) -> Bool {
    if vm > 0 {
      guard vm <= configuration.l2Count, !sept.hasL2Table(page, level: 0, vm: vm),
        sept.walk(page, to: 1).entry.state.isTable
      else { return false }
      sept.setL2Table(page, vm: vm)
      return true
    }
    let walk = sept.walk(page, to: 1)
    guard walk.level == 1, walk.entry.state == .free else { return false }
    sept.update(page, level: 1) { $0.state = .table }
    return true
  }

  /// TDH.MEM.PAGE.ADD: a page of the initial image, usable at once and chained into MRTD.
  ///
  /// Rule: tdx.md D.7; only before the launch is finalized. The caller has put the contents in place.
  public mutating func addPage(_ page: GuestPage, _ system: SystemPage) -> Bool {
    let walk = sept.walk(page, to: 0)
    guard !measurements.isFinal, walk.level == 0, walk.entry.state == .free,
      ownership.take(system, count: 1)
    else { return false }
    sept.update(page, level: 0) { $0 = SEPTEntry(.mapped, system) }
    measurements.addPage(page)
    return true
  }

  /// TDH.MR.EXTEND: chains 256 bytes of an added page into MRTD.
  ///
  /// Rule: tdx.md D.7; `offset` is a multiple of 256 below 4096.
  public mutating func extend<Memory: PageMemory & ~Copyable>(
    _ page: GuestPage, offset: Int, _ memory: borrowing Memory
  ) -> Bool {
    guard !measurements.isFinal, offset & 255 == 0, offset >= 0, offset < 4096,
      let leaf = sept.leaf(page), leaf.walk.entry.state == .mapped
    else { return false }
    measurements.extend(page.address &+ UInt64(offset), leaf.page, offset, memory)
    return true
  }

  /// TDH.MR.FINALIZE: closes MRTD; from here on vCPUs can be entered.
  public mutating func finalizeMeasurement() { measurements.finalize() }

  /// The same for a launch of which the caller measures nothing: `register` is MRTD, computed when it is first read.
  public mutating func finalizeMeasurement(_ register: DeferredRegister) { measurements.finalize(register) }

  /// TDH.MEM.PAGE.AUG: gives the guest a page that it has to accept, 4 KiB or 2 MiB.
  public mutating func augment(_ page: GuestPage, _ system: SystemPage, level: UInt8 = 0) -> Bool {
    let walk = sept.walk(page, to: level)
    guard level <= 1, walk.level == level, walk.entry.state == .free else { return false }
    if level == 1, !page.is2MAligned || !system.is2MAligned { return false }
    guard ownership.take(system, count: level == 1 ? 512 : 1) else { return false }
    sept.update(page, level: level) { $0 = SEPTEntry(.pending, system) }
    return true
  }

  /// TDH.MEM.RANGE.BLOCK: takes a leaf from the guest, as a first step.
  ///
  /// Translations that CPUs hold stay usable until TRACK and the next entry of each vCPU.
  public mutating func block(_ page: GuestPage, level: UInt8 = 0) -> Bool {
    let walk = sept.walk(page, to: level)
    guard walk.level == level, level <= 1 else { return false }
    switch walk.entry.state {
    case .mapped: sept.update(page, level: level) { $0.state = .blocked }
    case .pending: sept.update(page, level: level) { $0.state = .pendingBlocked }
    default: return false
    }
    lastBlockEpoch = epoch
    return true
  }

  /// TDH.MEM.RANGE.UNBLOCK.
  ///
  /// Needs the same tracking as removal.
  public mutating func unblock(_ page: GuestPage, level: UInt8 = 0) -> Bool {
    let walk = sept.walk(page, to: level)
    guard walk.level == level, level <= 1, isTracked else { return false }
    switch walk.entry.state {
    case .blocked: sept.update(page, level: level) { $0.state = .mapped }
    case .pendingBlocked: sept.update(page, level: level) { $0.state = .pending }
    default: return false
    }
    return true
  }

  /// TDH.MEM.TRACK: starts a new epoch; vCPUs that come in from now on have flushed.
  public mutating func track() { epoch &+= 1 }

  /// Whether no vCPU can hold a translation from before the last BLOCK.
  ///
  /// The model keeps one block epoch for the whole TD, which makes the host track more often.
  public var isTracked: Bool {
    guard epoch > lastBlockEpoch else { return false }
    // By index: a vCPU is large, and this is asked in loops.
    for index in vcpus.indices {
      if case .running = vcpus[index].mode, vcpus[index].epoch <= lastBlockEpoch { return false }
    }
    return true
  }

  /// Whether a vCPU is out and will flush when it comes in: its translations cannot be used before.
  public func flushesAtEntry(_ vcpu: Int) -> Bool {
    guard isVCPU(vcpu), case .out = vcpus[vcpu].mode else { return false }
    return vcpus[vcpu].epoch != epoch
  }

  /// TDH.MEM.PAGE.REMOVE: takes a blocked leaf away; its contents are lost to the guest.
  public mutating func remove(_ page: GuestPage, level: UInt8 = 0) -> Bool {
    let walk = sept.walk(page, to: level)
    guard walk.level == level, level <= 1, isTracked,
      walk.entry.state == .blocked || walk.entry.state == .pendingBlocked
    else { return false }
    ownership.free(walk.entry.page, count: level == 1 ? 512 : 1)
    sept.dropAliases(page, level: level)
    sept.update(page, level: level) { $0 = SEPTEntry() }
    return true
  }

  /// TDH.MEM.PAGE.DEMOTE: splits a blocked 2 MiB leaf into 4 KiB leaves with the same state and aliases.
  public mutating func demote(_ page: GuestPage) -> Bool {
    let walk = sept.walk(page, to: 1)
    guard page.is2MAligned, walk.level == 1, isTracked,
      walk.entry.state == .blocked || walk.entry.state == .pendingBlocked, walk.entry.progress == 0
    else { return false }
    let state: SEPTState = walk.entry.state == .blocked ? .mapped : .pending
    var words = InlineArray<4, UInt16>(repeating: 0)
    for vm in 1..<4 { words[vm] = sept.alias(page, level: 1, vm: vm) }
    sept.dropAliases(page, level: 1)
    sept.update(page, level: 1) {
      $0 = SEPTEntry()
      $0.state = .table
    }
    for vm in 1..<4 where words[vm] != 0 { sept.setL2Table(page, vm: vm) }
    for offset in 0..<UInt64(512) {
      let small = page.advanced(by: offset)
      sept.update(small, level: 0) {
        $0 = SEPTEntry(state, walk.entry.page.advanced(by: offset))
      }
      for vm in 1..<4 { sept.setAlias(small, level: 0, vm: vm, words[vm]) }
    }
    return true
  }

  /// The host takes or lets go of the lock of one leaf, so that guest calls on it answer busy.
  public mutating func lockEntry(_ page: GuestPage, level: UInt8 = 0, isLocked: Bool) {
    sept.update(page, level: level) { $0.isLockedByHost = isLocked }
  }
}
