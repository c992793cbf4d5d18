// ModelHost: an honest host and its hardware, both from the model, on which the driver runs hosted; and its lies.
import Launch
import Model
import SNP
import SNPPlatform
import Seams
import X86

/// The machine around the model: memory, vCPUs at VMPL0, a serial port, and a place for lies.
///
/// Guest page n is system page n. The range starts at 4 MiB; its areas are launched, the rest is assigned and waits to
/// be validated, in 2 MiB entries where whole ones fit.
final class ModelHost {
  static let pages: UInt64 = 4096
  static let base: UInt64 = 0x40_0000
  static let launchPage = PhysicalAddress(base)
  static let parameters = base + 0x1000
  static let cpuidPage = base + 0x4000
  static let secretsPage = base + 0x5000
  static let image = base + 0x1_0000

  var machine: SNPMachine
  var memory = ArrayMemory(pageCount: Int(ModelHost.pages))
  var rangeBytes: UInt64
  var cpu = 0
  var words: [[UInt64]]
  var console: [UInt8] = []
  var status = SEVFeatures([.snpActive, .restrictedInjection, .debugSwap]).status
  var isParked = false
  /// The exchanges so far: the MSR's code, or the event of the page.
  var log: [UInt64] = []
  /// Answers a message in the honest host's place.
  var lie: ((GHCBMSR) -> GHCBMSR?)?
  /// Changes a page's answer after the honest host has made it.
  var spoil: ((ModelHost, UInt64) -> Void)?
  /// What a halted CPU meets: runs when HLT is reached.
  var halted: ((ModelHost) -> Void)?
  /// Runs between the look and HLT; true if #HV came there.
  var inWindow: ((ModelHost) -> Bool)?
  var created: [(vcpu: Int, level: VMPL, operation: APCreation.Operation)] = []
  var kicks: [UInt64] = []
  /// Number and low half of each MSR that was written by a request.
  var msrWrites: [[UInt64]] = []
  /// What the guest does when it is entered, until it calls again.
  var guestRuns: ((ModelHost) -> Void)?
  static let guestImage: UInt64 = 0x20_0000
  static let guestPages: UInt64 = 5

  init(
    processors: Int = 2, rangeBytes: UInt64 = 6 << 20, largePages: Bool = true, shared: Bool = false,
    guest: Bool = false
  ) {
    self.rangeBytes = rangeBytes
    words = [[UInt64]](repeating: [UInt64](repeating: 0, count: 8), count: max(1, processors))
    machine = SNPMachine(
      SNPConfiguration(apicIDs: (0..<processors).map { UInt32($0 * 2) }), systemPageCount: Int(Self.pages),
      windows: PageWindows(pageCount: Int(Self.pages)), firmware: SNPFirmware(seed: 7))
    for page in 0..<Self.pages {
      machine.memory.nested[GuestPage(rawValue: page)] = NestedEntry(page: SystemPage(rawValue: page))
    }
    _ = machine.startLaunch(policy: 1 << 17)
    writeLaunch(processors, guest: guest)
    if guest { launchGuest() }
    // A page of zeros stands for the whole image.
    let pages: [(UInt64, LaunchPageKind)] = [
      (Self.base, .normal), (Self.parameters, .unmeasured), (Self.base + 0x2000, .unmeasured),
      (Self.base + 0x3000, .unmeasured), (Self.image, .normal),
    ]
    for (address, kind) in pages { launch(address, kind) }
    writeCPUID()
    launch(Self.cpuidPage, .normal)
    launch(Self.secretsPage, .secrets)
    prepareVMSA(Self.base + 0x6000)
    launch(Self.base + 0x6000, .vmsa)
    _ = machine.finishLaunch(hostData: InlineArray(repeating: 0))
    machine.offerVMSA(GuestPage(containing: Self.base + 0x6000), vcpu: 0, vmpl: .vmpl0)
    if !shared { assignRest(largePages) }
    enter()
  }

