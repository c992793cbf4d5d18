// SNPLauncher: places an image into an SNP guest as a host with firmware does.

import IGVM
import Measurement
import Model
import SNP
import X86

/// The launch of an SNP guest by firmware calls on the model (reference B.10; igvm.md §11).
public enum SNPLauncher {
  /// Maps all memory, imports every page in file order, finishes the launch and offers the VMSA.
  ///
  /// Memory outside the image is private and not validated, or shared if the machine says so; the legacy
  /// hole stays the host's. `cpuid` answers a leaf and sub-leaf for the CPUID page.
  public static func launch<Memory: PageMemory & ~Copyable>(
    _ file: borrowing Span<UInt8>, _ plan: ImagePlan, _ description: GuestMachine,
    into machine: inout SNPMachine, _ bytes: inout Memory, cpuid: (UInt32, UInt32) -> CPUIDResult
  ) throws(Refusal) {
    map(plan, &machine)
    guard machine.startLaunch(policy: plan.policy) == .success else {
      throw Refusal("guest policy", "is refused by the firmware:", hex: plan.policy)
    }
    var hasContext = false
    // As many as the file has headers, which are in memory already.
    var sharedPages: [GuestPage] = []
    do throws(Violation) {
      var walk = try MeasurementPlan(file, mask: plan.mask)
      while let step = try walk.next(file) {
        let page = GuestPage(containing: step.gpa)
        guard let system = plan.backing.system(page) else {
          throw Violation(.gpaOverflow, at: UInt64(step.headerOffset), step.gpa)
        }
        fill(system, step, plan, file, &bytes)
        guard let kind = kind(step) else {
          sharedPages.append(page)
          continue
        }
        if kind == .cpuid { answerCPUID(system, &bytes, cpuid) }
        guard
          machine.memory.rmpUpdate(
            system,
            RMPUpdateRecord(
              guestAddress: page.address, assigned: true, pageSize: .size4K, immutable: true,
              asid: machine.configuration.asid)) == .success,
          machine.launch(page, system, kind, &bytes) == .success
        else { throw Violation(.pagesOverlap, at: UInt64(step.headerOffset), step.gpa) }
        if case .context(let index) = step.kind, Int(index) < machine.vcpus.count {
          hasContext = hasContext || index == 0
          machine.offerVMSA(page, vcpu: Int(index), vmpl: .vmpl0)
        }
      }
    } catch {
      throw Refusal(error)
    }
    guard hasContext else { throw Refusal("image", "has no start state for the boot processor") }
    guard machine.finishLaunch(hostData: InlineArray<32, UInt8>(repeating: 0)) == .success else {
      throw Refusal("image", "was refused by the firmware at the end of the launch")
    }
    if !description.isMemoryShared { assignRest(plan, description, except: sharedPages, &machine) }
  }

  /// The honest nested table: every guest page leads to its backing.
  private static func map(_ plan: ImagePlan, _ machine: inout SNPMachine) {
    for number in 0..<plan.backing.ramPageCount {
      machine.memory.nested[GuestPage(rawValue: number)] = NestedEntry(
        page: plan.backing.ram.advanced(by: number))
    }
    var high: [GuestPage] = []
    plan.backing.forEachHighPage { high.append($0) }
    for page in high {
      machine.memory.nested[page] = plan.backing.system(page).map { NestedEntry(page: $0) }
    }
  }

  private static func fill<Memory: PageMemory & ~Copyable>(
    _ system: SystemPage, _ step: LaunchStep, _ plan: ImagePlan, _ file: borrowing Span<UInt8>,
    _ bytes: inout Memory
  ) {
    if case .parameter(let area, let page) = step.kind {
      for offset in stride(from: 0, to: 4096, by: 8) {
        bytes.store(system, offset, plan.areas.word(area: area, page: page, offset))
      }
    } else if let data = step.data {
      ImagePage.copy(file, data, to: system, &bytes)
    } else {
      bytes.zero(system)
    }
  }

  /// The firmware's page type; nil for a page that stays the host's (igvm.md §11).
  static func kind(_ step: LaunchStep) -> LaunchPageKind? {
    switch step.kind {
    case .context: .vmsa
    case .parameter: .unmeasured
    case .page(_, _, isShared: true): nil
    case .page(.secrets, _, _): .secrets
    case .page(.cpuid, _, _), .page(.cpuidXF, _, _): .cpuid
    case .page(_, isMeasured: false, _): .unmeasured
    case .page: .normal
    }
  }

  /// Fills the outputs of the leaves that the page asks for (igvm.md §16.1: the host's list replaces them).
  ///
  /// The page's count is at most 64, else the firmware refuses it.
  static func answerCPUID<Memory: PageMemory & ~Copyable>(
    _ page: SystemPage, _ bytes: inout Memory, _ cpuid: (UInt32, UInt32) -> CPUIDResult
  ) {
    let count = min(bytes.load(page, 0) & 0xFFFF_FFFF, UInt64(CPUIDPage.maximumCount))
    for index in 0..<Int(count) {
      let place = CPUIDPage.entriesOffset + index * CPUIDEntry.byteCount
      let question = bytes.load(page, place)
      let answer = cpuid(
        UInt32(truncatingIfNeeded: question), UInt32(truncatingIfNeeded: question >> 32))
      bytes.store(page, place + 24, UInt64(answer.eax) | UInt64(answer.ebx) << 32)
      bytes.store(page, place + 32, UInt64(answer.ecx) | UInt64(answer.edx) << 32)
    }
  }

  /// Gives the rest of memory to the guest, not validated: 2 MiB entries where a whole range is free.
  private static func assignRest(
    _ plan: ImagePlan, _ description: GuestMachine, except sharedPages: [GuestPage],
    _ machine: inout SNPMachine
  ) {
    let last = description.byteCount / 4096
    var number: UInt64 = 0
    while number < last {
      let page = GuestPage(rawValue: number)
      let system = plan.backing.ram.advanced(by: number)
      let isMixed = sharedPages.contains { $0.base2M == page.base2M }
      if number & 511 == 0, number >= 512, !isMixed, system.is2MAligned, isFree(system, 512, machine) {
        assign(page, system, .size2M, &machine)
        number &+= 512
        continue
      }
      let isHole = number >= 0xA0 && number < 0x100
      let isShared = isMixed && sharedPages.contains(page)
      if !isHole, !isShared, isFree(system, 1, machine) { assign(page, system, .size4K, &machine) }
      number &+= 1
    }
  }

  private static func isFree(
    _ system: SystemPage, _ count: UInt64, _ machine: borrowing SNPMachine
  ) -> Bool {
    for offset in 0..<count
    where machine.memory.rmp.governing(system.advanced(by: offset))?.isHypervisorOwned != true {
      return false
    }
    return true
  }

  private static func assign(
    _ page: GuestPage, _ system: SystemPage, _ size: RMPPageSize, _ machine: inout SNPMachine
  ) {
    _ = machine.memory.rmpUpdate(
      system,
      RMPUpdateRecord(
        guestAddress: page.address, assigned: true, pageSize: size, immutable: false,
        asid: machine.configuration.asid))
  }
}
