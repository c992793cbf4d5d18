// CallFuzzTests: random calls of four vCPUs at their calling areas, and the invariants after each of them.
import Model
import RequestLoop
import SNP
import SVSMProtocol
import Seams
import Tasks
import TestSupport
import Testing
import X86

/// How often each call got each answer.
private final class Coverage: @unchecked Sendable {
  private(set) var counts: [UInt64: Int] = [:]

  func note(_ call: UInt64, _ result: ResultCode) {
    counts[call << 32 | UInt64(result.rawValue), default: 0] += 1
  }

  func table() -> String {
    counts.keys.sorted().map {
      "  call \($0 >> 32) answer 0x\(String($0 & 0xFFFF_FFFF, radix: 16)): \(counts[$0] ?? 0)"
    }.joined(separator: "\n")
  }
}

/// One run: a guest that asks at random, with now and then a host that takes a page away.
private struct Fuzzer {
  let service: Service<CoreOnly>
  let coverage: Coverage
  var random: SeededRandom
  var touched: [UInt64] = []

  private var world: World { service.world }

  /// A page worth naming: mostly few, so that they meet.
  private mutating func page() -> UInt64 {
    switch random.below(16) {
    case 0: return World.kernel + random.below(512)
    case 1: return random.below(4200)
    case 2: return random.next() >> 12
    case 3: return service.area(Int(random.below(4))) ?? 16
    case 4: return service.vmsa(Int(random.below(4))) ?? 40
    case 5: return random.pick([0, 512, 1024, 2048, 2560, 3072, 3584])
    case 6: return 512 + random.below(1024)
    case 7: return 2048 + random.below(1024)
    default: return 100 + random.below(24)
    }
  }

  private mutating func entry(deposit: Bool) -> UInt64 {
    let page = page()
    touched.append(page)
    var word = page << 12
    if page & 511 == 0, random.chance(60) { word |= 1 }
    if !deposit { word |= random.below(4) << 2 }
    if random.chance(3) { word |= random.below(4096) }
    return word
  }

  private mutating func list(_ cpu: Int, deposit: Bool) -> UInt64 {
    // Not in the own calling area only: several vCPUs' lists lie in one page.
    let base = random.chance(50) ? (service.area(cpu) ?? 16) : 200 + random.below(2)
    let offset: UInt64 = 8 + 8 * random.below(60)
    let count: UInt64 = random.chance(80) ? 1 + random.below(4) : random.below(12)
    let address = base << 12 | offset
    let next = random.chance(90) ? 0 : random.below(count + 2)
    guard
      world.guest.pages.state(of: PhysicalAddress(base << 12)).isValid
        || world.guest.pages.state(of: PhysicalAddress(base << 12)).isCallingArea
    else { return address }
    world.putList(address, (0..<count).map { _ in entry(deposit: deposit) }, next: next)
    if random.chance(2) { world.setWord(base, Int(offset), random.next()) }
    return random.chance(2) ? address + random.below(8) : address
  }

  /// One request and what must hold afterwards.
  mutating func step() async {
    let cpus = World.apicIDs.indices.filter {
      service.vmsa($0) != nil && service.area($0) != nil && canRun($0)
    }
    let cpu = cpus.isEmpty ? 0 : random.pick(cpus)
    touched = []
    if random.chance(2) {
      world.failingFlushes = Int(random.below(2))
    }
    let call = random.below(20)
    switch call {
    case 0...7:
      let address = list(cpu, deposit: false)
      await perform(.pvalidate, cpu, rcx: address)
    case 8, 9: await create(cpu)
    case 10, 11: await delete(cpu)
    case 12, 13: await remap(cpu)
    case 14: await perform(.depositMemory, cpu, rcx: list(cpu, deposit: true))
    case 15: await withdraw(cpu)
    case 16: await perform(.queryProtocol, cpu, rcx: random.next())
    case 17: await perform(.configureVTOM, cpu, rcx: random.below(16))
    case 18:
      await perform(
        CallID(rax: random.chance(50) ? 6 + random.below(8) : random.next()), cpu, rcx: page() << 12)
    default: await service.exit(cpu, random.pick([.vmgexit, .interrupt, .hlt]))
    }
    world.failingFlushes = 0
    for page in touched where page < 3584 { world.checkPage(page) }
    world.check(world.machine.memory.revocations.isEmpty, "a reduction is open")
    world.check(world.machine.memory.breaches.count == 0, "breaches: \(world.machine.memory.breaches.first)")
  }

  /// Whether the host could run that vCPU (it is not deleted).
  private func canRun(_ cpu: Int) -> Bool {
    guard let vmsa = service.vmsa(cpu) else { return false }
    return world.entry(vmsa)?.isVMSA == true && service.area(cpu) != nil
      && world.guest.vcpus.newest(of: cpu).map { world.guest.vcpus.context($0).address.rawValue >> 12 }
        == vmsa
  }

