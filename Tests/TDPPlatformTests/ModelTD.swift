// ModelTD: one vCPU of a model TD as the driver's hardware, with a host whose answers a test decides.
import Model
import Seams
import Synchronization
import TDX
import X86

/// What the driver did, in order.
enum Step: Equatable {
  case module(UInt16)
  case host(UInt64)
  case openHost(UInt64)
  case cli
  case sti
  case pause
  case cpuid(UInt32)
  case readMSR(UInt32)
  case writeMSR(UInt32, UInt64)
  case code
  case extendedControl(UInt64)
}

/// What an L2 does once it runs.
enum L2Deed {
  /// It leaves for this reason.
  case exit(L2Exit)
  /// An interrupt for L1 arrives, amid the delivery of an event if `vectoring` says one.
  case interrupt(UInt8, vectoring: UInt64 = 0)
}

/// TDCALL answered by `Model`'s TrustDomain; a host call goes to `host`, other exits to a host that adds what is missing.
final class ModelTD: TDXHardware, @unchecked Sendable {
  var td: TrustDomain
  var memory = ArrayMemory(pageCount: 8192)
  var vcpu = 0
  var steps: [Step] = []
  /// The registers a host sees, and those it answers with; by default R10 = 0 and the rest as it came.
  var host: (inout GeneralRegisters) -> Void = { $0.r10 = 0 }
  /// What the driver's code is, for instructions that are decoded.
  var code: [UInt8] = []
  var msrs: [UInt32: UInt64] = [:]
  var ticks: UInt64 = 0
  /// Called before each TDCALL.
  var beforeCall: (ModelTD, GeneralRegisters) -> Void = { _, _ in }
  /// Pages that the host adds when asked, instead of 4 KiB pages one by one.
  var exits: [TDExit] = []
  /// A status to answer with instead of the module's, for the next calls of a leaf.
  var forced: [(leaf: TDGLeaf, status: TDXStatus)] = []
  /// What the L2 does at each entry, given its state, which it may change.
  var program: (ModelTD, inout L2EnterState) -> L2Deed = { _, _ in .exit(L2Exit(.hlt)) }
  /// RCX of every TDG.VP.ENTER.
  var entries: [UInt64] = []
  /// The system pages lie behind as many that nobody uses.
  static let offset: UInt64 = 4096

  /// A TD of `vcpus` vCPUs and 16 MiB whose pages 0 to 31 were loaded, and `loaded` more.
  init(
    vcpus: Int = 4, l2Count: Int = 1, loaded: Range<UInt64> = 0..<0,
    _ change: (inout TDConfiguration) -> Void = { _ in }
  ) {
    var configuration = TDConfiguration(vcpuCount: vcpus, l2Count: l2Count)
    change(&configuration)
    td = TrustDomain(configuration, windows: PageWindows(pageCount: 4096), systemPageCount: 8192)
    _ = td.addTable(GuestPage(rawValue: 0))
    for vm in 0..<l2Count { _ = td.addTable(GuestPage(rawValue: 0), vm: vm + 1) }
    for page in 0..<UInt64(32) { _ = td.addPage(GuestPage(rawValue: page), Self.system(page)) }
    for page in loaded {
      _ = td.addTable(GuestPage(rawValue: page))
      _ = td.addPage(GuestPage(rawValue: page), Self.system(page))
    }
    td.finalizeMeasurement()
    for index in 0..<vcpus { _ = td.enterFromHost(index, GeneralRegisters(), &memory) }
  }

  static func system(_ page: UInt64) -> SystemPage { SystemPage(rawValue: page + offset) }

  /// The host gives a pending page.
  func augment(_ page: UInt64, level: UInt8 = 0) {
    if level == 0 { _ = td.addTable(GuestPage(rawValue: page)) }
    _ = td.augment(GuestPage(rawValue: page), Self.system(page), level: level)
  }

  /// Whether L1 may use a page.
  func isMapped(_ page: UInt64) -> Bool { td.privateMapping(GuestPage(rawValue: page), vm: 0) != nil }

