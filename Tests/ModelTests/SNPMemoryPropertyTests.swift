// SNPMemoryPropertyTests: no sequence of guest and host operations breaks isolation or integrity.

import Model
import SNP
import TestSupport
import Testing

/// What the SVSM believes, and what is really in memory: kept without looking at the RMP.
private struct Shadow {
  /// The tag in each system page, as whoever last wrote it left it.
  var contents: [UInt64: UInt64] = [:]
  /// The guest pages that VMPL0 has validated, with the tag that it must read there (0: not read yet).
  var trusted: [UInt64: UInt64] = [:]
  /// The rights that a level was given by a successful RMPADJUST since the validation.
  var granted: [UInt64: [RMPPermissions]] = [:]
  /// Guest pages where the SVSM saw the host cheat; it never uses them again.
  var poisoned: Set<UInt64> = []

  func mayUse(_ page: GuestPage, _ vmpl: VMPL, _ needed: RMPPermissions) -> Bool {
    if vmpl == .vmpl0 { return trusted[page.rawValue] != nil }
    return granted[page.rawValue]?[Int(vmpl.rawValue)].isSuperset(of: needed) ?? false
  }
}

/// One machine under random guest and hostile host.
private struct Harness: ~Copyable {
  var memory = SNPMemory(
    asid: 5, systemPageCount: 1024, windows: PageWindows(pageCount: 1024), translationCapacity: 24,
    revocationCapacity: 8)
  var shadow = Shadow()
  var random: SeededRandom
  var tag: UInt64 = 0
  var trace: [String] = []
  var accesses = 0, allowed = 0, stale = 0

  static let pages: [UInt64] = [0, 1, 2, 3, 4, 5, 512, 513, 1023]

  init(seed: UInt64) { random = SeededRandom(seed: seed) }

  mutating func guestPage() -> GuestPage { GuestPage(rawValue: random.pick(Self.pages)) }
  mutating func systemPage() -> SystemPage { SystemPage(rawValue: random.pick(Self.pages)) }
  mutating func newTag() -> UInt64 {
    tag += 1
    return tag
  }

  mutating func step() {
    switch random.below(100) {
    case 0..<5: hostUpdate()
    case 5..<10: hostMap()
    case 10..<28: honestPage()
    case 28..<34: hostWrite()
    case 34..<36: _ = memory.psmash(SystemPage(rawValue: 512))
    case 36..<37: memory.hostFlush(cpu: random.below(3))
    case 37..<50: validate()
    case 50..<62: adjust()
    case 62..<66: flush()
    default: access()
    }
  }

  mutating func hostUpdate() {
    let is2M = random.chance(15)
    let system = is2M ? SystemPage(rawValue: random.pick([0, 512])) : systemPage()
    // Often the honest page, so that states are reached; sometimes any page.
    let page: UInt64 = random.chance(60) ? system.rawValue : random.pick(Self.pages)
    let kind = random.below(10)
    let record = RMPUpdateRecord(
      guestAddress: (is2M ? page & ~511 : page) << 12, assigned: kind < 8,
      pageSize: is2M ? .size2M : .size4K, immutable: kind == 7 && random.chance(5),
      asid: kind < 7 ? 5 : kind == 7 ? 9 : 0)
    _ = memory.rmpUpdate(system, record)
  }

  /// The host does what an honest host does, so that deep states are reached.
  mutating func honestPage() {
    let page = guestPage()
    let system = SystemPage(rawValue: page.rawValue)
    if memory.rmp.read(system)?.isAssigned != true {
      let record = RMPUpdateRecord(
        guestAddress: page.address, assigned: true, pageSize: .size4K, immutable: false, asid: 5)
      _ = memory.rmpUpdate(system, record)
    }
    memory.nested[page] = NestedEntry(page: system)
  }

  mutating func hostMap() {
    if random.chance(10) {
      _ = memory.nested.map2M(
        GuestPage(rawValue: random.pick([0, 512])), to: SystemPage(rawValue: random.pick([0, 512])))
      return
    }
    let page = guestPage()
    if random.chance(10) {
      memory.nested[page] = nil
      return
    }
    let system = random.chance(70) ? SystemPage(rawValue: page.rawValue) : systemPage()
    memory.nested[page] = NestedEntry(page: system, isWritable: random.chance(90))
  }

