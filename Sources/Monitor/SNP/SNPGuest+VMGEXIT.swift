// SNPGuest+VMGEXIT: requests of the guest, answered by the model and carried out here.

import Bits
import Model
import SNP
import Seams
import X86

extension SNPGuest {
  /// Serves VMGEXIT by the value of the level's GHCB MSR (reference B.4); the exit itself is booked already.
  func vmgexit(_ index: Int, _ vmpl: VMPL) {
    guard let request = processors[index].levels[Int(vmpl.rawValue)]?.ghcbMSR else { return }
    if request.code == .pageStateRequest, host.strikes(.refusePageState) {
      setGHCB(index, vmpl, GHCBMSR(.pageStateResponse, upper: 0x8000_0000))
      return
    }
    if request.code == .pageStateRequest, host.strikes(.halfPageState) {
      setGHCB(index, vmpl, GHCBMSR(.pageStateResponse, upper: 0))
      return
    }
    let before = request.code == .pageStateRequest ? state(GuestPage(rawValue: request.statePage)) : nil
    let action = machine.msrRequest(index, request)
    switch action {
    case .answered: break
    case .cpuid(let function, let register):
      let words = cpuid(index, function, 0)
      let values: InlineArray<4, UInt32> = [words.eax, words.ebx, words.ecx, words.edx]
      machine.answerCPUID(index, values[Int(register & 3)])
    case .resetHold:
      processors[index].resetHold = .msr
      return
    case .switched: break
    case .terminated(let set, let code): terminated(index, set, code)
    case .page(let page): ghcb(index, vmpl, page)
    case .unregisteredPage:
      violation(index, "B.4: GHCB page not registered", GuestPage(rawValue: request.operand))
    }
    if request.code == .pageStateRequest { converted(GuestPage(rawValue: request.statePage), before, index) }
    // The answer belongs to the level that asked, whichever runs next.
    let answer = machine.vcpus[index].ghcbMSR
    setGHCB(index, vmpl, request.code == .page ? answer : distort(answer))
  }

  private func terminated(_ index: Int, _ set: UInt8, _ code: UInt8) -> Never {
    hardware.write("monitor: the guest terminated, set ")
    hardware.write(decimal: UInt64(set))
    hardware.write(" code ")
    hardware.write(decimal: UInt64(code))
    hardware.endLine()
    stop(.terminated, index, "terminated")
  }

  /// Serves a GHCB page.
  private func ghcb(_ index: Int, _ vmpl: VMPL, _ page: GuestPage) {
    guard let system = machine.memory.nested[page]?.page else { return }
    let isPageState = hardware.load(system, GHCBPage.exitCode) == NAEEvent.pageStateChange.rawValue
    let ranges = isPageState ? pageStateRanges(page, system) : []
    if isPageState, host.strikes(.refusePageState) {
      machine.failNAE(index, &hardware)
      return
    }
    let before = ranges.map { state($0) }
    if NAEEvent.isGuestMessage(hardware.load(system, GHCBPage.exitCode)), host.strikes(.throttleMessages) {
      machine.throttleNextMessage()
    }
    let half = isPageState ? halvePageState(system, page) : nil
    switch machine.naeRequest(index, page, &hardware) {
    case .answered, .switched: break
    case .emulate(let event, let info1, let info2): emulate(index, vmpl, event, info1, info2, page, system)
    case .vcpuChanged(let target, let level, let operation): changed(index, target, level, operation)
    case .sendIPI(let icr): send(InterprocessorInterrupt(icr: icr), from: index, vmpl)
    case .resetHold: processors[index].resetHold = .page
    case .terminated(let set, let code): terminated(index, set, code)
    }
    if let half { hardware.store(system, half.offset, half.header) }
    for place in ranges.indices { converted(ranges[place], before[place], index) }
    distortPage(system)
  }

  /// The pages that a list names, as the host is going to read it: at most 253 entries of at most 512 pages.
  private func pageStateRanges(_ page: GuestPage, _ system: SystemPage) -> [GuestPage] {
    let address = hardware.load(system, GHCBPage.scratch)
    let offset = address &- page.address
    guard address >= page.address, offset >= 0x800, offset <= 0xFE8, offset & 7 == 0 else { return [] }
    let header = PageStateHeader(rawValue: hardware.load(system, Int(offset)))
    guard header.current <= header.end, Int(header.end) < PageStateHeader.maximumCount else { return [] }
    var pages: [GuestPage] = []
    for number in Int(header.current)...Int(header.end) {
      let place = Int(offset) + 8 + 8 * number
      guard place <= 4088 else { break }
      let entry = PageStateEntry(rawValue: hardware.load(system, place))
      for step in 0..<UInt64(entry.is2M ? 512 : 1) { pages.append(GuestPage(rawValue: entry.page &+ step)) }
    }
    return pages
  }

  /// Whether the page belongs to the hypervisor; nil where there is none.
  private func state(_ page: GuestPage) -> Bool? {
    machine.memory.nested[page].flatMap { machine.memory.rmp.governing($0.page)?.isHypervisorOwned }
  }

  /// A page that changed hands loses its contents: under another key they are noise (reference B.1.2).
  private func converted(_ page: GuestPage, _ before: Bool?, _ index: Int) {
    guard let before, let after = state(page), let system = machine.memory.nested[page]?.page else { return }
    remapAll(page, count: 1)
    if before, !after { scanShared(page, system) }
    if before != after { scramble(system) }
    if before != after, !before { flushOthers(index) }
  }

  /// Fills a page with noise that depends on the page only.
  func scramble(_ page: SystemPage) {
    var noise = page.rawValue &* 0x9E37_79B9_7F4A_7C15 | 1
    for offset in stride(from: 0, to: 4096, by: 8) {
      noise ^= noise << 13
      noise ^= noise >> 7
      noise ^= noise << 17
      hardware.store(page, offset, noise)
    }
  }

  /// A vCPU has a new VMSA for a level, or none.
  private func changed(_ index: Int, _ target: Int, _ vmpl: VMPL, _ operation: APCreation.Operation) {
    var level = processors[target].levels[Int(vmpl.rawValue)]
    if let level {
      hardware.store(level.vmcb, VMCB.eventInjection, 0)
      hardware.store(level.vmcb, VMCB.interruptShadow, 0)
    }
    level?.loaded = nil
    level?.isHalted = false
    processors[target].levels[Int(vmpl.rawValue)] = level
    if operation == .create { processors[target].resetHold = nil }
    if target != index { hardware.kick(target) }
  }

  /// What CPUID shows to a vCPU.
  func cpuid(_ index: Int, _ leaf: UInt32, _ subleaf: UInt32) -> CPUIDAnswer {
    let hardware = hardware
    var found = options.cpuid.answer(leaf, subleaf, vcpu: index) { leaf, subleaf in
      let words = hardware.cpuid(leaf, subleaf)
      return .init(eax: words.eax, ebx: words.ebx, ecx: words.ecx, edx: words.edx)
    }
    host.lie(leaf, &found)
    return CPUIDAnswer(found.eax, found.ebx, found.ecx, found.edx)
  }
}