  // MARK: The launch.

  // A header as boards/guest/README.md has it, and a page of tables.
  private func launchGuest() {
    store64(Self.guestImage + 0x10, 0x5453_4555_4753_5041)
    store64(Self.guestImage + 0x18, Self.guestImage + 0x1000)
    store64(Self.guestImage + 0x20, 0x1000)
    store64(Self.guestImage + 0x1000, 0x20_2063)
    for page in 0..<Self.guestPages { launch(Self.guestImage + page << 12, .normal) }
    for page in UInt64(0x1F0)..<0x200 { assign(page, is2M: false) }
    // 1 MiB to the range, and 4 MiB behind it.
    let entries: [UInt64] = [0x100, 0x400, 0, 0x400 + rangeBytes >> 12, 0x100, 0]
    for index in entries.indices { store64(Self.base + 0x2000 + UInt64(8 * index), entries[index]) }
  }

  private func writeLaunch(_ processors: Int, guest: Bool) {
    var information = LaunchInformation(platform: 2, hypervisor: 3)
    information.processorCount = UInt32(processors)
    information.rangeStart = Self.base
    information.rangeByteCount = rangeBytes
    information.consolePort = 0x3F8
    information.areas = [
      LaunchArea(.image, gpa: Self.image, byteCount: 4096),
      LaunchArea(.parameters, gpa: Self.parameters, byteCount: 4096),
      LaunchArea(.memoryMap, gpa: Self.base + 0x2000, byteCount: 4096),
      LaunchArea(.madt, gpa: Self.base + 0x3000, byteCount: 4096),
      LaunchArea(.cpuid, gpa: Self.cpuidPage, byteCount: 4096),
      LaunchArea(.secrets, gpa: Self.secretsPage, byteCount: 4096),
      LaunchArea(.vmsa, gpa: Self.base + 0x6000, byteCount: 4096),
      LaunchArea(.launchInformation, gpa: Self.base, byteCount: 4096),
    ]
    if guest {
      information.areas.append(
        LaunchArea(.guestImage, gpa: Self.guestImage, byteCount: Self.guestPages << 12 - 100))
      information.guestByteCount = 16 << 20
    }
    information.commandLine = Array((guest ? "until=idle -- selftest a=b" : "until=idle").utf8)
    put(information.encoded() ?? [], at: Self.base)
    store32(Self.parameters, UInt32(processors))
  }

  private func writeCPUID() {
    store32(Self.cpuidPage, 4)
    entry(0, CPUIDEntry(leaf: 0x8000_0000, (0x8000_0021, 0, 0, 0)))
    entry(1, CPUIDEntry(leaf: 0x8000_001F, (0b1_1010, 47, 0, 0)))
    entry(2, CPUIDEntry(leaf: 1, (0xA0_0F11, 0xFF00_0800, 1 << 21, 0x1F8B_FBFF)))
    entry(3, CPUIDEntry(leaf: 0x16, (2500, 0, 0, 0)))
  }

  func entry(_ index: Int, _ entry: CPUIDEntry) {
    var bytes = [UInt8](repeating: 0, count: CPUIDEntry.byteCount)
    var span = bytes.mutableSpan
    _ = try? entry.encode(into: &span)
    put(bytes, at: Self.cpuidPage + 16 + UInt64(48 * index))
  }

  private func prepareVMSA(_ address: UInt64) {
    store64(address + UInt64(VMSAField.efer), VMSAField.eferSVME)
    store64(address + UInt64(VMSAField.sevFeatures), SEVFeatures(status: status).rawValue)
  }

  private func launch(_ address: UInt64, _ kind: LaunchPageKind) {
    assign(address >> 12, is2M: false, immutable: true)
    _ = machine.launch(
      GuestPage(containing: address), SystemPage(rawValue: address >> 12), kind, &memory)
  }

