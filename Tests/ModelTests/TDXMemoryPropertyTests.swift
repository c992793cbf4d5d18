// TDXMemoryPropertyTests: no sequence of host, L1 and L2 operations breaks a TD's memory.

import Model
import TDX
import TestSupport
import Testing

/// A TD under a hostile host, an L1 that hands pages to an L2, and what must hold.
private final class TDHarness {
  var td: TrustDomain
  var memory = ArrayMemory(pageCount: 1536)
  var random: SeededRandom
  var tag: UInt64 = 1 << 32
  /// What L1 knows to be in each page that it accepted.
  var trusted: [UInt64: UInt64] = [:]
  /// The rights that L1 gave to each L2 since the page was accepted.
  var given: [UInt64: [UInt16]] = [:]
  /// Pages that the host took away (L1 sees an exit or a pending page, and no longer trusts it).
  var accesses = 0, allowed = 0, stale = 0
  static let pages: [UInt64] = [0, 1, 2, 3, 512, 513, 1023]
  static let controlPage: UInt64 = 8

  init(seed: UInt64) {
    random = SeededRandom(seed: seed)
    td = TrustDomain(
      TDConfiguration(vcpuCount: 2, l2Count: 2), windows: PageWindows(pageCount: 1024), systemPageCount: 1536,
      translationCapacity: 24, revocationCapacity: 6)
    _ = td.addTable(GuestPage(rawValue: 0))
    for vm in 1...2 { _ = td.addTable(GuestPage(rawValue: 0), vm: vm) }
    for page in 8..<UInt64(10) {
      _ = td.addPage(GuestPage(rawValue: page), SystemPage(rawValue: 1024 + page))
    }
    td.finalizeMeasurement()
    for vcpu in 0..<2 {
      _ = td.enterFromHost(vcpu, GeneralRegisters(), &memory)
      for vm in 1...2 {
        _ = call(
          vcpu, 10, rdx: FieldID.vmcs(vm: UInt8(vm), encoding: 0x2012).rawValue, r8: 9 << 12, r9: .max)
      }
    }
    memory.store(SystemPage(rawValue: 1024 + 8), L2EnterState.rflagsOffset, 2)
  }

  func call(
    _ vcpu: Int, _ rax: UInt64, rcx: UInt64 = 0, rdx: UInt64 = 0, r8: UInt64 = 0, r9: UInt64 = 0
  ) -> (TDCallOutcome, GeneralRegisters) {
    var registers = GeneralRegisters()
    registers.rax = rax
    registers.rcx = rcx
    registers.rdx = rdx
    registers.r8 = r8
    registers.r9 = r9
    let context = TDCallContext(vcpu: vcpu, isInterruptPending: random.chance(2))
    let outcome = td.tdcall(context, &registers, &memory)
    return (outcome, registers)
  }

  func page() -> GuestPage { GuestPage(rawValue: random.pick(Self.pages)) }
  func covered(_ page: GuestPage, _ level: UInt8) -> [UInt64] {
    level == 1 ? Self.pages.filter { $0 & ~511 == page.base2M.rawValue } : [page.rawValue]
  }

  func step() {
    let vcpu = random.below(2)
    backInL1(vcpu)
    switch random.below(100) {
    case 0..<22: host()
    case 22..<40: accept(vcpu)
    case 40..<54: attributes(vcpu)
    case 54..<60: flush(vcpu)
    default: access(vcpu)
    }
  }

  /// Whatever happened before, the vCPU runs L1 again.
  func backInL1(_ vcpu: Int) {
    if td.vcpus[vcpu].mode == .out { _ = td.enterFromHost(vcpu, GeneralRegisters(), &memory) }
    if case .running(let vm) = td.vcpus[vcpu].mode, vm > 0 {
      var registers = GeneralRegisters()
      _ = td.l2Exit(vcpu, L2Exit(.cpuid), state(), stack: 0, &registers, &memory)
    }
  }

  func state() -> L2EnterState {
    var state = L2EnterState()
    state.rflags = 2
    return state
  }

  func host() {
    let page = page()
    let level: UInt8 = random.chance(20) ? 1 : 0
    let target = level == 1 ? page.base2M : page
    switch random.below(10) {
    case 0, 1, 2:
      let system = random.chance(80) ? target.rawValue : random.pick(Self.pages)
      _ = td.augment(target, SystemPage(rawValue: level == 1 ? system & ~511 : system), level: level)
    case 3: _ = td.block(target, level: level)
    case 4: _ = td.unblock(target, level: level)
    case 5:
      td.track()
      if random.chance(70) {
        for vcpu in 0..<2 where td.vcpus[vcpu].mode != .out {
          _ = td.asynchronousExit(vcpu, .externalInterrupt, state: state(), &memory)
        }
      }
    case 6:
      _ = td.remove(target, level: level)
    case 7: _ = td.demote(page.base2M)
    case 8:
      _ = td.addTable(target, vm: random.below(3))
    default:
      let system = SystemPage(rawValue: random.pick(Self.pages))
      if td.ownership.mayHostWrite(system) { memory.store(system, 0, nextTag()) }
    }
  }

  func nextTag() -> UInt64 {
    tag += 1
    return tag
  }

  func accept(_ vcpu: Int) {
    let page = page()
    let level: UInt64 = random.chance(30) ? 1 : 0
    let target = level == 1 ? page.base2M : page
    let numbers = covered(target, UInt8(level))
    // L1 keeps a bitmap and never accepts what it holds.
    guard numbers.allSatisfy({ trusted[$0] == nil }) else { return }
    let (outcome, registers) = call(vcpu, 6, rcx: target.address | level)
    guard outcome == .completed, registers.rax == 0 else { return }
    for number in numbers {
      trusted[number] = 0
      if given[number] == nil { given[number] = [0, 0, 0, 0] }
    }
  }

