// TrustDomain+Pages: the leaves that accept pages and hand them to L2.

import TDX

extension TrustDomain {
  /// Whether RCX of a page leaf is well formed: no reserved bits, aligned to its level, private.
  func isWellFormed(_ operand: PageOperand, maximumLevel: UInt8) -> Bool {
    operand.reserved == 0 && operand.level <= maximumLevel
      && operand.address & (PageOperand.byteCount(level: operand.level) &- 1) == 0
      && configuration.isValidPrivate(operand.address)
  }

  /// A TD exit for a page leaf whose walk failed (tdx.md A.5, types 1 and 5).
  private mutating func walkExit(
    _ vcpu: Int, _ kind: ExtendedQualification.Walk, _ operand: PageOperand, _ walk: SEPTWalk,
    vm: Int = 0
  ) -> TDLeafEnd {
    let extended = ExtendedQualification(
      kind, requestedLevel: operand.level, reachedLevel: walk.level, state: walk.entry.state.rawValue,
      isLeaf: walk.isLeaf, vm: UInt8(vm & 3))
    let exit = TDExit(
      .success, .eptViolation, qualification: TDAccessKind.write.rawValue, extended: extended,
      guestAddress: operand.address)
    leave(vcpu, exit)
    return .fault(.exit(exit))
  }

  /// TDG.MEM.PAGE.ACCEPT: takes a pending page into use, cleared.
  ///
  /// Rule: tdx.md A.4 leaf 6, steps 1 to 7 in that order.
  mutating func pageAccept<Memory: PageMemory & ~Copyable>(
    _ context: TDCallContext, _ registers: GeneralRegisters, _ memory: inout Memory
  ) throws(TDLeafEnd) -> TDXStatus {
    let operand = PageOperand(rawValue: registers.rcx)
    guard isWellFormed(operand, maximumLevel: 1) else { return .operandInvalid.with(.rcx) }
    let page = GuestPage(containing: operand.address)
    let walk = sept.walk(page, to: operand.level)
    if walk.level > operand.level {
      guard walk.entry.state.isAccessible else {
        throw walkExit(context.vcpu, .accept, operand, walk)
      }
      note(.alreadyAccepted, context.vcpu, vm: 0, page)
      return .pageAlreadyAccepted.with(detail: UInt32(walk.level))
    }
    if walk.entry.isLockedByHost { return .operandBusy.with(.rcx) }
    if walk.entry.state.isTable {
      return .pageSizeMismatch.with(detail: UInt32(operand.level))
    }
    if walk.entry.state.isAccessible {
      note(.alreadyAccepted, context.vcpu, vm: 0, page)
      return .pageAlreadyAccepted.with(detail: UInt32(operand.level))
    }
    guard walk.entry.state == .pending else {
      throw walkExit(context.vcpu, .accept, operand, walk)
    }
    try clear(context, page, walk, &memory)
    sept.update(page, level: walk.level) {
      $0.state = .mapped
      $0.progress = 0
    }
    sept.unblockAliases(page, level: walk.level)
    return .success
  }

  /// Step 7: clears the page; a 2 MiB one is left between 4 KiB units when an interrupt is pending.
  private mutating func clear<Memory: PageMemory & ~Copyable>(
    _ context: TDCallContext, _ page: GuestPage, _ walk: SEPTWalk, _ memory: inout Memory
  ) throws(TDLeafEnd) {
    let count: UInt64 = walk.level == 1 ? 512 : 1
    var done = walk.entry.progress
    while done < count {
      memory.zero(walk.entry.page.advanced(by: done))
      done &+= 1
      if context.isInterruptPending, done < count {
        sept.update(page, level: walk.level) { $0.progress = done }
        throw .interrupted
      }
    }
  }

  /// TDG.MEM.PAGE.ATTR.RD: the attributes of all VMs on the leaf around a page.
  ///
  /// Rule: tdx.md A.4 leaf 23. A malformed or shared address is OPERAND_INVALID | RCX (unverified).
  mutating func pageAttrRead(
    _ context: TDCallContext, _ registers: inout GeneralRegisters
  ) throws(TDLeafEnd) -> TDXStatus {
    let address = registers.rcx
    guard configuration.isValidPrivate(address) else {
      registers.rcx = 0
      registers.rdx = 0
      return .operandInvalid.with(.rcx)
    }
    let page = GuestPage(containing: address)
    let walk = sept.walk(page, to: 0)
    guard walk.isLeaf, walk.entry.state.isAccessible || walk.entry.state == .pending else {
      throw walkExit(context.vcpu, .attributesWrite, PageOperand(address: address, level: 0), walk)
    }
    if walk.entry.isLockedByHost {
      registers.rcx = 0
      registers.rdx = 0
      return .operandBusy.with(.rcx)
    }
    let aligned = address & ~(PageOperand.byteCount(level: walk.level) &- 1)
    registers.rcx = PageOperand(address: aligned, level: walk.level).rawValue
    if walk.entry.state == .pending { registers.rcx |= PageOperand.pendingBit }
    registers.rdx = packedAttributes(page, walk)
    return .success
  }

  /// All VMs' attributes as RDX holds them: lane 0 is L1 with all rights, which nobody can change.
  private func packedAttributes(_ page: GuestPage, _ walk: SEPTWalk) -> UInt64 {
    var packed = GPAAttributes([.full, .valid]).packed(lane: 0)
    for vm in stride(from: 1, through: configuration.l2Count, by: 1) {
      let word = sept.alias(page, level: walk.level, vm: vm) & ~SecureEPT.aliasBlocked
      packed |= GPAAttributes(rawValue: word | GPAAttributes.valid.rawValue).packed(lane: vm)
    }
    return packed
  }

