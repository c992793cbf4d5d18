// World: an SNP machine in the model with a guest of four vCPUs that this kernel serves.
import Model
import RequestLoop
import SNP
import SVSMProtocol
import Seams
import TaskRuntime
import Tasks
import X86

/// A fixed layout of 16 MiB, guest page n backed by system page n.
///
/// | 2 MiB chunk | pages | what |
/// |---|---|---|
/// | 0 | 0–511 | the guest's, 4 KiB entries, valid; 256–511 not yet validated |
/// | 1, 2 | 512–1535 | the guest's, 2 MiB entries, not validated |
/// | 3 | 1536–2047 | the kernel's; 1600+n the start-up VMSA (n = 0) |
/// | 4 | 2048–2559 | the guest's, 4 KiB entries, not validated |
/// | 5 | 2560–3071 | the guest's, 2 MiB entries, valid |
/// | 6 | 3072–3583 | the guest's, owned by the host (shared) |
/// | 7 | 3584–4095 | nothing |
final class World: @unchecked Sendable {
  static let pageCount = 4096
  static let kernel: UInt64 = 1536
  static let startUpVMSA: UInt64 = 1600
  static let startUpArea: UInt64 = 16
  static let apicIDs: [UInt32] = [0, 7, 8, 11]
  static let canary: UInt64 = 0x5EC2_E75E_C2E7_0001

  var machine: SNPMachine
  var bytes = ArrayMemory(pageCount: World.pageCount)
  let guest: Guest
  let exchange = StockOfPages()
  private let lock = SharedWords(count: 1)
  /// What went wrong, in the order in which it did.
  private(set) var failures: [String] = []
  /// Pages that the host plays with: the model's and the kernel's view of them may differ.
  var hostile: Set<UInt64> = []
  /// Work of the platform that ends in a failed flush (the TDP's BUSY) while positive.
  var failingFlushes = 0
  /// Called at each `clear`, with the address.
  var onClear: ((UInt64) -> Void)?
  /// Called after each revocation, before the call goes on.
  var onRevoke: ((UInt64) -> Void)?
  private(set) var clearedBytes: UInt64 = 0

  init() {
    machine = SNPMachine(
      SNPConfiguration(apicIDs: Self.apicIDs), systemPageCount: Self.pageCount,
      windows: PageWindows(pageCount: Self.pageCount), firmware: SNPFirmware(seed: 42))
    guest = Guest(
      regions: [GuestRegion(firstPage: 0, pageCount: UInt64(Self.pageCount) - 512)],
      cpuCount: Self.apicIDs.count)
    exchange.tell = { [guest] in guest.isMemoryAvailable = $0 }
    for page in 0..<UInt64(Self.pageCount) {
      machine.memory.nested[GuestPage(rawValue: page)] = NestedEntry(page: SystemPage(rawValue: page))
    }
    for chunk in [1, 2, 5] as [UInt64] { assign(chunk << 9, is2M: true) }
    for page in 0..<UInt64(512) { assign(page) }
    for page in 1536..<UInt64(2560) { assign(page) }
    for page in 0..<UInt64(256) { launch(page, .small) }
    launch(2560, .large)
    for page in Self.kernel..<Self.kernel + 512 {
      _ = try? machine.memory.pvalidate(
        kernelCPU, RMPTarget(GuestPage(rawValue: page)), size: .size4K, validate: true)
      for word in 0..<512 { bytes.store(SystemPage(rawValue: page), word * 8, Self.canary) }
    }
    let pages = guest.pages
    pages.assign(GuestRegion(firstPage: 0, pageCount: 256), .valid)
    pages.assign(GuestRegion(firstPage: 256, pageCount: 1280), .invalid)
    pages.assign(GuestRegion(firstPage: Self.kernel, pageCount: 512), .kernel)
    pages.assign(GuestRegion(firstPage: 2048, pageCount: 512), .invalid)
    pages.assign(GuestRegion(firstPage: 2560, pageCount: 512), .valid)
    pages.assign(GuestRegion(firstPage: 3072, pageCount: 512), .invalid)
    fillVMSA(Self.startUpVMSA)
    _ = adjust(Self.startUpVMSA, .size4K, .vmpl2, .none, isVMSA: true)
    machine.memory.flushAll(kernelCPU)
    let isStarted = guest.start(
      VCPUContext(PhysicalAddress(Self.startUpVMSA << 12)),
      callingArea: PhysicalAddress(Self.startUpArea << 12), cpu: 0, isStartUp: true)
    check(isStarted, "the start-up vCPU is registered")
    machine.offerVMSA(GuestPage(rawValue: Self.startUpVMSA), vcpu: 0, vmpl: .vmpl2)
  }