  @discardableResult
  private func perform(
    _ id: CallID, _ cpu: Int, rcx: UInt64 = 0, rdx: UInt64 = 0, r8: UInt64 = 0
  ) async -> Answer {
    let answer = await service.call(id, rcx: rcx, rdx: rdx, r8: r8, cpu: cpu)
    coverage.note(id.protocolID == .core ? min(UInt64(id.number), 8) : 9, answer.result)
    return answer
  }

  private mutating func create(_ cpu: Int) async {
    let target = Int(random.below(4))
    let vmsa = random.chance(70) ? 100 + random.below(24) : page()
    let area = random.chance(70) ? 100 + random.below(24) : page()
    touched += [vmsa, area]
    if world.guest.pages.state(of: PhysicalAddress(vmsa << 12)).isValid, vmsa < 3584 {
      world.fillVMSA(
        vmsa, vmpl: random.chance(80) ? 2 : random.below(4), features: random.chance(90) ? 1 : random.next())
    }
    // CPU 0 keeps the start-up vCPU, so that somebody can always ask.
    let apic = random.chance(10) ? random.next() : UInt64(World.apicIDs[max(1, target)])
    let misaligned: UInt64 = random.chance(3) ? random.below(4096) : 0
    let answer = await perform(.createVCPU, cpu, rcx: vmsa << 12 | misaligned, rdx: area << 12, r8: apic)
    guard answer.result == .success,
      let made = World.apicIDs.firstIndex(of: UInt32(truncatingIfNeeded: apic))
    else { return }
    world.machine.offerVMSA(GuestPage(rawValue: vmsa), vcpu: made, vmpl: .vmpl2)
  }

  private mutating func delete(_ cpu: Int) async {
    let page = random.chance(60) ? (service.vmsa(Int(random.below(4))) ?? 0) : page()
    touched.append(page)
    if page == service.vmsa(cpu), page != World.startUpVMSA {
      await service.exit(cpu) {
        world.setWord(page, VMSAField.rax, CallID.deleteVCPU.rax)
        world.setWord(page, VMSAField.rcx, page << 12)
        world.setWord(service.area(cpu) ?? 0, 0, 1)
      }
      return
    }
    await perform(.deleteVCPU, cpu, rcx: page << 12)
  }

  private mutating func remap(_ cpu: Int) async {
    let new = random.chance(80) ? 100 + random.below(24) : page()
    touched += [new, service.area(cpu) ?? 0]
    let misaligned: UInt64 = random.chance(3) ? random.below(4096) : 0
    let before = service.area(cpu)
    guard let vmsa = service.vmsa(cpu), let before else { return }
    await service.exit(cpu) {
      world.setWord(vmsa, VMSAField.rax, CallID.remapCallingArea.rax)
      world.setWord(vmsa, VMSAField.rcx, new << 12 | misaligned)
      world.setWord(before, 0, 1)
    }
    let result = ResultCode(rawValue: UInt32(truncatingIfNeeded: world.word(vmsa, VMSAField.rax)))
    coverage.note(0, result)
    world.equal(service.area(cpu), result == .success && misaligned == 0 ? new : before, "the calling area")
  }

  private mutating func withdraw(_ cpu: Int) async {
    let address = (random.chance(80) ? 210 : page()) << 12 | (random.chance(70) ? 0 : 8 * random.below(512))
    let answer = await perform(.withdrawMemory, cpu, rcx: address)
    guard answer.result == .success else { return }
    let count = min(world.word(address >> 12, Int(address & 0xFF8)) & 0xFFFF, 511)
    for index in 0..<count {
      touched.append(world.word(address >> 12, Int(address & 0xFF8) + 8 + Int(index) * 8) >> 12)
    }
  }
}

@Suite struct CallFuzzTests {
  @Test(arguments: RunLength.seeds("CallFuzzTests"))
  func nothingThatAGuestAsksForBreaksTheInvariants(_ seed: UInt64) {
    let count = RunLength.scaled(5_000_000)
    let coverage = Coverage()
    let found = failures { service in
      var fuzzer = Fuzzer(service: service, coverage: coverage, random: SeededRandom(seed: seed))
      for number in 0..<count {
        await fuzzer.step()
        if number % 20_000 == 0 { service.world.checkAll() }
        if !service.world.failures.isEmpty {
          service.world.check(false, "request \(number) of seed \(seed)")
          break
        }
      }
    }
    #expect(found == [], "seed \(seed)")
    print("calls and answers, seed \(seed), \(count) requests:\n\(coverage.table())")
    // Each Core call must have both succeeded and failed, or the generator is at fault.
    for call in 0...7 as ClosedRange<UInt64> {
      let answers = Swift.Set(coverage.counts.keys.filter { $0 >> 32 == call }.map { $0 & 0xFFFF_FFFF })
      #expect(answers.contains(0), "call \(call) never succeeded")
      if call != 6 { #expect(answers.count > 1, "call \(call) never failed") }
    }
  }
}
