// GuestDriverTests: a guest launched, entered and served over the model; what a host can do to it is an answer.
import Launch
import Model
import SNP
import SNPPlatform
import Seams
import Testing
import X86

@Suite("The guest's driver")
struct GuestDriverTests {
  private typealias Driver = SNPGuestDriver<ModelHardware>

  private struct World {
    let host: ModelHost
    let platform: TestPlatform
    let driver: SNPGuestDriver<ModelHardware>
    let list: ProcessorList
  }

  private func world() throws -> World {
    let host = ModelHost(guest: true)
    let platform = try host.boot()
    try platform.claim()
    try platform.enable(.boot)
    var list = ProcessorList(boot: APICID(rawValue: 0))
    list.add(APICID(rawValue: 2))
    return World(
      host: host, platform: platform, driver: platform.guestDriver(level: .vmpl2, list: list, flush: {}),
      list: list)
  }

  private func launch(_ world: World) throws -> LaunchedGuest {
    try GuestLaunch(world.platform, world.driver).start(
      try #require(world.platform.guestPlan), apicIDs: world.list,
      commandLine: world.platform.guestCommandLine)
  }

  private func caller(_ level: VMPL) -> SNPCaller { SNPCaller(cpu: 0, vmpl: level) }

  private func reaches(_ world: World, _ address: UInt64, _ level: VMPL, _ kind: SNPAccessKind) -> Bool {
    (try? world.host.machine.memory.access(caller(level), GuestPage(containing: address), kind)) != nil
  }

  @Test("Words behind -- are the guest's, those before it the kernel's")
  func commandLines() throws {
    let world = try world()
    let own = try world.platform.bootInformation(ModelMemory(world.host)).commandLine
    #expect(String(decoding: (0..<own.count).map { own[$0] }, as: UTF8.self) == "until=idle ")
    #expect(String(decoding: world.platform.guestCommandLine, as: UTF8.self) == "selftest a=b")
  }

  @Test(
    "A launched guest has its image, tables, header, calling area and a VMSA that the host can run (A.1, D.109, D.111)"
  )
  func launched() throws {
    let world = try world()
    let guest = try launch(world)
    let host = world.host
    #expect(guest.callingArea.rawValue == 0x1FE000 && guest.context.address.rawValue == 0x1FF000)
    #expect(guest.valid == (0x1FC, 4 + ModelHost.guestPages))
    for page in 0..<ModelHost.guestPages {
      let address = ModelHost.guestImage + page << 12
      #expect(reaches(world, address, .vmpl2, .write(encrypted: true)))
      #expect(reaches(world, address, .vmpl1, .write(encrypted: true)))
      #expect(!reaches(world, address, .vmpl3, .read(encrypted: true)))
    }
    #expect(host.load64(ModelHost.guestImage + 0x1000) == 0x20_2063 | 1 << 47)
    #expect(host.load64(ModelHost.guestImage + 0x30) == 1)
    #expect(host.load64(ModelHost.guestImage + 0x40) == 2)
    #expect(host.load64(ModelHost.guestImage + 0x48) == ModelHost.base)
    #expect(host.load64(ModelHost.guestImage + 0x60) == 0x1FE000)
    #expect((0..<8).map { host.byte(ModelHost.guestImage + 0x100 + $0) } == Array("selftest".utf8))
    #expect(host.load64(ModelHost.guestImage + 0x200) == 2 << 32)
    #expect(host.load64(0x1FD000 + 0x140) == ModelHost.base)
    for offset in stride(from: UInt64(0), to: 4096, by: 8) { #expect(host.load64(0x1FE000 + offset) == 0) }
    // The VMSA: readable, never writable by the guest, and entered at VMPL2.
    #expect(!reaches(world, 0x1FF000, .vmpl2, .write(encrypted: true)))
    #expect(host.created.last?.level == .vmpl2)
    var ran = false
    host.guestRuns = { _ in ran = true }
    #expect(world.driver.enter(guest.context, until: nil) == .returned)
    #expect(ran)
  }

  @Test("No page of the kernel's range is reachable from the guest's levels (D.110)")
  func isolation() throws {
    let world = try world()
    _ = try launch(world)
    let range = world.platform.plan.range
    for page in stride(from: range.start.rawValue, to: range.end.rawValue, by: 4096) {
      if page >= world.platform.plan.shared.region.start.rawValue,
        page < world.platform.plan.shared.region.end.rawValue
      {
        continue
      }
      for level in [VMPL.vmpl1, .vmpl2, .vmpl3] {
        #expect(!reaches(world, page, level, .read(encrypted: true)), "page \(page)")
      }
    }
  }

  @Test(
    "The gate: closed keeps the host out, open lets it in; a running state can't be closed (A.4, D.3, D.67)")
  func gate() throws {
    let world = try world()
    let guest = try launch(world)
    #expect(world.driver.closeGate(guest.context))
    _ = world.host.machine.hostSwitch(0, to: .vmpl0)
    #expect(world.driver.enter(guest.context, until: nil) != .handled)
    world.driver.openGate(guest.context)
    let address = guest.context.address.rawValue + UInt64(VMSAField.virtualInterruptControl)
    world.host.store64(address, 1 << 63)
    #expect(!world.driver.closeGate(guest.context))
    world.host.store64(address, 0)
    #expect(world.driver.closeGate(guest.context))
  }

  @Test(
    "Registers of a call are copied; RAX is written zero-extended, the others only when given (D.8, D.15)")
  func registers() throws {
    let world = try world()
    let guest = try launch(world)
    func put(_ offset: Int, _ value: UInt64) {
      world.host.store64(guest.context.address.rawValue + UInt64(offset), value)
    }
    func get(_ offset: Int) -> UInt64 {
      world.host.load64(guest.context.address.rawValue + UInt64(offset))
    }
    for (offset, value) in [
      (VMSAField.rax, 0x1_0000_0006), (VMSAField.rcx, 2), (VMSAField.rdx, 3), (VMSAField.r8, 4),
      (VMSAField.r9, 5),
    ] as [(Int, UInt64)] { put(offset, value) }
    put(VMSAField.guestExitCode, SVMExitCode.vmgexit.rawValue)
    #expect(world.driver.exitedByCall(guest.context))
    #expect(
      world.driver.callRegisters(guest.context)
        == CallRegisters(rax: 0x1_0000_0006, rcx: 2, rdx: 3, r8: 4, r9: 5))
    world.driver.write(CallReply(result: 0x8000_0000, rcx: 9), to: guest.context)
    #expect(get(VMSAField.rax) == 0x8000_0000 && get(VMSAField.rcx) == 9)
    #expect(get(VMSAField.rdx) == 3 && get(VMSAField.r8) == 4 && get(VMSAField.r9) == 5)
    put(VMSAField.guestExitCode, 0x60)
    #expect(!world.driver.exitedByCall(guest.context))
  }