  var kernelCPU: SNPCaller { SNPCaller(cpu: Int(ThisCPU.index), vmpl: .vmpl0) }

  /// Runs `body` while no other thread is in the model.
  func locked<Value>(_ body: () -> Value) -> Value {
    let word = lock[0]
    while word.compareExchange(expected: 0, desired: 1) != 0 { AtomicCell.pause() }
    defer { word.storeRelease(0) }
    return body()
  }

  func check(_ isTrue: Bool, _ message: @autoclosure () -> String, _ line: UInt = #line) {
    if !isTrue, failures.count < 20 { failures.append("line \(line): \(message())") }
  }

  func equal<Value: Equatable>(_ found: Value, _ wanted: Value, _ what: String = "", _ line: UInt = #line) {
    check(found == wanted, "\(what): found \(found), not \(wanted)", line)
  }

  // MARK: The host's side

  @discardableResult
  func assign(_ page: UInt64, is2M: Bool = false) -> RMPStatus {
    machine.memory.rmpUpdate(
      SystemPage(rawValue: page),
      RMPUpdateRecord(
        guestAddress: page << 12, assigned: true, pageSize: is2M ? .size2M : .size4K, immutable: false,
        asid: 5))
  }

  /// The host takes a page for itself.
  func takeByHost(_ page: UInt64) {
    hostile.insert(page)
    _ = machine.memory.rmpUpdate(SystemPage(rawValue: page), .hypervisorOwned())
  }

  private func launch(_ page: UInt64, _ size: GuestPageSize) {
    let target = RMPTarget(GuestPage(rawValue: page))
    let rmpSize: RMPPageSize = size == .large ? .size2M : .size4K
    _ = try? machine.memory.pvalidate(kernelCPU, target, size: rmpSize, validate: true)
    for level in [VMPL.vmpl1, .vmpl2] { _ = adjust(page, rmpSize, level, .full) }
  }

  func adjust(
    _ page: UInt64, _ size: RMPPageSize, _ level: VMPL, _ permissions: RMPPermissions, isVMSA: Bool = false
  ) -> RMPResult? {
    try? machine.memory.rmpadjust(
      kernelCPU, RMPTarget(GuestPage(rawValue: page)), size: size,
      RMPAdjustOperand(target: level, permissions: permissions, isVMSA: isVMSA))
  }

  func entry(_ page: UInt64) -> RMPEntry? { machine.memory.rmp.read(SystemPage(rawValue: page)) }

  // MARK: The guest's side

  /// Writes what Linux writes into the VMSA of a vCPU to come (reference B.6.2), as far as anyone looks.
  func fillVMSA(_ page: UInt64, vmpl: UInt64 = 2, efer: UInt64 = VMSAField.eferSVME, features: UInt64 = 1) {
    let system = SystemPage(rawValue: page)
    bytes.zero(system)
    bytes.store(system, VMSAField.vmpl & ~7, vmpl << UInt64(8 * (VMSAField.vmpl & 7)))
    bytes.store(system, VMSAField.efer, efer)
    bytes.store(system, VMSAField.sevFeatures, features)
  }

  func word(_ page: UInt64, _ offset: Int) -> UInt64 { bytes.load(SystemPage(rawValue: page), offset) }
  func setWord(_ page: UInt64, _ offset: Int, _ value: UInt64) {
    bytes.store(SystemPage(rawValue: page), offset, value)
  }

  /// Whether VMPL2 may do this to a page just now.
  func guestMay(_ kind: SNPAccessKind, _ page: UInt64, vmpl: VMPL = .vmpl2) -> Bool {
    (try? machine.memory.access(SNPCaller(cpu: 0, vmpl: vmpl), GuestPage(rawValue: page), kind)) != nil
  }
  func guestReads(_ page: UInt64) -> Bool { guestMay(.read(encrypted: true), page) }
  func guestWrites(_ page: UInt64) -> Bool { guestMay(.write(encrypted: true), page) }