  func assign(_ page: UInt64, is2M: Bool, immutable: Bool = false) {
    let record = RMPUpdateRecord(
      guestAddress: page << 12, assigned: true, pageSize: is2M ? .size2M : .size4K, immutable: immutable,
      asid: machine.memory.asid)
    _ = machine.memory.rmpUpdate(SystemPage(rawValue: page), record)
  }

  private func assignRest(_ largePages: Bool) {
    let end = (Self.base + rangeBytes) >> 12
    var page = Self.base >> 12
    while page < end {
      if largePages, page % 512 == 0, end - page >= 512, page > Self.base >> 12 {
        assign(page, is2M: true)
        page += 512
      } else {
        if machine.memory.rmp.read(SystemPage(rawValue: page))?.isAssigned != true {
          assign(page, is2M: false)
        }
        page += 1
      }
    }
  }

  // MARK: Bytes.

  func put(_ bytes: [UInt8], at address: UInt64) {
    for (index, byte) in bytes.enumerated() { setByte(address + UInt64(index), byte) }
  }
  func byte(_ address: UInt64) -> UInt8 {
    UInt8(truncatingIfNeeded: load64(address & ~7) >> (8 * (address & 7)))
  }
  func setByte(_ address: UInt64, _ byte: UInt8) {
    let shift = 8 * (address & 7)
    store64(address & ~7, load64(address & ~7) & ~(0xFF << shift) | UInt64(byte) << shift)
  }
  func load64(_ address: UInt64) -> UInt64 {
    memory.load(SystemPage(rawValue: address >> 12), Int(address & 0xFF8))
  }
  func store64(_ address: UInt64, _ value: UInt64) {
    memory.store(SystemPage(rawValue: address >> 12), Int(address & 0xFF8), value)
  }
  func store32(_ address: UInt64, _ value: UInt32) {
    for index in 0..<4 {
      setByte(address + UInt64(index), UInt8(truncatingIfNeeded: value >> UInt32(8 * index)))
    }
  }

  // MARK: The host's side of an exchange.

  func enter() { _ = machine.vmrun(cpu, .vmpl0, &memory) }

  func exchange(_ value: UInt64) -> UInt64 {
    let request = GHCBMSR(rawValue: value)
    log.append(UInt64(request.code.rawValue))
    if let answer = lie?(request) { return answer.rawValue }
    machine.vmexit(cpu, .vmgexit, &memory)
    var answer = value
    switch machine.msrRequest(cpu, request) {
    case .cpuid(let function, let register):
      // Leaf 1 EBX and leaf 0xB EDX: this CPU's identifier.
      let id = machine.vcpus[cpu].apicID
      machine.answerCPUID(cpu, function == 1 && register == 1 ? id << 24 : id)
    case .page(let page): serve(page)
    case .switched(let level):
      guard machine.vmrun(cpu, level, &memory) == .entered(level) else { break }
      guestRuns?(self)
      machine.vmexit(cpu, .vmgexit, &memory)
      _ = machine.hostSwitch(cpu, to: .vmpl0)
    default: break
    }
    answer = machine.vcpus[cpu].ghcbMSR.rawValue
    enter()
    return answer
  }

  private func serve(_ page: GuestPage) {
    let system = SystemPage(rawValue: page.rawValue)
    log.append(memory.load(system, GHCBPage.exitCode))
    let rax = memory.load(system, GHCBPage.rax)
    switch machine.naeRequest(cpu, page, &memory) {
    case .emulate(.io, let info1, _):
      let port = info1 >> 16 & 0xFFFF
      if info1 & 1 == 1 {
        machine.answerNAE(cpu, rax: port == 0x3FD ? 0x20 : 0xFF, &memory)
      } else {
        if port == 0x3F8 { console.append(UInt8(truncatingIfNeeded: rax)) }
        machine.answerNAE(cpu, &memory)
      }
    case .emulate(.mmioRead, _, _):
      memory.store(system, GHCBPage.sharedBuffer, 0x1122_3344_5566_7788)
      machine.answerNAE(cpu, &memory)
    case .emulate(.rdtsc, _, _): machine.answerNAE(cpu, rax: 0x1_2345_6789, rdx: 7, &memory)
    case .emulate(.msr, let isWrite, _):
      if isWrite == 1 { msrWrites.append([memory.load(system, GHCBPage.rcx), rax]) }
      machine.answerNAE(cpu, rax: 5, rdx: 6, &memory)
    case .emulate: machine.answerNAE(cpu, &memory)
    case .vcpuChanged(let target, let level, let operation): created.append((target, level, operation))
    case .sendIPI(let command): kicks.append(command)
    default: break
    }
    spoil?(self, page.rawValue << 12)
  }

