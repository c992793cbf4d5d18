// SNPPlatform: SEV-SNP at VMPL0 as the kernel's platform; a host that lies before the kernel runs ends the VM here.
import Launch
public import SNP
public import Seams
public import X86

/// What is found out and checked first, in this order: SEV_STATUS, the host's protocol and features, the measured
/// launch information, CPUID page, privilege level, secrets page, the host's parameters, the boot CPU's GHCB.
///
/// Every failure ends the VM with a `TerminationReason` before any secret was used.
public final class SNPPlatform<Hardware, Memory, Cycles>: KernelPlatform, @unchecked Sendable
where
  Hardware: SNPHardware, Memory: PhysicalMemory & Sendable, Cycles: CycleCounter & Sendable
{
  /// `snp`.
  public static var name: String { "snp" }
  /// CPUs begin with registers of their own.
  public static var startMode: StartMode { .registers }
  /// #VC and #HV.
  public static var hasHostEvents: Bool { true }
  private let hardware: Hardware
  private let memory: Memory
  private let cycles: Cycles
  private let launchPage: PhysicalAddress
  /// The boot CPU's exchanges, and any other CPU's that uses it.
  public let ghcb: GHCB<Hardware>
  /// The checked CPUID page.
  public let cpuid: CPUIDTable<Hardware, Memory>
  /// What lies where in the kernel's range.
  public let plan: RangePlan
  /// SEV_FEATURES of this VM.
  public let features: SEVFeatures
  /// What the host says it can do.
  public let hostFeatures: HypervisorFeatures
  /// How mappings say private or shared.
  public let privacy: PrivacyBits
  /// Whether the host has the range's pages until it is asked for them.
  public let memoryIsShared: Bool
  /// The serial port.
  public let console: SNPConsole<Hardware>
  /// The calling CPU's doorbell.
  public let doorbell: Doorbell<Hardware>

  /// The platform of an image whose launch information lies at `launchPage` of `memory`; throws the reason for which the VM must end.
  public init(
    hardware: Hardware, memory: Memory, cycles: Cycles, launchPage: PhysicalAddress
  ) throws(TerminationReason) {
    self.hardware = hardware
    self.memory = memory
    self.cycles = cycles
    self.launchPage = launchPage
    let ghcb = GHCB(hardware)
    self.ghcb = ghcb
    guard let features = SEVStatusPolicy.accept(hardware.status) else { throw .features }
    self.features = features
    let versions = try Negotiation.versions(ghcb)
    hostFeatures = try Negotiation.features(ghcb)
    guard let page = try? LaunchPage(MemorySource(memory: memory, start: launchPage)),
      let cpuidPage = page.area(.cpuid), let secrets = page.area(.secrets)
    else { throw .general }
    guard
      let table = try? CPUIDTable(ghcb, memory, page: PhysicalAddress(cpuidPage.gpa))
    else { throw .cpuidTable }
    cpuid = table
    if features.contains(.vTOM) {
      privacy = PrivacyBits(sharedMask: page.sharedGPABoundary)
    } else {
      // Two sources for one number: a host that names another bit than the firmware's page lies.
      guard versions.cBit == table.encryptionBit else { throw .general }
      privacy = PrivacyBits(privateMask: 1 << UInt64(table.encryptionBit))
    }
    try Negotiation.checkLevel(hardware, page: launchPage)
    try Negotiation.checkSecrets(memory, PhysicalAddress(secrets.gpa))
    let parameters = HostParameters(memory, page)
    memoryIsShared = parameters.memoryIsShared
    guard
      let plan = try? RangePlan(page, processors: min(parameters.processorCount, Int(page.processorCount)))
    else { throw .general }
    self.plan = plan
    let ports = GHCBPorts(ghcb)
    console = SNPConsole(ports, base: page.consolePort)
    doorbell = Doorbell(hardware, plan.shared)
    try openGHCB(.boot)
  }

  // Shares the CPU's two pages with the host and registers the first.
  private func openGHCB(_ cpu: CPUIndex) throws(TerminationReason) {
    guard let page = plan.shared.ghcb(of: cpu), let bell = plan.shared.doorbell(of: cpu) else {
      throw .registration
    }
    let claim = MemoryClaim(ghcb)
    do throws(ClaimError) {
      try claim.share(page)
      try claim.share(bell)
    } catch {
      throw .pageState
    }
    guard ghcb.register(page) else { throw .registration }
  }

  /// The measured launch information, in place.
  var launch: LaunchPage<MemorySource<Memory>>? {
    try? LaunchPage(MemorySource(memory: memory, start: launchPage))
  }
  /// The kernel's own memory.
  var privateMemory: Memory { memory }

  /// The guest's memory by the host's map, within what the range was sized for.
  public var guestPlan: GuestMemoryPlan? {
    guard let page = launch, page.area(.guestImage) != nil, let area = page.area(.memoryMap) else {
      return nil
    }
    let map = HostMemoryMap(
      MemorySource(memory: memory, start: PhysicalAddress(area.gpa)), byteCount: area.byteCount)
    let top = privacy.mask == 0 ? UInt64(1) << 51 : privacy.mask
    return GuestMemoryPlan(
      map, without: plan.range, limit: top >> 12, pageLimit: page.guestByteCount >> 12)
  }

  // The words before a word `--` are the kernel's, those behind it the guest's.
  private func forEachCommandByte(
    _ page: LaunchPage<MemorySource<Memory>>, _ body: (_ byte: UInt8, _ isGuests: Bool) -> Void
  ) {
    var index = 0
    var isGuests = false
    while let byte = page.commandLineByte(index) {
      let isWord = byte == 0x2D && page.commandLineByte(index &+ 1) == 0x2D
      let isAlone = (page.commandLineByte(index &+ 2) ?? 0x20) == 0x20
      let isFirst = index == 0 || page.commandLineByte(index &- 1) == 0x20
      if !isGuests, isWord, isAlone, isFirst {
        isGuests = true
        index &+= 3
        continue
      }
      body(byte, isGuests)
      index &+= 1
    }
  }

  /// The guest's command line: the measured words behind `--` on the kernel's.
  public var guestCommandLine: [UInt8] {
    var line: [UInt8] = []
    guard let page = launch else { return line }
    forEachCommandByte(page) { byte, isGuests in
      if isGuests { line.append(byte) }
    }
    return line
  }

  /// The driver of a guest at `level`, with vCPUs on the CPUs of `list`; `flush` empties the calling CPU's TLB.
  public func guestDriver(
    level: VMPL, list: ProcessorList, flush: @escaping @Sendable () -> Void
  ) -> SNPGuestDriver<Hardware> {
    SNPGuestDriver(
      ghcb, doorbell, plan.shared, level: level, features: GuestState.features(of: features), list: list,
      flush: flush)
  }

  /// The same, to be mapped.
  public var guestMemory: MemoryMap { guestPlan?.map ?? MemoryMap() }

  /// The range as memory, the loader's and shared pages left out; the image is the kernel's own to leave out.
  public func bootInformation(_ memory: some PhysicalMemory) throws(BootInformationError) -> BootInformation {
    guard let page = try? LaunchPage(MemorySource(memory: self.memory, start: launchPage)) else {
      throw .notRecognised
    }
    var information = BootInformation()
    information.memory.add(plan.range)
    information.memory.add(plan.shared.region)
    for index in 0..<page.areaCount {
      guard let area = page[index], area.kind != .image else { continue }
      let region = MemoryRegion(start: PhysicalAddress(area.gpa), bytes: area.byteCount, kind: .reserved)
      if area.gpa >= plan.range.start.rawValue, area.gpa < plan.range.end.rawValue {
        information.memory.add(region)
      }
    }
    // A region left out could hide what must not be used.
    guard information.memory.omitted == 0 else { throw .noMemoryMap }
    forEachCommandByte(page) { byte, isGuests in
      if !isGuests { information.commandLine.append(byte) }
    }
    information.processorTable = page.area(.madt).map { PhysicalAddress($0.gpa) }
    information.processorLimit = plan.shared.processorLimit
    return information
  }

  /// Validates what the loader did not fill.
  public func claimMemory(_ map: MemoryMap, _ memory: some PhysicalMemory) throws(BootInformationError) {
    do throws(TerminationReason) { try claim() } catch { hardware.terminate(error) }
  }

  /// Validates what the loader did not fill; throws the reason for which the VM must end.
  public func claim() throws(TerminationReason) {
    let claim = MemoryClaim(ghcb)
    var index = 0
    while let gap = plan.gap(index) {
      do throws(ClaimError) {
        try claim.validate(gap.start, bytes: gap.bytes, isShared: memoryIsShared)
      } catch {
        throw error == .pageState ? .pageState : .validation
      }
      index &+= 1
    }
  }

  /// What the loader filled and the driver goes on reading: CPUID, secrets, launch information, the host's tables.
  public var keptMemory: MemoryMap {
    var map = MemoryMap()
    guard let page = launch else { return map }
    for index in 0..<page.areaCount {
      guard let area = page[index], area.kind != .image, area.kind != .stack, area.kind != .pageTables,
        area.gpa >= plan.range.start.rawValue, area.gpa < plan.range.end.rawValue
      else { continue }
      let whole = (area.byteCount &+ (Frame.bytes &- 1)) & ~(Frame.bytes &- 1)
      map.add(MemoryRegion(start: PhysicalAddress(area.gpa), bytes: whole, kind: .reserved))
    }
    return map
  }

  /// GHCBs and doorbells.
  public var sharedPages: MemoryRegion? { plan.shared.region }
  /// No controller's page: the host's events come by the doorbell.
  public var controllerPage: PhysicalAddress? { nil }

  /// Registers the CPU's GHCB, the boot CPU's excepted, and its doorbell.
  public func enableController(_ cpu: CPUIndex) {
    do throws(TerminationReason) { try enable(cpu) } catch { hardware.terminate(error) }
  }

  /// The same; throws the reason for which the VM must end.
  public func enable(_ cpu: CPUIndex) throws(TerminationReason) {
    if cpu != .boot { try openGHCB(cpu) }
    guard doorbell.install(ghcb) else { throw .features }
    guard openController() else { throw .features }
  }

  // An APIC that software has not enabled takes no fixed interrupt (SDM 3A, 11.4.7.2), so no kick would come: x2APIC mode
  // in APIC_BASE (bits 11 and 10), then the spurious vector with its bit 8.
  private func openController() -> Bool {
    guard let base = ghcb.readMSR(MSR.apicBase.rawValue) else { return false }
    return ghcb.writeMSR(MSR.apicBase.rawValue, base | 0xC00)
      && ghcb.writeMSR(MSR.x2apicFirst.rawValue &+ 0x0F, 1 << 8 | UInt64(Vector.spurious))
  }

  /// The time-stamp counter at the table's rate.
  public func calibrate() -> SNPClock<Cycles> {
    SNPClock(cycles: cycles, frequency: SNPClock<Cycles>.frequency(cpuid))
  }

  /// There is no alarm.
  public func alarm(_ clock: SNPClock<Cycles>, at deadline: Instant) -> Bool { false }

  /// Nobody starts in a page here: a caller without states, which calls nobody.
  public func caller(trampoline: Frame, list: ProcessorList) -> ProcessorCaller<Hardware> {
    ProcessorCaller(
      ghcb, list: ProcessorList(boot: APICID(rawValue: 0)), features: features, first: trampoline)
  }

  /// Calls by AP creation, with VMSAs in the pages of `place`.
  public func caller(
    _ place: StartPlace, list: ProcessorList, memory: some PhysicalMemory
  ) -> ProcessorCaller<Hardware> {
    let caller = ProcessorCaller(ghcb, list: list, features: features, first: place.page)
    for number in 1..<max(1, UInt32(truncatingIfNeeded: list.count)) {
      let cpu = CPUIndex(number)
      guard let registers = place.registers(cpu) else { continue }
      caller.prepare(cpu, registers, virtualTOM: privacy.sharedMask, memory: memory)
    }
    return caller
  }

  /// AP creation takes every 32-bit identifier, if the host has it.
  public func canCall(_ id: APICID) -> Bool { hostFeatures.contains(.apCreation) }
}