  mutating func hostWrite() {
    let page = systemPage()
    if memory.hostMayWrite(page) { shadow.contents[page.rawValue] = newTag() }
  }

  /// VMPL0 as an SVSM must behave: never validates what it holds, stops on CF = 1 or #VC.
  mutating func validate() {
    let is2M = random.chance(15)
    let page = is2M ? GuestPage(rawValue: random.pick([0, 512])) : guestPage()
    let covered = is2M ? Self.pages.filter { $0 & ~511 == page.rawValue } : [page.rawValue]
    guard covered.allSatisfy({ !shadow.poisoned.contains($0) }) else { return }
    let held = covered.filter { shadow.trusted[$0] != nil }
    let wanted = held.isEmpty
    guard held.isEmpty || held.count == covered.count, wanted || random.chance(25) else { return }
    let caller = SNPCaller(cpu: random.below(3), vmpl: .vmpl0)
    guard
      let result = try? memory.pvalidate(
        caller, RMPTarget(page), size: is2M ? .size2M : .size4K, validate: wanted)
    else { return }
    guard result.status == .success else { return }
    for number in covered {
      if result.carry { shadow.poisoned.insert(number) }
      shadow.trusted[number] = wanted && !result.carry ? 0 : nil
      // PVALIDATE leaves the rights alone: what was given and not taken back counts as given.
      if shadow.granted[number] == nil {
        shadow.granted[number] = Array(repeating: .none, count: 4)
      }
    }
  }

  mutating func adjust() {
    let is2M = random.chance(10)
    let page = is2M ? GuestPage(rawValue: random.pick([0, 512])) : guestPage()
    let covered = is2M ? Self.pages.filter { $0 & ~511 == page.rawValue } : [page.rawValue]
    guard covered.allSatisfy({ !shadow.poisoned.contains($0) && shadow.trusted[$0] != nil })
    else { return }
    let caller = SNPCaller(
      cpu: random.below(3), vmpl: VMPL(rawValue: UInt8(random.chance(60) ? 0 : random.below(4))))
    let target = VMPL(rawValue: UInt8(random.below(4)))
    let permissions = RMPPermissions(rawValue: UInt8(random.below(16)))
    do {
      let result = try memory.rmpadjust(
        caller, RMPTarget(page), size: is2M ? .size2M : .size4K,
        RMPAdjustOperand(target: target, permissions: permissions, isVMSA: random.chance(5)))
      guard result.status == .success else { return }
      #expect(target > caller.vmpl, "D.119: RMPADJUST succeeds only downwards")
      for number in covered {
        if caller.vmpl != .vmpl0 {
          let own = shadow.granted[number]?[Int(caller.vmpl.rawValue)] ?? .none
          #expect(permissions.isSubset(of: own), "D.119: a level gives only what it has")
        }
        shadow.granted[number]?[Int(target.rawValue)] = permissions
      }
    } catch GuestFault.notValidated {
      for number in covered {
        shadow.poisoned.insert(number)
        shadow.trusted[number] = nil
      }
    } catch {}
  }

  mutating func flush() {
    let caller = SNPCaller(cpu: random.below(3), vmpl: .vmpl0)
    try? memory.invlpgb(caller, rax: random.chance(80) ? 0b1000 : 0b1001, edx: 0)
    if random.chance(80) { try? memory.tlbsync(caller) }
  }

