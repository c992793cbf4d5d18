// ModelPlatform: the seams between the request loop and a platform, over the SNP model.
import Model
import RequestLoop
import SNP
import Seams
import Tasks
import X86

/// What a driver does with instructions, done by asking the model; the host's PSMASH is done at once.
struct ModelPlatform: GuestPlatform {
  let world: World
  /// What the guest on this CPU does at each entry, until it answers nil.
  var program: (@Sendable (World) -> SVMExitCode?)?

  init(_ world: World) { self.world = world }

  private var caller: SNPCaller { world.kernelCPU }

  // MARK: Entry

  func holdWakes() {}
  func releaseWakes() {}
  func halt(until deadline: UInt64?) {}
  func flush() {}

  func enter(_ context: VCPUContext, until deadline: UInt64?) -> GuestExit {
    world.locked {
      let cpu = Int(ThisCPU.index)
      world.check(!world.machine.memory.revocations.hasOpen(by: cpu), "entered with an open reduction")
      guard case .entered = world.machine.vmrun(cpu, .vmpl2, &world.bytes) else { return .refused }
      guard let code = program?(world) else {
        world.machine.vmexit(cpu, .interrupt, &world.bytes)
        return .refused
      }
      world.machine.vmexit(cpu, code, &world.bytes)
      return .returned
    }
  }

  // MARK: Registers

  private func system(_ context: VCPUContext) -> SystemPage {
    SystemPage(containing: context.address.rawValue)
  }

  func closeGate(_ context: VCPUContext) -> Bool {
    world.locked {
      // Hardware keeps a running VMSA from being written.
      guard world.machine.memory.rmp.read(system(context))?.isInUse != true else { return false }
      let efer = world.bytes.load(system(context), VMSAField.efer)
      world.bytes.store(system(context), VMSAField.efer, efer & ~VMSAField.eferSVME)
      return true
    }
  }

  func openGate(_ context: VCPUContext) {
    world.locked {
      let efer = world.bytes.load(system(context), VMSAField.efer)
      world.bytes.store(system(context), VMSAField.efer, efer | VMSAField.eferSVME)
    }
  }

  func exitedByCall(_ context: VCPUContext) -> Bool {
    world.locked {
      world.bytes.load(system(context), VMSAField.guestExitCode) == SVMExitCode.vmgexit.rawValue
    }
  }

  func callRegisters(_ context: VCPUContext) -> CallRegisters {
    world.locked {
      let page = system(context)
      return CallRegisters(
        rax: world.bytes.load(page, VMSAField.rax), rcx: world.bytes.load(page, VMSAField.rcx),
        rdx: world.bytes.load(page, VMSAField.rdx), r8: world.bytes.load(page, VMSAField.r8),
        r9: world.bytes.load(page, VMSAField.r9))
    }
  }

  func write(_ reply: CallReply, to context: VCPUContext) {
    world.locked {
      let page = system(context)
      world.bytes.store(page, VMSAField.rax, UInt64(reply.result))
      if let value = reply.rcx { world.bytes.store(page, VMSAField.rcx, value) }
      if let value = reply.rdx { world.bytes.store(page, VMSAField.rdx, value) }
      if let value = reply.r8 { world.bytes.store(page, VMSAField.r8, value) }
    }
  }

  // MARK: Memory

  /// Where an access of the kernel leads.
  private func reach(_ address: PhysicalAddress, _ kind: SNPAccessKind) throws(GuestMemoryFault) -> SystemPage
  {
    do throws(GuestFault) {
      return try world.machine.memory.access(caller, GuestPage(containing: address.rawValue), kind)
    } catch {
      throw GuestMemoryFault()
    }
  }

  private func withWord(
    _ address: PhysicalAddress, width: Int, _ value: UInt64?
  ) throws(GuestMemoryFault) -> UInt64 {
    let result = world.locked { () -> UInt64? in
      guard
        let page = try? reach(address, value == nil ? .read(encrypted: true) : .write(encrypted: true))
      else { return nil }
      let offset = Int(address.rawValue & 0xFF8)
      let old = world.bytes.load(page, offset)
      guard let value else { return old }
      let shift = address.rawValue & 7 * 8
      let mask = width == 8 ? UInt64.max : (1 << UInt64(width * 8) - 1) << shift
      world.bytes.store(page, offset, old & ~mask | value << shift & mask)
      return 0
    }
    guard let result else { throw GuestMemoryFault() }
    return result
  }

  func loadWord(_ address: PhysicalAddress) throws(GuestMemoryFault) -> UInt64 {
    try withWord(address, width: 8, nil)
  }
  func storeWord(_ value: UInt64, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    _ = try withWord(address, width: 8, value)
  }
  func storeHalf(_ value: UInt16, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    _ = try withWord(address, width: 2, UInt64(value))
  }
  func storeByte(_ value: UInt8, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    _ = try withWord(address, width: 1, UInt64(value))
  }
  func read(_ address: PhysicalAddress, into bytes: inout MutableSpan<UInt8>) throws(GuestMemoryFault) {
    for index in bytes.indices {
      let place = address.advanced(by: UInt64(index))
      let word = try withWord(PhysicalAddress(place.rawValue & ~7), width: 8, nil)
      bytes[index] = UInt8(truncatingIfNeeded: word >> (place.rawValue & 7 * 8))
    }
  }
  func write(_ bytes: borrowing Span<UInt8>, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    for index in bytes.indices { try storeByte(bytes[index], address.advanced(by: UInt64(index))) }
  }