  /// TDG.MEM.PAGE.ATTR.WR: changes what the L2 virtual machines may do with a page.
  ///
  /// Rule: tdx.md B.4, checks in the module's order; everything is validated before anything changes.
  mutating func pageAttrWrite(
    _ context: TDCallContext, _ registers: inout GeneralRegisters
  ) throws(TDLeafEnd) -> TDXStatus {
    let wanted = registers.rdx
    let masks = registers.r8
    for vm in 0..<4 where vm == 0 || vm > configuration.l2Count {
      if GPAAttributes(lane: vm, of: wanted) != [] { return .operandInvalid.with(.rdx) }
      if GPAAttributes(lane: vm, of: masks) != [] { return .operandInvalid.with(.r8) }
    }
    for vm in 1..<4 {
      let lane = GPAAttributes(lane: vm, of: wanted)
      if lane != [], !lane.contains(.valid) { return .operandInvalid.with(.rdx) }
    }
    let operand = PageOperand(rawValue: registers.rcx)
    guard isWellFormed(operand, maximumLevel: 2) else { return .operandInvalid.with(.rcx) }
    let page = GuestPage(containing: operand.address)
    let walk = sept.walk(page, to: operand.level)
    guard walk.level == operand.level else {
      throw walkExit(context.vcpu, .attributesWrite, operand, walk)
    }
    if walk.entry.isLockedByHost { return .operandBusy.with(.rcx) }
    if walk.entry.state.isTable {
      registers.rcx = 0
      registers.rdx = 0
      return .pageSizeMismatch.with(detail: UInt32(operand.level))
    }
    guard walk.entry.state == .mapped || walk.entry.state == .pending else {
      throw walkExit(context.vcpu, .attributesWrite, operand, walk)
    }
    let pendingBit = walk.entry.state == .pending ? PageOperand.pendingBit : 0
    var new = InlineArray<4, UInt16>(repeating: 0)
    for vm in stride(from: 1, through: configuration.l2Count, by: 1) {
      let lane = GPAAttributes(lane: vm, of: wanted)
      let old = sept.alias(page, level: walk.level, vm: vm)
      new[vm] = old
      guard lane.contains(.valid) else { continue }
      let mask = GPAAttributes(lane: vm, of: masks).rawValue & 0x7FFF
      let isAliased = old & GPAAttributes.valid.rawValue != 0
      let rights = GPAAttributes(
        rawValue: (isAliased ? old & 0x7F & ~mask : 0) | (lane.rawValue & mask))
      guard Self.isLegal(rights) else {
        registers.rcx = 0
        registers.rdx = packedAttributes(page, walk)
        return .pageAttributesInvalid
      }
      if rights.isPresent, !isAliased, !sept.hasL2Table(page, level: walk.level, vm: vm) {
        if configuration.l2WalkFailureExits >> UInt8(vm) & 1 == 1 {
          throw walkExit(context.vcpu, .guestAddressDetails, operand, walk, vm: vm)
        }
        return .l2SEPTWalkFailed.with(detail: UInt32(vm) << 16 | UInt32(operand.level))
      }
      let blocked = isAliased ? old & SecureEPT.aliasBlocked : pendingBit != 0 ? SecureEPT.aliasBlocked : 0
      new[vm] = rights.isPresent ? rights.rawValue | GPAAttributes.valid.rawValue | blocked : 0
    }
    commit(context, page, walk, new, masks)
    registers.rcx |= pendingBit
    registers.rdx = packedAttributes(page, walk)
    return .success
  }

  /// Whether a set of rights may be present: W and PWA need R, SVE and reserved bits are refused.
  private static func isLegal(_ rights: GPAAttributes) -> Bool {
    guard rights.isPresent else { return true }
    if rights.contains(.write) || rights.contains(.pagingWrite), !rights.contains(.read) {
      return false
    }
    return rights.rawValue & ~0x7F == 0
  }

  private mutating func commit(
    _ context: TDCallContext, _ page: GuestPage, _ walk: SEPTWalk, _ new: InlineArray<4, UInt16>,
    _ masks: UInt64
  ) {
    let count: UInt64 = walk.level == 1 ? 512 : 1
    for vm in stride(from: 1, through: configuration.l2Count, by: 1) {
      let old = sept.alias(page, level: walk.level, vm: vm)
      sept.setAlias(page, level: walk.level, vm: vm, new[vm])
      if new[vm] & 0x7F & ~old != 0, isWithheld(page, count: count) {
        note(.openRevocation, context.vcpu, vm: vm, page)
      }
      if old & 0x7F & ~new[vm] != 0 { revocations.open(page, count: count, vm: vm, by: context.vcpu) }
      if GPAAttributes(lane: vm, of: masks).contains(.valid) { flush(vm, on: context.vcpu) }
    }
  }

  /// Whether a vCPU that runs its L2 may use rights on these pages for whose sake L1 has answered BUSY.
  private func isWithheld(_ page: GuestPage, count: UInt64) -> Bool {
    if revocations.isEmpty { return false }
    for index in vcpus.indices {
      let vm = vcpus[index].currentVM
      guard vm > 0, vcpus[index].mode == .running(vm: vm) else { continue }
      if revocations.isWithheld(page, count: count, vm: vm, vcpu: index) { return true }
    }
    return false
  }

  /// Drops what `vcpu` has cached of `vm`.
  mutating func flush(_ vm: Int, on vcpu: Int) {
    revocations.flushed(vm, vcpu: vcpu)
    translations.drop(cpu: vcpu, level: UInt8(truncatingIfNeeded: vm))
  }
}
