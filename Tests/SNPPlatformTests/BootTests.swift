// BootTests: an honest host gets the kernel to its memory; every lie ends the VM with its own code before that.
import Launch
import Model
import SNP
import SNPPlatform
import Seams
import Testing
import X86

@Suite struct BootTests {
  @Test("An honest host: version 2, features, GHCB registered and usable, console through it")
  func honest() throws {
    let host = ModelHost()
    let platform = try host.boot()
    platform.console.line("hello")
    #expect(host.text == "hello\r\n")
    #expect(platform.privacy == PrivacyBits(privateMask: 1 << 47))
    #expect(platform.ghcb.page == platform.plan.shared.ghcb(of: .boot))
    #expect(!platform.ghcb.isOpen)
    #expect(host.machine.memory.breaches.count == 0)
    let information = try platform.bootInformation(ModelMemory(host))
    #expect(information.processorTable == PhysicalAddress(ModelHost.base + 0x3000))
    #expect(information.processorLimit == 2)
    #expect(information.memory[0] == platform.plan.range)
    #expect(information.commandLine.count == 10 && information.commandLine[0] == 0x75)
  }

  @Test(
    "The range is claimed whole: every page of it that is neither the loader's nor shared is validated once, no other page"
  )
  func claim() throws {
    for large in [true, false] {
      let host = ModelHost(largePages: large)
      let platform = try host.boot()
      let shared = platform.plan.shared.region
      try platform.claim()
      for page in 0..<ModelHost.pages {
        let entry = host.machine.memory.rmp.read(SystemPage(rawValue: page))
        let address = page << 12
        let isInRange = address >= ModelHost.base && address < ModelHost.base + host.rangeBytes
        let isShared = address >= shared.start.rawValue && address < shared.end.rawValue
        #expect((entry?.isValidated == true) == (isInRange && !isShared), "page \(page)")
        let isHosts = host.machine.memory.hostMayWrite(SystemPage(rawValue: page))
        // The boot CPU's two; each other CPU shares its own.
        if isShared { #expect(isHosts == (address < shared.start.rawValue + 0x2000)) }
      }
      // 6 MiB from 4 MiB on: the second and third 2 MiB are whole.
      let size = host.machine.memory.rmp.read(SystemPage(rawValue: (ModelHost.base >> 12) + 512))?.pageSize
      #expect(size == (large ? .size2M : .size4K))
      #expect(host.machine.memory.breaches.count == 0)
    }
  }

  @Test("Memory that the host has is asked for page by page before it is validated (ENVIRONMENT_INFO bit 0)")
  func sharedMemory() throws {
    let host = ModelHost(rangeBytes: 1 << 20, shared: true)
    host.store32(ModelHost.parameters + 4, 1)
    let platform = try host.boot()
    try platform.claim()
    let asked = host.log.count { $0 == 0x014 }
    // All but the loader's 8 pages and the shared 4 become private; the boot CPU's 2 become shared.
    #expect(asked == 256 - 8 - 4 + 2)
    #expect(host.machine.memory.breaches.count == 0)
  }

  @Test("Page states that do not change as asked end the VM with set 1 code 1 (B.4.1)")
  func pageStateLies() {
    for answer in [GHCBMSR(.pageStateResponse, upper: 1), GHCBMSR(.info), GHCBMSR(rawValue: 0)] {
      let host = ModelHost()
      host.lie = { $0.code == .pageStateRequest ? answer : nil }
      #expect(host.refusal() == .pageState)
    }
  }

  @Test("A page that is validated already ends the VM with set 1 code 2, and so does one that can't be")
  func validationLies() {
    let host = ModelHost()
    let page = GuestPage(rawValue: (ModelHost.base >> 12) + 300)
    _ = try? host.machine.memory.pvalidate(
      SNPCaller(cpu: 0, vmpl: .vmpl0), RMPTarget(page), size: .size4K, validate: true)
    #expect(host.refusal() == .validation)
    let other = ModelHost()
    _ = other.machine.memory.rmpUpdate(
      SystemPage(rawValue: (ModelHost.base >> 12) + 300), .hypervisorOwned())
    #expect(other.refusal() == .validation)
  }

  @Test(
    "Protocol versions without 2, a wrong code and a silent host end the VM with set 0 code 1",
    arguments: [
      GHCBMSR.info(maximum: 1, minimum: 1, cBit: 47), .info(maximum: 9, minimum: 3, cBit: 47),
      GHCBMSR(.featuresResponse), GHCBMSR(.infoRequest),
    ])
  func versions(_ answer: GHCBMSR) {
    let host = ModelHost()
    host.lie = { $0.code == .infoRequest ? answer : nil }
    #expect(host.refusal() == .protocolVersion)
  }

  @Test("Another C-bit than the firmware's page names ends the VM")
  func encryptionBit() {
    let host = ModelHost()
    host.lie = { $0.code == .infoRequest ? .info(maximum: 2, minimum: 2, cBit: 51) : nil }
    #expect(host.refusal() == .general)
  }

  @Test(
    "With vTOM the measured boundary is the mask of shared addresses and no entry has a bit, whatever the host names"
  )
  func virtualTOM() throws {
    let host = ModelHost.withVirtualTOM()
    let platform = try host.boot()
    #expect(platform.privacy == PrivacyBits(sharedMask: 1 << 46))
    try platform.claim()
    #expect(host.machine.memory.breaches.count == 0)
  }

  @Test("A host without SNP or without #HV ends the VM with set 0 code 2")
  func features() {
    for answer in [
      GHCBMSR(.featuresResponse, operand: 0b011), GHCBMSR(.featuresResponse, operand: 0b100), GHCBMSR(.info),
    ] {
      let host = ModelHost()
      host.lie = { $0.code == .featuresRequest ? answer : nil }
      #expect(host.refusal() == .features)
    }
  }

  @Test(
    "SEV_STATUS: SNP and restricted injection must be there, and nothing that is not on the allow list (A.1, B.2)"
  )
  func status() {
    let needed: SEVFeatures = [.snpActive, .restrictedInjection]
    #expect(SEVStatusPolicy.accept(needed.status) == needed)
    #expect(SEVStatusPolicy.accept(needed.union([.debugSwap, .smtProtection, .vTOM]).status) != nil)
    #expect(SEVStatusPolicy.accept(needed.status & ~1) == nil)
    #expect(SEVStatusPolicy.accept(SEVFeatures.snpActive.status) == nil)
    #expect(SEVStatusPolicy.accept(SEVFeatures.restrictedInjection.status) == nil)
    for bit in 0..<UInt64(62) {
      let feature = SEVFeatures(rawValue: 1 << bit)
      let isAllowed = SEVStatusPolicy.required.union(SEVStatusPolicy.tolerated).contains(feature)
      #expect((SEVStatusPolicy.accept(needed.union(feature).status) != nil) == isAllowed, "bit \(bit)")
    }
    let host = ModelHost()
    host.status = needed.union(.secureTSC).status
    #expect(host.refusal() == .features)
  }

  @Test(
    "CPUID pages without entries, with too many, without SNP or with a C-bit below 32 end the VM with set 1 code 4 (B.8)"
  )
  func cpuidPage() {
    func refusal(_ change: (ModelHost) -> Void) -> TerminationReason? {
      let host = ModelHost()
      change(host)
      return host.refusal()
    }
    #expect(refusal { $0.store32(ModelHost.cpuidPage, 0) } == .cpuidTable)
    #expect(refusal { $0.store32(ModelHost.cpuidPage, 65) } == .cpuidTable)
    #expect(refusal { $0.entry(0, CPUIDEntry(leaf: 0x8000_0000, (0x8000_001E, 0, 0, 0))) } == .cpuidTable)
    #expect(refusal { $0.entry(1, CPUIDEntry(leaf: 0x8000_001F, (0b0_1010, 47, 0, 0))) } == .cpuidTable)
    #expect(refusal { $0.entry(1, CPUIDEntry(leaf: 0x8000_001F, (0b1_1010, 31, 0, 0))) } == .cpuidTable)
    #expect(refusal { $0.entry(1, CPUIDEntry(leaf: 0x8000_001F, (0b1_1010, 52, 0, 0))) } == .cpuidTable)
    #expect(refusal { _ in } == nil)
  }

  @Test(
    "A secrets page without version, or with SVSM fields that only an SVSM writes, ends the VM with set 1 code 6 (A.2.1)"
  )
  func secretsPage() {
    let empty = ModelHost()
    empty.store32(ModelHost.secretsPage, 0)
    #expect(empty.refusal() == .secrets)
    let foreign = ModelHost()
    foreign.store64(ModelHost.secretsPage + UInt64(SecretsPage.svsmSize), 0x1000)
    #expect(foreign.refusal() == .secrets)
  }

  @Test("A refused or displaced registration ends the VM with set 1 code 0 (B.4)")
  func registration() {
    let host = ModelHost()
    host.lie = { $0.code == .registerRequest ? GHCBMSR(.registerResponse, operand: $0.operand + 1) : nil }
    #expect(host.refusal() == .registration)
  }

  @Test("CPUs beyond those that the range was sized for get no shared pages, whatever the host counts")
  func processorCount() throws {
    for stated in [0 as UInt32, 1, 2, 3, 4096, .max] {
      let host = ModelHost(processors: 2)
      host.store32(ModelHost.parameters, stated)
      #expect(try host.boot().plan.shared.processorLimit == (stated >= 2 ? 2 : 1))
    }
  }

  @Test("CPUID is answered from the page, zeros beyond it; the CPU's identifier alone is the host's (B.8)")
  func cpuid() throws {
    let host = ModelHost()
    let platform = try host.boot()
    #expect(platform.cpuid.cpuid(0x16, 0) == (2500, 0, 0, 0))
    #expect(platform.cpuid.cpuid(0x8000_001F, 3).ebx == 47)
    #expect(platform.cpuid.cpuid(0x4000_0000, 0) == (0, 0, 0, 0))
    #expect(platform.cpuid.cpuid(1, 0).ebx == 0x0000_0800)
    host.cpu = 1
    host.machine.offerVMSA(GuestPage(containing: ModelHost.base + 0x6000), vcpu: 1, vmpl: .vmpl0)
    _ = host.machine.hostSwitch(1, to: .vmpl0)
    #expect(platform.cpuid.cpuid(1, 0).ebx == 0x0200_0800)
    host.cpu = 0
    #expect(platform.calibrate().frequency == 2_500_000_000)
  }
}