  // MARK: Pages

  /// One RMP instruction; a nested fault for size is answered by PSMASH and the instruction restarted.
  private func instruction(
    _ address: PhysicalAddress, _ body: (RMPTarget) throws(GuestFault) -> RMPResult
  ) throws(PageFailure) {
    let target = RMPTarget(GuestPage(containing: address.rawValue))
    let outcome = world.locked { () -> Result<RMPResult, PageFailure> in
      for _ in 0..<2 {
        do throws(GuestFault) { return .success(try body(target)) } catch {
          guard case .nested(let code) = error, code.contains(.sizeMismatch) else {
            return .failure(.unreachable)
          }
          let base = SystemPage(containing: address.rawValue).base2M
          guard world.machine.memory.psmash(base) == .success else { return .failure(.unreachable) }
        }
      }
      return .failure(.unreachable)
    }
    let result = try outcome.get()
    if result.carry { throw .unchanged }
    if result.status == .failSizeMismatch { throw .sizeMismatch }
    if result.status == .failInUse { throw .inUse }
    guard result.status == .success else { throw .refused(UInt8(truncatingIfNeeded: result.status.rawValue)) }
  }

  private func size(_ size: GuestPageSize) -> RMPPageSize { size == .large ? .size2M : .size4K }

  func validate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {
    try instruction(address) { (target) throws(GuestFault) in
      try world.machine.memory.pvalidate(caller, target, size: self.size(size), validate: true)
    }
  }
  func invalidate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {
    try instruction(address) { (target) throws(GuestFault) in
      try world.machine.memory.pvalidate(caller, target, size: self.size(size), validate: false)
    }
  }
  private func adjust(
    _ address: PhysicalAddress, _ size: GuestPageSize, _ level: VMPL, _ permissions: RMPPermissions,
    isVMSA: Bool = false
  ) throws(PageFailure) {
    try instruction(address) { (target) throws(GuestFault) in
      try world.machine.memory.rmpadjust(
        caller, target, size: self.size(size),
        RMPAdjustOperand(target: level, permissions: permissions, isVMSA: isVMSA))
    }
  }
  func grant(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {
    for level in [VMPL.vmpl1, .vmpl2] { try adjust(address, size, level, .full) }
  }
  func revoke(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {
    for level in [VMPL.vmpl1, .vmpl2, .vmpl3] { try adjust(address, size, level, .none) }
    world.onRevoke?(address.rawValue)
  }
  func flushReductions() -> Bool {
    world.locked {
      world.machine.memory.flushAll(caller)
      guard world.failingFlushes > 0 else { return true }
      world.failingFlushes -= 1
      return false
    }
  }
  func clear(_ address: PhysicalAddress, byteCount: UInt64) throws(GuestMemoryFault) {
    world.onClear?(address.rawValue)
    let isReached = world.locked { () -> Bool in
      world.countClear(byteCount)
      var place = address
      while place < address.advanced(by: byteCount) {
        guard let page = try? reach(place, .write(encrypted: true)) else { return false }
        world.bytes.zero(page)
        place = place.advanced(by: 4096)
      }
      return true
    }
    guard isReached else { throw GuestMemoryFault() }
  }
  func isClearable(_ address: PhysicalAddress) -> Bool { !(0xA_0000..<0x10_0000 ~= address.rawValue) }

  // MARK: vCPUs

  var guestCreatesVCPUs: Bool { true }
  func processor(apicID: UInt32) -> CPUIndex? {
    World.apicIDs.firstIndex(of: apicID).map { CPUIndex(UInt32($0)) }
  }
  func makeContext(_ context: VCPUContext) throws(VCPUFailure) {
    let isRight = world.locked { () -> Bool in
      let page = system(context)
      let level = world.bytes.load(page, VMSAField.vmpl & ~7) >> UInt64(8 * (VMSAField.vmpl & 7)) & 0xFF
      let startUp = SystemPage(rawValue: World.startUpVMSA)
      return level == 2 && world.bytes.load(page, VMSAField.efer) & VMSAField.eferSVME != 0
        && world.bytes.load(page, VMSAField.sevFeatures) == world.bytes.load(startUp, VMSAField.sevFeatures)
    }
    guard isRight else { throw .contents }
    do throws(PageFailure) {
      try adjust(context.address, .small, .vmpl2, .none, isVMSA: true)
    } catch {
      throw .page(error)
    }
  }
  func unmakeContext(_ context: VCPUContext) throws(PageFailure) {
    try adjust(context.address, .small, .vmpl2, .none, isVMSA: false)
  }
}