  var text: String { String(decoding: console, as: UTF8.self) }
}

/// The seam over the host; unchecked because the tests are single-threaded.
struct ModelHardware: SNPHardware, @unchecked Sendable {
  let host: ModelHost

  var cpu: CPUIndex { CPUIndex(UInt32(host.cpu)) }
  func ownWord(_ index: Int) -> UInt64 { host.words[host.cpu][index] }
  func setOwnWord(_ index: Int, _ value: UInt64) { host.words[host.cpu][index] = value }
  var status: UInt64 { host.status }
  func exchange(_ value: UInt64) -> UInt64 { host.exchange(value) }

  private var caller: SNPCaller { SNPCaller(cpu: host.cpu, vmpl: .vmpl0) }

  // A nested fault goes to the host, which splits its entry and lets the guest try again (KVM's answer to SIZEM).
  private func retrying(_ page: PhysicalAddress, _ body: () throws(GuestFault) -> RMPResult) -> RMPResult? {
    for _ in 0..<2 {
      do throws(GuestFault) {
        return try body()
      } catch {
        guard case .nested(let code) = error, code.contains(.sizeMismatch) else { return nil }
        _ = host.machine.memory.psmash(SystemPage(rawValue: page.rawValue >> 12).base2M)
      }
    }
    return nil
  }

  func pvalidate(_ page: PhysicalAddress, _ size: RMPPageSize, validate: Bool) -> ValidationResult {
    let result = retrying(page) { () throws(GuestFault) in
      try host.machine.memory.pvalidate(
        caller, RMPTarget(GuestPage(containing: page.rawValue)), size: size, validate: validate)
    }
    return ValidationResult(result?.status ?? RMPStatus(rawValue: 0xFF), wasUnchanged: result?.carry ?? false)
  }
  func rmpadjust(_ page: PhysicalAddress, _ size: RMPPageSize, _ operand: RMPAdjustOperand) -> RMPStatus {
    let result = retrying(page) { () throws(GuestFault) in
      try host.machine.memory.rmpadjust(
        caller, RMPTarget(GuestPage(containing: page.rawValue)), size: size, operand)
    }
    return result?.status ?? RMPStatus(rawValue: 0xFF)
  }
  func rmpquery(
    _ page: PhysicalAddress, of level: VMPL
  ) -> (status: RMPStatus, answer: RMPAdjustOperand, size: RMPPageSize) {
    (try? host.machine.memory.rmpquery(caller, RMPTarget(GuestPage(containing: page.rawValue)), of: level))
      ?? (RMPStatus(rawValue: 0xFF), RMPAdjustOperand(rawValue: 0), .size4K)
  }
  func invalidateEverywhere() {
    try? host.machine.memory.invlpgb(caller, rax: 8, edx: 0)
    try? host.machine.memory.tlbsync(caller)
  }

  func loadShared(_ address: PhysicalAddress) -> UInt64 { host.load64(address.rawValue) }
  func storeShared(_ address: PhysicalAddress, _ value: UInt64) {
    guard host.machine.memory.hostMayWrite(SystemPage(rawValue: address.rawValue >> 12)) else { return }
    host.store64(address.rawValue, value)
  }
  func exchangeShared(_ address: PhysicalAddress, expected: UInt32, with desired: UInt32) -> UInt32 {
    let old = host.load64(address.rawValue)
    let found = UInt32(truncatingIfNeeded: old)
    if found == expected { host.store64(address.rawValue, old & ~0xFFFF_FFFF | UInt64(desired)) }
    return found
  }