  /// Whether an access to a pending page leaves the TD.
  var exitsOnPending: Bool { td.exitsOnPending }

  func tdcall(_ registers: inout GeneralRegisters) { call(&registers, isOpen: false) }
  func enableInterruptsAndTDCall(_ registers: inout GeneralRegisters) { call(&registers, isOpen: true) }

  private func call(_ registers: inout GeneralRegisters, isOpen: Bool) {
    let leaf = TDGLeaf(rawValue: UInt16(truncatingIfNeeded: registers.rax))
    if leaf == .vpEnter { entries.append(registers.rcx) }
    steps.append(
      leaf != .vpVMCALL
        ? .module(leaf.rawValue) : isOpen ? .openHost(registers.r11) : .host(registers.r11))
    beforeCall(self, registers)
    if let first = forced.first, first.leaf == leaf {
      forced.removeFirst()
      registers.rax = first.status.rawValue
      return
    }
    while true {
      switch td.tdcall(TDCallContext(vcpu: vcpu), &registers, &memory) {
      case .completed: return
      case .interrupted: continue
      case .raised(let exception): fatalError("TDCALL raised \(exception)")
      case .exited(let exit):
        // An honest host adds the page that is missing and lets the call run again.
        exits.append(exit)
        let page = exit.registers.r8 >> 12
        if exit.registers.rdx & 15 == 2 {
          _ = td.addTable(GuestPage(rawValue: page), vm: 1)
        } else if td.sept.leaf(GuestPage(rawValue: page)) == nil {
          augment(page)
        }
        _ = td.enterFromHost(vcpu, GeneralRegisters(), &memory)
      case .exitedAfter(let exit):
        exits.append(exit)
        var answer = exit.registers
        host(&answer)
        answer.rcx = 0
        guard case .running(_, let merged?) = td.enterFromHost(vcpu, answer, &memory) else {
          fatalError("the vCPU does not come back")
        }
        for number in 0..<16 where number != 4 { registers[number] = merged[number] }
        return
      case .enteredL2(_, let state):
        runL2(state, &registers)
        return
      }
    }
  }

  /// Runs the L2 until L1 has its exit.
  private func runL2(_ entered: L2EnterState, _ registers: inout GeneralRegisters) {
    var state = entered
    while true {
      let route: L2Route
      switch program(self, &state) {
      case .exit(let exit): route = td.l2Exit(vcpu, exit, state, stack: 0, &registers, &memory)
      case .interrupt(let vector, let vectoring):
        var exit = L2Exit(.externalInterrupt)
        exit.vectoring = vectoring
        route = td.postedInterrupt(
          vcpu, requested: vector, exit: exit, state, stack: 0, &registers, &memory)
      }
      switch route {
      case .toL1: return
      // The access is done, or the L2 has #GP: it goes on.
      case .resume, .injectGeneralProtection: continue
      case .toHost: _ = td.enterFromHost(vcpu, GeneralRegisters(), &memory)
      }
    }
  }

  /// What the L2 may do with a page; nil if the page is not L1's.
  func rights(_ page: UInt64) -> GPAAttributes? {
    td.privateMapping(GuestPage(rawValue: page), vm: 1)?.rights
  }

  /// Whether vCPU 0 may still use rights of the L2 on a page that were taken away.
  func isOpen(_ page: UInt64) -> Bool { td.revocations.isOpen(GuestPage(rawValue: page), vm: 1, vcpu: 0) }

  /// A field of this vCPU's L2.
  func l2(_ field: VMCSEncoding) -> UInt64 { td.vcpus[vcpu].l2[0][field] }

  func disableInterrupts() { steps.append(.cli) }
  func enableInterrupts() { steps.append(.sti) }
  func pause() { steps.append(.pause) }

  func cpuid(_ leaf: UInt32, _ subleaf: UInt32) -> CPUIDResult {
    steps.append(.cpuid(leaf))
    switch L1CPUIDPolicy.outcome(leaf: leaf, subleaf: subleaf) {
    case .answered(let a): return CPUIDResult(eax: a.eax, ebx: a.ebx, ecx: a.ecx, edx: a.edx)
    case .fromPlatform:
      return leaf == 0x15
        ? CPUIDResult(eax: 1, ebx: 100, ecx: 25_000_000, edx: 0) : CPUIDResult(eax: 0, ebx: 0, ecx: 0, edx: 0)
    case .virtualization: fatalError("CPUID \(leaf) would raise #VE")
    }
  }