  @Test("A vCPU's state must be of the guest's level, with SVME and the start-up features (D.51, D.53)")
  func contexts() throws {
    let world = try world()
    let guest = try launch(world)
    let page = PhysicalAddress(0x1F8000)
    try world.driver.validate(page, .small)
    try world.driver.clear(page, byteCount: 4096)
    let context = VCPUContext(page)
    func fill(level: UInt64 = 2, efer: UInt64 = VMSAField.eferSVME, features: UInt64? = nil) {
      world.host.store64(
        page.rawValue + UInt64(VMSAField.vmpl & ~7), level << UInt64(8 * (VMSAField.vmpl & 7)))
      world.host.store64(page.rawValue + UInt64(VMSAField.efer), efer)
      world.host.store64(
        page.rawValue + UInt64(VMSAField.sevFeatures), features ?? world.driver.features.rawValue)
    }
    for change in [
      { fill(level: 0) }, { fill(level: 1) }, { fill(level: 3) }, { fill(efer: 0) }, { fill(features: 0x29) },
      { fill(features: 0) },
    ] {
      change()
      #expect(throws: VCPUFailure.self) { try world.driver.makeContext(context) }
    }
    fill()
    try world.driver.makeContext(context)
    world.host.machine.offerVMSA(GuestPage(containing: page.rawValue), vcpu: 0, vmpl: .vmpl2)
    #expect(world.driver.enter(context, until: nil) == .returned)
    try world.driver.unmakeContext(context)
    #expect(!reaches(world, page.rawValue, .vmpl2, .read(encrypted: true)))
    _ = guest
  }

