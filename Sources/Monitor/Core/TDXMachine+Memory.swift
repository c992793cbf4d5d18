// TDXMachine+Memory: nested faults, the tables that follow from the model, and the host's part in both.

import Bits
import Model
import Seams
import TDX

extension TDXMachine {
  private static var writeBit: Int { 1 }
  private static var fetchBit: Int { 4 }
  private static var walkBit: Int { 33 }

  /// The access behind a nested fault of VM `vm` (APM 2, 15.25.6).
  ///
  /// The linear address is that of the instruction's memory operand, as SVM does not report one.
  func nestedAccess(_ index: Int, vm: Int) -> TDAccess {
    let cpu = cpu(index, vm: vm)
    let info = cpu[VMCB.exitInfo1]
    let kind: TDAccessKind =
      info.bit(Self.fetchBit) ? .fetch : info.bit(Self.writeBit) ? .write : .read
    var linear: UInt64?
    if !info.bit(Self.walkBit) {
      linear = kind == .fetch ? cpu[VMCB.rip] : instruction(at: index, vm: vm)?.linearAddress(cpu) ?? 0
    }
    return TDAccess(cpu[VMCB.exitInfo2], kind, cpl: cpu.cpl, linearAddress: linear)
  }

  /// A nested fault of L1: the model decides, and what it allows is mapped.
  func nestedFault(_ index: Int) {
    var cpu = cpu(index)
    let address = cpu[VMCB.exitInfo2]
    noteRepeat(index, address)
    do throws(TDFault) {
      // The operand is decoded only if it can matter: for a #VE, which only shared addresses raise here.
      let info = cpu[VMCB.exitInfo1]
      let isPlain = address & domain.configuration.sharedMask == 0 && domain.exitsOnPending
      let access =
        isPlain
        ? TDAccess(
          address, info.bit(Self.fetchBit) ? .fetch : info.bit(Self.writeBit) ? .write : .read,
          cpl: cpu.cpl, linearAddress: info.bit(Self.walkBit) ? nil : 0)
        : nestedAccess(index, vm: 0)
      let system = try domain.accessL1(index, access)
      if address & domain.configuration.sharedMask != 0 {
        mapShared(address, system, vm: 0)
      } else {
        mapPrivate(GuestPage(containing: address), vm: 0)
      }
      cpu.resumeDelivery()
    } catch {
      carryOut(index, error)
    }
  }

  /// Guards against a fault that comes again and again: the monitor's own defect, not the guest's.
  func noteRepeat(_ index: Int, _ address: UInt64) {
    if processors[index].lastFault == address {
      processors[index].faultRepeats += 1
      if processors[index].faultRepeats > 100_000 { stop(.panic, index, "a nested fault repeats") }
    } else {
      processors[index].lastFault = address
      processors[index].faultRepeats = 0
    }
  }

  /// Makes the table of `vm` agree with the model about one private page, or the 2 MiB leaf around it.
  func mapPrivate(_ page: GuestPage, vm: Int) {
    noteTouched(page)
    guard let leaf = domain.sept.leaf(page) else {
      tables[vm].unmap(page.rawValue, &hardware)
      return
    }
    let isLarge = leaf.walk.level == 1
    let first = isLarge ? page.base2M : page
    guard let (system, attributes) = domain.privateMapping(first, vm: vm), attributes.contains(.read)
    else {
      for offset in 0..<UInt64(isLarge ? 512 : 1) {
        tables[vm].unmap(first.rawValue &+ offset, &hardware)
      }
      return
    }
    let rights = Self.rights(attributes)
    let isMapped =
      isLarge
      ? tables[vm].map2M(first.rawValue, to: system, rights, &hardware)
      : tables[vm].map(page.rawValue, to: system, rights, &hardware)
    if !isMapped { outOfMemory() }
  }

  /// A nested table cannot tell user from supervisor fetches: either right makes a page executable.
  private static func rights(_ attributes: GPAAttributes) -> NestedRights {
    var rights: NestedRights = []
    if attributes.contains(.write) { rights.insert(.write) }
    if !attributes.isDisjoint(with: [.executeSupervisor, .executeUser]) { rights.insert(.execute) }
    return rights
  }

  func mapShared(_ address: UInt64, _ system: SystemPage, vm: Int) {
    if !tables[vm].map(address >> 12, to: system, .write, &hardware) { outOfMemory() }
  }

  func outOfMemory() {
    hardware.line("monitor: no memory is left for nested tables")
    hardware.end(.panic)
  }

  /// Makes all tables agree with the model about a page, in both halves.
  func apply(_ page: GuestPage) {
    for vm in 0..<tables.count {
      mapPrivate(page, vm: vm)
      let address = page.address | domain.configuration.sharedMask
      guard case .page(let system) = domain.shared[page], domain.ownership.isFree(system) else {
        tables[vm].unmap(address >> 12, &hardware)
        continue
      }
      // The shared half of an L2 is filled by its faults, since it may be switched off.
      if vm == 0 { mapShared(address, system, vm: 0) }
    }
  }

  /// The host deals with an exit of L1 or L2 that concerns memory, or gives up.
  func hostExit(_ index: Int, _ exit: TDExit) {
    switch exit.reason {
    case .eptViolation: hostViolation(index, exit)
    case .externalInterrupt, .exceptionOrNMI: break
    case .tripleFault: stop(.panic, index, "triple fault")
    default: stop(.panic, index, "the host does not know this exit")
    }
  }

  private func hostViolation(_ index: Int, _ exit: TDExit) {
    let address = exit.registers.r8
    let page = GuestPage(containing: address & ~domain.configuration.sharedMask)
    let extended = ExtendedQualification(rawValue: exit.registers.rdx)
    guard let system = memory[page] else {
      report(index, "violation: access outside memory", address)
    }
    if address & domain.configuration.sharedMask != 0 {
      guard domain.sept.leaf(page) == nil, exit.registers.rcx & 4 == 0 else {
        report(index, "violation: shared access to a private page, or code in shared memory", address)
      }
      domain.shared[page] = .page(system)
      return
    }
    if extended.kind == ExtendedQualification.pendingEPTViolation.kind {
      report(index, "violation: access to a page that was not accepted", address)
    }
    if extended.kind == 2, domain.addTable(page, vm: Int(extended.rawValue >> 52 & 3)) { return }
    if case .page = domain.shared[page] {
      report(index, "violation: private access to a shared page", address)
    }
    if add(page, extended) { return }
    report(index, "violation: access to a blocked page", address)
  }

  /// TDH.MEM.PAGE.AUG for an honest host: 2 MiB if the guest asked for that and nothing is there, else 4 KiB.
  private func add(_ page: GuestPage, _ extended: ExtendedQualification) -> Bool {
    guard let system = memory[page] else { return false }
    let base = page.base2M
    if extended.kind == 1, extended.requestedLevel == 1, let large = memory[base], large.is2MAligned,
      memory.isOrdinary(base.advanced(by: 511)), domain.augment(base, large, level: 1)
    {
      return true
    }
    if domain.sept.walk(page, to: 0).level == 1, !domain.addTable(page) { return false }
    return domain.augment(page, system)
  }

  func report(_ index: Int, _ reason: String, _ address: UInt64) -> Never {
    hardware.write("monitor: page ")
    hardware.write(hex: address)
    hardware.endLine()
    stop(.violation, index, reason)
  }
}