  func readMSR(_ register: MSR) -> UInt64 {
    guard td.l1Instruction(vcpu, .rdmsr(register.rawValue), length: 2) == .native else {
      fatalError("RDMSR \(register.rawValue) would raise #VE")
    }
    steps.append(.readMSR(register.rawValue))
    return msrs[register.rawValue] ?? 0
  }

  func writeMSR(_ register: MSR, _ value: UInt64) {
    guard td.l1Instruction(vcpu, .wrmsr(register.rawValue, value), length: 2) == .native else {
      fatalError("WRMSR \(register.rawValue) would raise #VE")
    }
    steps.append(.writeMSR(register.rawValue, value))
  }

  func setExtendedControl(_ value: UInt64) { steps.append(.extendedControl(value)) }

  func cycles() -> UInt64 {
    ticks += 1000
    return ticks
  }

  func instruction(at address: VirtualAddress) -> InlineArray<15, UInt8> {
    steps.append(.code)
    var bytes = InlineArray<15, UInt8>(repeating: 0)
    for index in bytes.indices where index < code.count { bytes[index] = code[index] }
    return bytes
  }

  /// Executes an instruction of L1 that raises #VE; whether it did.
  func raise(_ instruction: L1Instruction, length: UInt32 = 2) -> Bool {
    td.l1Instruction(vcpu, instruction, length: length) == .fault(.raise(.virtualization))
  }

  /// Touches memory; whether that raised #VE.
  func touch(_ address: UInt64, _ kind: TDAccessKind) -> Bool {
    do throws(TDFault) {
      _ = try td.accessL1(vcpu, TDAccess(address, kind, linearAddress: 0x1234))
      return false
    } catch {
      return error == .raise(.virtualization)
    }
  }

  /// What goes to the host, call by call.
  var hostCalls: [UInt64] {
    steps.compactMap { if case .host(let function) = $0 { function } else { nil } }
  }

  func count(_ leaf: TDGLeaf) -> Int { steps.filter { $0 == .module(leaf.rawValue) }.count }
}

/// Private memory of the model TD, as L1's direct map shows it; pages that are not accepted are not there.
struct PrivateMemory: PhysicalMemory {
  let machine: ModelTD
  var limit: PhysicalAddress { PhysicalAddress(4096 * 4096) }

  private func byte(_ address: UInt64) -> (SystemPage, Int, UInt64)? {
    guard address < limit.rawValue, machine.isMapped(address >> 12) else { return nil }
    return (ModelTD.system(address >> 12), Int(address & 0xFF8), address & 7)
  }

  func load<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ type: Value.Type, at address: PhysicalAddress
  ) -> Value {
    var value: UInt64 = 0
    for index in 0..<UInt64(Value.bitWidth / 8) {
      guard let (page, offset, shift) = byte(address.rawValue &+ index) else { return .max }
      value |= (machine.memory.load(page, offset) >> (8 * shift) & 0xFF) << (8 * index)
    }
    return Value(truncatingIfNeeded: value)
  }

  func store<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ value: Value, at address: PhysicalAddress
  ) {
    for index in 0..<UInt64(Value.bitWidth / 8) {
      guard let (page, offset, shift) = byte(address.rawValue &+ index) else { return }
      let old = machine.memory.load(page, offset) & ~(0xFF << (8 * shift))
      let new = UInt64(truncatingIfNeeded: value >> Value(truncatingIfNeeded: 8 * index)) & 0xFF
      machine.memory.store(page, offset, old | new << (8 * shift))
    }
  }

  func zero(_ address: PhysicalAddress, count: UInt64) {
    for page in address.rawValue >> 12..<(address.rawValue + count) >> 12 where machine.isMapped(page) {
      machine.memory.zero(ModelTD.system(page))
    }
  }
}