  mutating func access() {
    let page = guestPage()
    let caller = SNPCaller(
      cpu: random.below(3), vmpl: VMPL(rawValue: UInt8(random.below(4))),
      cpl: random.chance(50) ? 0 : 3)
    let kind: SNPAccessKind =
      switch random.below(6) {
      case 0: .fetch
      case 1: .pageTableWalk(writes: random.chance(50))
      case 2: .write(encrypted: false)
      case 3, 4: .write(encrypted: true)
      default: .read(encrypted: random.chance(80))
      }
    accesses += 1
    guard let system = try? memory.access(caller, page, kind) else { return }
    allowed += 1
    let needed = kind.needed(cpl: caller.cpl)
    if kind.isPrivate, !shadow.poisoned.contains(page.rawValue) {
      let isOpen = memory.revocations.isOpen(page, caller.vmpl)
      if isOpen { stale += 1 }
      #expect(
        shadow.mayUse(page, caller.vmpl, needed) || isOpen,
        "a level used a page it was not given: \(caller) \(page) \(kind)")
      if let value = shadow.trusted[page.rawValue], !isOpen {
        let found = shadow.contents[system.rawValue] ?? 0
        #expect(value == 0 || value == found, "a validated page changed under the guest: \(page)")
        shadow.trusted[page.rawValue] = found
      }
      if needed.contains(.write) {
        let new = newTag()
        shadow.contents[system.rawValue] = new
        if shadow.trusted[page.rawValue] != nil { shadow.trusted[page.rawValue] = isOpen ? 0 : new }
      }
    } else if needed.contains(.write) {
      shadow.contents[system.rawValue] = newTag()
    }
  }

  /// The invariants that hold between operations, over all pages and cached translations.
  func check() -> String? {
    for number in Self.pages where !shadow.poisoned.contains(number) {
      let page = GuestPage(rawValue: number)
      for level in 0..<UInt8(4) {
        let vmpl = VMPL(rawValue: level)
        guard let mapping = memory.privateMapping(page, vmpl) else { continue }
        guard let value = shadow.trusted[number] else { return "\(page) usable, never validated" }
        let given = level == 0 ? RMPPermissions.full : shadow.granted[number]?[Int(level)] ?? .none
        guard mapping.permissions.subtracting(.supervisorShadowStack).isSubset(of: given) else {
          return "\(vmpl) holds \(mapping.permissions) on \(page), was given \(given)"
        }
        guard value == 0 || value == shadow.contents[mapping.page.rawValue] ?? 0 else {
          return "\(page) changed contents"
        }
      }
    }
    for index in 0..<memory.translations.count {
      guard let item = memory.translations.item(index) else { return "translation \(index)" }
      let vmpl = VMPL(rawValue: item.level)
      let now = memory.privateMapping(item.guestPage, vmpl)
      let current = memory.rmp.read(item.systemPage)
      let isCurrent =
        current?.isValidated == true && current?.guestPage == item.guestPage
        && current?.permissions(vmpl).isSuperset(of: RMPPermissions(rawValue: item.rights)) == true
      if !isCurrent, !memory.revocations.isOpen(item.guestPage, vmpl) {
        return "stale translation \(item) is in no ledger; now \(String(describing: now))"
      }
    }
    return nil
  }
}

@Suite struct SNPMemoryPropertyTests {
  @Test func noSequenceLetsALowerLevelUseAPageItWasNotGivenOrChangesAValidatedPage() {
    for seed in RunLength.seeds("SNP memory") {
      var harness = Harness(seed: seed)
      var epoch = seed
      var accesses = 0, allowed = 0, stale = 0
      for operation in 0..<RunLength.scaled(1_000_000) {
        harness.step()
        if let failure = harness.check() {
          Issue.record("seed \(seed), operation \(operation): \(failure)")
          return
        }
        if harness.shadow.poisoned.count > 5 {
          accesses += harness.accesses
          allowed += harness.allowed
          stale += harness.stale
          epoch &+= 0x1_0000_0001
          harness = Harness(seed: epoch)
        }
      }
      accesses += harness.accesses
      allowed += harness.allowed
      stale += harness.stale
      print("seed \(seed): \(accesses) accesses, \(allowed) allowed, \(stale) with a revocation open")
      // The run must have exercised both outcomes, or it proves nothing.
      #expect(allowed > 50 && allowed < accesses)
      // A short run with a fresh seed may miss the rare case; the fixed seed and full runs do not.
      if seed == 1 || RunLength.isFull { #expect(stale > 0) }
    }
  }
}
