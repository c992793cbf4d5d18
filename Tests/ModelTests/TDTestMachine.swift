// TDTestMachine: a TD with memory, entered and ready to make TDCALLs.

import Model
import TDX

/// A TD of four vCPUs (at most 8) and 16 MiB, with pages 0 to 15 added and accepted by launch.
final class TDTestMachine {
  var td: TrustDomain
  var memory = ArrayMemory(pageCount: 8192)
  var registers = GeneralRegisters()
  /// The system page behind guest page n of the initial image is n + 4096.
  static let systemOffset: UInt64 = 4096

  init(l2Count: Int = 1, translationCapacity: Int = 0, _ change: (inout TDConfiguration) -> Void = { _ in }) {
    var configuration = TDConfiguration(vcpuCount: 4, l2Count: l2Count)
    configuration.maximumVCPUCount = 8
    change(&configuration)
    td = TrustDomain(
      configuration, windows: PageWindows(pageCount: 4096), systemPageCount: 8192,
      translationCapacity: translationCapacity)
    _ = td.addTable(GuestPage(rawValue: 0))
    for vm in 0..<l2Count { _ = td.addTable(GuestPage(rawValue: 0), vm: vm + 1) }
    for page in 0..<UInt64(16) {
      _ = td.addPage(GuestPage(rawValue: page), SystemPage(rawValue: page + Self.systemOffset))
    }
    td.finalizeMeasurement()
    for vcpu in 0..<4 { enter(vcpu) }
  }

  @discardableResult
  func enter(_ vcpu: Int, rcx: UInt64 = 0) -> HostEntry {
    var host = GeneralRegisters()
    host.rcx = rcx
    return td.enterFromHost(vcpu, host, stack: 0x7000, &memory)
  }

  /// Executes TDCALL with RAX = `rax`; the other inputs are set in `registers`.
  func call(
    _ rax: UInt64, rcx: UInt64 = 0, rdx: UInt64 = 0, r8: UInt64 = 0, r9: UInt64 = 0, vcpu: Int = 0,
    isInterruptPending: Bool = false, timeStamp: UInt64 = 0
  ) -> TDCallOutcome {
    registers.rax = rax
    registers.rcx = rcx
    registers.rdx = rdx
    registers.r8 = r8
    registers.r9 = r9
    let context = TDCallContext(
      vcpu: vcpu, isInterruptPending: isInterruptPending, timeStamp: timeStamp)
    return td.tdcall(context, &registers, &memory)
  }

  /// The same, and the status in RAX if the call completed.
  func status(
    _ rax: UInt64, rcx: UInt64 = 0, rdx: UInt64 = 0, r8: UInt64 = 0, r9: UInt64 = 0, vcpu: Int = 0
  ) -> UInt64? {
    call(rax, rcx: rcx, rdx: rdx, r8: r8, r9: r9, vcpu: vcpu) == .completed ? registers.rax : nil
  }

  /// Adds a pending page.
  func augment(_ page: UInt64, level: UInt8 = 0) -> Bool {
    td.augment(
      GuestPage(rawValue: page), SystemPage(rawValue: page + (level == 1 ? 0 : Self.systemOffset)),
      level: level)
  }

  /// Gives L2 `vm` all rights on accepted guest page `page`.
  func share(_ page: UInt64, vm: Int = 1, attributes: UInt64 = 0x800F) -> UInt64? {
    status(24, rcx: page << 12, rdx: attributes << UInt64(16 * vm), r8: UInt64(0x000F) << UInt64(16 * vm))
  }

  /// Readies L2 VM 1 on vCPU 0 (virtual-APIC page 14, enter state at page 15) and enters it.
  func enterL2(
    flags: UInt64 = 0, vm: UInt64 = 1, rip: UInt64 = 0x1000, vcpu: Int = 0, timeStamp: UInt64 = 0,
    changing: [(Int, UInt64)] = []
  ) -> TDCallOutcome {
    _ = status(
      10, rdx: FieldID.vmcs(vm: UInt8(vm), encoding: 0x2012).rawValue, r8: 14 << 12, r9: .max, vcpu: vcpu)
    let state = SystemPage(rawValue: 15 + Self.systemOffset)
    memory.store(state, L2EnterState.rflagsOffset, 2)
    memory.store(state, L2EnterState.ripOffset, rip)
    for number in 0..<16 { memory.store(state, 8 * number, 0x2200 + UInt64(number)) }
    for (number, value) in changing { memory.store(state, 8 * number, value) }
    registers.rsp = 0x7000
    return call(25, rcx: vm << 52 | flags, rdx: 15 << 12, vcpu: vcpu, timeStamp: timeStamp)
  }

  /// The enter state as memory has it.
  func storedState() -> L2EnterState {
    let page = SystemPage(rawValue: 15 + Self.systemOffset)
    var state = L2EnterState()
    for number in 0..<16 { state.registers[number] = memory.load(page, 8 * number) }
    state.rflags = memory.load(page, L2EnterState.rflagsOffset)
    state.rip = memory.load(page, L2EnterState.ripOffset)
    return state
  }

  /// An L2 exits with its registers as they were entered; the route.
  func exitL2(
    _ exit: L2Exit, vcpu: Int = 0, change: (inout L2EnterState) -> Void = { _ in }
  ) -> L2Route {
    var state = L2EnterState()
    for number in 0..<16 { state.registers[number] = 0x2200 + UInt64(number) }
    state.rflags = 2
    state.rip = 0x1000
    change(&state)
    return td.l2Exit(vcpu, exit, state, stack: 0x7000, &registers, &memory)
  }

  // The calls below go through the class because expectations cannot borrow the TD itself.

  func takeNMI(vcpu: Int) -> Bool { td.takeNMI(vcpu: vcpu) }

  func l1Instruction(_ vcpu: Int, _ instruction: L1Instruction, length: UInt32, cpl: UInt8 = 0)
    -> L1Outcome
  {
    td.l1Instruction(vcpu, instruction, length: length, cpl: cpl)
  }

  func addTable(_ page: UInt64, vm: Int = 0) -> Bool { td.addTable(GuestPage(rawValue: page), vm: vm) }

  func isOpen(_ page: UInt64, vcpu: Int) -> Bool {
    td.revocations.isOpen(GuestPage(rawValue: page), vm: 1, vcpu: vcpu)
  }

  var hasOpenRevocation: Bool { !td.revocations.isEmpty }

  func rights(_ page: UInt64, vm: Int) -> GPAAttributes? {
    td.privateMapping(GuestPage(rawValue: page), vm: vm)?.rights
  }

  func postInterrupt(_ vector: UInt8, _ state: L2EnterState) -> L2Route {
    td.postedInterrupt(0, requested: vector, state, stack: 0x7000, &registers, &memory)
  }

  func mayHostWrite(_ page: SystemPage) -> Bool { td.ownership.mayHostWrite(page) }
}