  @Test(
    "An event before the entry cancels it; the host's refusal is an answer, and so is every other word (B.4)")
  func entries() throws {
    let world = try world()
    let guest = try launch(world)
    var entered = 0
    world.host.guestRuns = { _ in entered += 1 }
    world.host.inWindow = { _ in true }
    #expect(world.driver.enter(guest.context, until: nil) == .handled)
    world.host.inWindow = nil
    #expect(entered == 0)
    for answer in [
      GHCBMSR(.runVMPLResponse, upper: 1), GHCBMSR(rawValue: 0), GHCBMSR(rawValue: .max),
      GHCBMSR(.featuresResponse, operand: 3),
    ] {
      world.host.lie = { $0.code == .runVMPLRequest ? answer : nil }
      #expect(world.driver.enter(guest.context, until: nil) == .refused)
    }
    world.host.lie = nil
    #expect(world.driver.enter(guest.context, until: nil) == .returned && entered == 1)
  }

  @Test("A page that the host takes away is a fault to every access and instruction on it (D.13)")
  func stolenPages() throws {
    let world = try world()
    let guest = try launch(world)
    let page = guest.callingArea
    _ = world.host.machine.changePageState(GuestPage(containing: page.rawValue), .makeShared, is2M: false)
    #expect(throws: GuestMemoryFault.self) { try world.driver.loadWord(page) }
    #expect(throws: GuestMemoryFault.self) { try world.driver.storeWord(1, page) }
    #expect(throws: GuestMemoryFault.self) { try world.driver.storeByte(1, page) }
    #expect(throws: GuestMemoryFault.self) { try world.driver.storeHalf(1, page) }
    #expect(throws: GuestMemoryFault.self) { try world.driver.clear(page, byteCount: 4096) }
    #expect(throws: PageFailure.unreachable) { try world.driver.validate(page, .small) }
    #expect(throws: PageFailure.unreachable) { try world.driver.grant(page, .small) }
    #expect(throws: PageFailure.unreachable) { try world.driver.revoke(page, .small) }
  }

  @Test("Images without magic, with tables outside of them, or outside the guest's memory are refused")
  func badImages() throws {
    for change in [
      { (host: ModelHost) in host.store64(ModelHost.guestImage + 0x10, 0) },
      { (host: ModelHost) in host.store64(ModelHost.guestImage + 0x18, 0x10_0000) },
      { (host: ModelHost) in host.store64(ModelHost.guestImage + 0x18, ModelHost.guestImage + 0x10) },
      { (host: ModelHost) in host.store64(ModelHost.guestImage + 0x20, 1 << 40) },
      { (host: ModelHost) in host.store64(ModelHost.base + 0x2000, 0x300) },
      { (host: ModelHost) in host.store64(ModelHost.guestImage + 0x78, 3) },
      { (host: ModelHost) in host.store64(ModelHost.guestImage + 0x78, 2) },
    ] {
      let world = try world()
      change(world.host)
      #expect(throws: GuestLaunchError.malformed) { _ = try launch(world) }
    }
  }

  @Test(
    "The image asks for its entry state: 64-bit, 32-bit protected mode or real mode, at an address inside it (D.113)",
    arguments: [
      (0, 0, 0x20_0000, 0x8000_0001), (1, 0x20_0040, 0x20_0040, 1), (2, 0x20_1234, 0x1234, 0),
    ] as [(UInt64, UInt64, UInt64, UInt64)])
  func entryStates(_ kind: UInt64, _ entry: UInt64, _ rip: UInt64, _ pagingAndProtection: UInt64) throws {
    let world = try world()
    world.host.store64(ModelHost.guestImage + 0x78, kind)
    world.host.store64(ModelHost.guestImage + 0x80, entry)
    let state = try launch(world).context.address.rawValue
    func field(_ offset: Int) -> UInt64 { world.host.load64(state + UInt64(offset)) }
    #expect(field(VMSAField.rip) == rip)
    #expect(field(VMSAField.cr0) & 0x8000_0001 == pagingAndProtection)
    #expect(field(VMSAField.cs + 8) == (kind == 2 ? entry & 0xFFFF_0000 : 0))
    #expect(field(VMSAField.efer) & VMSAField.eferSVME != 0)
    var ran = false
    world.host.guestRuns = { _ in ran = true }
    _ = world.driver.enter(VCPUContext(PhysicalAddress(state)), until: nil)
    #expect(ran, "the host can run it")
  }

  @Test("The legacy hole is never cleared (D.47), everything else is")
  func hole() throws {
    let world = try world()
    #expect(
      !world.driver.isClearable(PhysicalAddress(0xA_0000))
        && !world.driver.isClearable(PhysicalAddress(0xF_F000)))
    #expect(
      world.driver.isClearable(PhysicalAddress(0x9_F000))
        && world.driver.isClearable(PhysicalAddress(0x10_0000)))
  }
}