  /// Writes a page list as PVALIDATE takes it.
  func putList(_ address: UInt64, _ entries: [UInt64], next: UInt64 = 0, count: UInt64? = nil) {
    let page = address >> 12
    let offset = Int(address & 0xFFF)
    setWord(page, offset, (count ?? UInt64(entries.count)) | next << 16)
    for (index, entry) in entries.enumerated() where offset + 8 + index * 8 < 4096 {
      setWord(page, offset + 8 + index * 8, entry)
    }
  }

  /// The `next` of a list.
  func next(_ address: UInt64) -> UInt64 { word(address >> 12, Int(address & 0xFF8)) >> 16 & 0xFFFF }

  // MARK: Invariants

  /// What must hold for a page whatever the guest asked for.
  func checkPage(_ page: UInt64) {
    if hostile.contains(page) { return }
    let state = guest.pages.state(of: PhysicalAddress(page << 12))
    guard let entry = entry(page) else { return }
    let hasRights = [VMPL.vmpl1, .vmpl2, .vmpl3].contains { !entry.permissions($0).isEmpty }
    if state == .valid || state == .callingArea {
      check(
        entry.isValidated && entry.permissions(.vmpl2) == .full && !entry.isVMSA,
        "page \(page): valid, but \(entry)")
      check(entry.permissions(.vmpl3).isEmpty, "page \(page): VMPL3 has rights")
    } else if state == .invalid || state == .withheld {
      check(!entry.isValidated && !hasRights, "page \(page): invalid, but \(entry)")
    } else if state == .context {
      check(entry.isVMSA && !entry.permissions(.vmpl2).contains(.write), "page \(page): a VMSA, but \(entry)")
    } else if state == .kernel || state == .deposited {
      check(!hasRights, "page \(page): the kernel's, but the guest has rights")
    } else {
      check(state == .outside, "page \(page): left in state \(state)")
    }
  }

  /// What must hold for the whole machine between two calls.
  func checkAll() {
    check(machine.memory.revocations.isEmpty, "a reduction is not flushed")
    check(machine.memory.breaches.count == 0, "breaches: \(machine.memory.breaches.first)")
    for page in 0..<UInt64(Self.pageCount) { checkPage(page) }
    for page in Self.kernel..<Self.kernel + 512 where page != Self.startUpVMSA {
      check(
        word(page, 0) == Self.canary && word(page, 4088) == Self.canary, "kernel page \(page) was written")
    }
  }

  func countClear(_ count: UInt64) { clearedBytes += count }
}

extension SNPMemory {
  /// INVLPGB of everything and TLBSYNC.
  mutating func flushAll(_ caller: SNPCaller) {
    _ = try? invlpgb(caller, rax: 0b1000, edx: 0)
    _ = try? tlbsync(caller)
  }
}

/// Pages that the kernel was lent, with room for 2,048.
final class StockOfPages: MemoryExchange, @unchecked Sendable {
  private let lock = SharedWords(count: 1)
  private(set) var pages: [UInt64] = []
  var capacity = 2048
  /// Pages that the kernel must have before it begins what needs memory.
  var needed = 0
  /// Told whenever there begins or ceases to be a page.
  var tell: ((Bool) -> Void)?
  /// Called for a page about to be given back: it must carry nothing.
  var wipe: ((UInt64) -> Void)?

  private func locked<Value>(_ body: () -> Value) -> Value {
    let word = lock[0]
    while word.compareExchange(expected: 0, desired: 1) != 0 { AtomicCell.pause() }
    defer { word.storeRelease(0) }
    return body()
  }

  func deposit(_ address: PhysicalAddress, pageCount: Int) -> Bool {
    locked {
      guard pages.count + pageCount <= capacity else { return false }
      for index in 0..<UInt64(pageCount) { pages.append(address.rawValue >> 12 + index) }
      tell?(true)
      return true
    }
  }

  func withdraw() -> PhysicalAddress? {
    let page = locked {
      let page = pages.popLast()
      if pages.isEmpty { tell?(false) }
      return page
    }
    if let page { wipe?(page) }
    return page.map { PhysicalAddress($0 << 12) }
  }

  func returnWithdrawn(_ address: PhysicalAddress) { _ = deposit(address, pageCount: 1) }

  var shortfall: UInt32 { locked { UInt32(max(0, needed - pages.count)) } }
}