  func attributes(_ vcpu: Int) {
    let page = page()
    let level: UInt64 = random.chance(20) ? 1 : 0
    let target = level == 1 ? page.base2M : page
    let vm = 1 + random.below(2)
    let rights = random.chance(50) ? 0xF : UInt64(random.below(16))
    let (outcome, registers) = call(
      vcpu, 24, rcx: target.address | level, rdx: (0x8000 | rights) << UInt64(16 * vm),
      r8: 0xF << UInt64(16 * vm))
    guard outcome == .completed, registers.rax == 0 else { return }
    for number in covered(target, UInt8(level)) {
      if given[number] == nil { given[number] = [0, 0, 0, 0] }
      given[number]?[vm] = UInt16(rights)
    }
  }

  func flush(_ vcpu: Int) {
    if random.chance(50) {
      _ = call(vcpu, 26, rcx: UInt64(random.pick([2, 4, 6])))
    } else {
      let vm = UInt64(1 + random.below(2))
      _ = call(vcpu, 25, rcx: vm << 52 | 1, rdx: Self.controlPage << 12)
    }
  }

  func access(_ vcpu: Int) {
    let page = page()
    let vm = random.below(3)
    let kind = random.pick([TDAccessKind.read, .write, .fetch])
    let access = TDAccess(page.address, kind, cpl: random.chance(50) ? 0 : 3)
    accesses += 1
    if vm > 0 {
      let (outcome, _) = call(vcpu, 25, rcx: UInt64(vm) << 52, rdx: Self.controlPage << 12)
      guard case .enteredL2 = outcome else { return }
    }
    let system: SystemPage
    if vm == 0 {
      guard let found = try? td.accessL1(vcpu, access) else { return }
      system = found
    } else {
      guard let found = try? td.accessL2(vcpu, vm: vm, access) else { return }
      system = found
    }
    allowed += 1
    let isOpen = vm > 0 && td.revocations.isOpen(page, vm: vm, vcpu: vcpu)
    if isOpen { stale += 1 }
    let needed: GPAAttributes =
      switch kind {
      case .read: .read
      case .write: [.read, .write]
      case .fetch: access.cpl == 3 ? .executeUser : .executeSupervisor
      }
    if vm > 0 {
      let rights = GPAAttributes(rawValue: given[page.rawValue]?[vm] ?? 0)
      #expect(
        rights.isSuperset(of: needed) || isOpen,
        "VM \(vm) used \(page) with \(rights), needed \(needed)")
    }
    guard let value = trusted[page.rawValue] else {
      Issue.record("\(page) used, never accepted")
      return
    }
    let found = memory.load(system, 0)
    #expect(found == value, "\(page) changed under the TD")
    if kind == .write {
      let new = nextTag()
      memory.store(system, 0, new)
      trusted[page.rawValue] = new
    }
  }

  func check() -> String? {
    for number in Self.pages {
      let page = GuestPage(rawValue: number)
      guard let leaf = td.sept.leaf(page) else {
        // Removed: the TD has lost it and must accept again, which clears it and its aliases.
        trusted[number] = nil
        given[number] = nil
        continue
      }
      if leaf.walk.entry.state == .pending { trusted[number] = nil }
      if let mapping = td.privateMapping(page, vm: 0) {
        guard let value = trusted[number] else { return "\(page) mapped, never accepted" }
        guard memory.load(mapping.page, 0) == value else { return "\(page) changed contents" }
      }
      for vm in 1...2 {
        guard let mapping = td.privateMapping(page, vm: vm) else { continue }
        let rights = GPAAttributes(rawValue: given[number]?[vm] ?? 0)
        guard rights.isSuperset(of: mapping.rights) else {
          return "VM \(vm) holds \(mapping.rights) on \(page), was given \(rights)"
        }
      }
    }
    for index in 0..<td.translations.count {
      guard let item = td.translations.item(index) else { return "translation \(index)" }
      if td.flushesAtEntry(item.cpu) { continue }
      let vm = Int(item.level)
      let leaf = td.sept.leaf(item.guestPage)
      // BLOCK leaves translations alone until TRACK; the leaf cannot go before.
      guard leaf?.page == item.systemPage else { return "translation to a removed page: \(item)" }
      if vm == 0 { continue }
      let rights = td.sept.attributes(item.guestPage, vm: vm)?.attributes ?? []
      if !rights.isSuperset(of: GPAAttributes(rawValue: UInt16(item.rights))),
        !td.revocations.isOpen(item.guestPage, vm: vm, vcpu: item.cpu)
      {
        return "stale translation in no ledger: \(item)"
      }
    }
    return nil
  }
}

@Suite struct TDXMemoryPropertyTests {
  @Test func noSequenceLetsAnL2UseAPageItWasNotGivenOrChangesAnAcceptedPage() {
    for seed in RunLength.seeds("TDX memory") {
      let harness = TDHarness(seed: seed)
      for operation in 0..<RunLength.scaled(1_000_000) {
        harness.step()
        if let failure = harness.check() {
          Issue.record("seed \(seed), operation \(operation): \(failure)")
          return
        }
      }
      print(
        "seed \(seed): \(harness.accesses) accesses, \(harness.allowed) allowed, "
          + "\(harness.stale) with a revocation open")
      #expect(harness.allowed > 50 && harness.allowed < harness.accesses && harness.stale > 0)
    }
  }
}