  func halt(unless word: PhysicalAddress, has mask: UInt32) {
    guard loadShared32(word) & mask == 0 else { return }
    if host.inWindow?(host) == true { return }
    host.halted?(host)
  }
  func run(_ level: VMPL, unless word: PhysicalAddress, has mask: UInt32) -> UInt64 {
    let request = GHCBMSR.runVMPL(level).rawValue
    guard loadShared32(word) & mask == 0, host.inWindow?(host) != true else { return request }
    return host.exchange(request)
  }
  func endOfWindow(_ rip: UInt64) -> UInt64? { (0x1000..<0x1008).contains(rip) ? 0x1008 : nil }
  func faultExit(_ rip: UInt64) -> UInt64? { (0x2000..<0x2008).contains(rip) ? 0x2008 : nil }

  func closeGate(_ state: PhysicalAddress) -> Bool {
    let efer = state.advanced(by: UInt64(VMSAField.efer))
    let control = state.advanced(by: UInt64(VMSAField.virtualInterruptControl))
    guard let word = loadGuest(control), word >> 63 == 0, let old = loadGuest(efer) else { return false }
    return storeGuest(old & ~VMSAField.eferSVME, width: 8, efer)
  }

  func openGate(_ state: PhysicalAddress) {
    let place = state.advanced(by: UInt64(VMSAField.efer))
    if let efer = loadGuest(place) { _ = storeGuest(efer | VMSAField.eferSVME, width: 8, place) }
  }
  private func vmsa(_ state: PhysicalAddress, _ offset: Int) -> UInt64 {
    loadGuest(state.advanced(by: UInt64(offset))) ?? 0
  }
  func takeCall(
    _ state: PhysicalAddress, _ area: PhysicalAddress, into registers: inout CallRegisters
  ) -> UInt8? {
    guard closeGate(state) else { return nil }
    let pending = (loadGuest(area) ?? 0) & 0xFF
    guard pending != 0, vmsa(state, VMSAField.guestExitCode) == SVMExitCode.vmgexit.rawValue else {
      openGate(state)
      return nil
    }
    registers = CallRegisters(
      rax: vmsa(state, VMSAField.rax), rcx: vmsa(state, VMSAField.rcx), rdx: vmsa(state, VMSAField.rdx),
      r8: vmsa(state, VMSAField.r8), r9: vmsa(state, VMSAField.r9))
    return UInt8(pending)
  }
  func answerCall(_ state: PhysicalAddress, _ area: PhysicalAddress, rax: UInt64, rcx: UInt64?) {
    _ = storeGuest(rax, width: 8, state.advanced(by: UInt64(VMSAField.rax)))
    if let rcx { _ = storeGuest(rcx, width: 8, state.advanced(by: UInt64(VMSAField.rcx))) }
    _ = storeGuest(0, width: 1, area)
    openGate(state)
  }

  // The guest's memory is private, and VMPL0 reaches it as its own (APM 2, 15.36.3).
  private func reaches(_ address: UInt64, _ kind: SNPAccessKind) -> Bool {
    let page = GuestPage(containing: address)
    return (try? host.machine.memory.access(caller, page, kind)) != nil
  }

  func loadGuest(_ address: PhysicalAddress) -> UInt64? {
    guard reaches(address.rawValue, .read(encrypted: true)) else { return nil }
    return host.load64(address.rawValue)
  }
  func storeGuest(_ value: UInt64, width: Int, _ address: PhysicalAddress) -> Bool {
    guard reaches(address.rawValue, .write(encrypted: true)) else { return false }
    for index in 0..<UInt64(width) {
      host.setByte(address.rawValue + index, UInt8(truncatingIfNeeded: value >> (8 * index)))
    }
    return true
  }
  func readGuest(_ address: PhysicalAddress, into bytes: inout MutableSpan<UInt8>) -> Bool {
    for index in bytes.indices {
      guard reaches(address.rawValue + UInt64(index), .read(encrypted: true)) else { return false }
      bytes[index] = host.byte(address.rawValue + UInt64(index))
    }
    return true
  }
  func writeGuest(_ bytes: borrowing Span<UInt8>, _ address: PhysicalAddress) -> Bool {
    for index in bytes.indices {
      guard reaches(address.rawValue + UInt64(index), .write(encrypted: true)) else { return false }
      host.setByte(address.rawValue + UInt64(index), bytes[index])
    }
    return true
  }
  func zeroGuest(_ address: PhysicalAddress, byteCount: UInt64) -> Bool {
    for offset in stride(from: UInt64(0), to: byteCount, by: 8) {
      guard storeGuest(0, width: 8, address.advanced(by: offset)) else { return false }
    }
    return true
  }
  func codeByte(_ address: UInt64) -> UInt8 { host.byte(address) }
  func park() -> Never { fatalError("parked") }
}

/// Private memory through the model's checks: an access that the guest could not make gives all ones and is counted.
final class ModelMemory: PhysicalMemory, @unchecked Sendable {
  let host: ModelHost
  var faults = 0
  init(_ host: ModelHost) { self.host = host }
  var limit: PhysicalAddress { PhysicalAddress(ModelHost.pages << 12) }

  private func reaches(_ address: PhysicalAddress, _ kind: SNPAccessKind) -> Bool {
    let page = GuestPage(containing: address.rawValue)
    guard (try? host.machine.memory.access(SNPCaller(cpu: host.cpu, vmpl: .vmpl0), page, kind)) != nil else {
      faults += 1
      return false
    }
    return true
  }

  func load<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ type: Value.Type, at address: PhysicalAddress
  ) -> Value {
    guard reaches(address, .read(encrypted: true)) else { return .max }
    var value: Value = 0
    for index in 0..<(Value.bitWidth / 8) {
      value |= Value(truncatingIfNeeded: host.byte(address.rawValue + UInt64(index))) << Value(8 * index)
    }
    return value
  }
  func store<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ value: Value, at address: PhysicalAddress
  ) {
    guard reaches(address, .write(encrypted: true)) else { return }
    for index in 0..<(Value.bitWidth / 8) {
      host.setByte(
        address.rawValue + UInt64(index), UInt8(truncatingIfNeeded: value >> Value(8 * index)))
    }
  }
  func zero(_ address: PhysicalAddress, count: UInt64) {
    for offset in stride(from: UInt64(0), to: count, by: 8) {
      store(UInt64(0), at: address.advanced(by: offset))
    }
  }
}

/// A counter that counts its looks.
struct Ticks: CycleCounter, Sendable {
  func cycles() -> UInt64 { 0 }
}

typealias TestPlatform = SNPPlatform<ModelHardware, ModelMemory, Ticks>

extension ModelHost {
  /// A guest that runs with vTOM: the measured boundary is bit 46, and the host names no C-bit.
  static func withVirtualTOM() -> ModelHost {
    let host = ModelHost()
    host.status |= SEVFeatures.vTOM.status
    host.store64(base + 0x28, 1 << 46)
    host.lie = { $0.code == .infoRequest ? .info(maximum: 2, minimum: 2, cBit: 0) : nil }
    return host
  }

  func boot() throws(TerminationReason) -> TestPlatform {
    try SNPPlatform(
      hardware: ModelHardware(host: self), memory: ModelMemory(self), cycles: Ticks(),
      launchPage: Self.launchPage)
  }

  /// Why the boot ends; nil if it does not.
  func refusal() -> TerminationReason? {
    do throws(TerminationReason) {
      let platform = try boot()
      try platform.claim()
      return nil
    } catch {
      return error
    }
  }
}
