// TDPPlatform: the L1 of a TD under TD partitioning.
public import Seams
import TDX
public import X86

/// The platform over TDCALL; the kernel boots on it as on any other.
public struct TDPPlatform<Hardware: TDXHardware>: KernelPlatform {
  /// `tdp`.
  public static var name: String { "tdp" }
  let hardware: Hardware
  private let launchPage: PhysicalAddress
  private let policy: AlreadyAcceptedPolicy
  let controller: TDPController<Hardware>
  private let refusal: TDRefusal?
  /// The TD; nil if the kernel will not run in it.
  public let environment: TDEnvironment?
  /// Which CPUs the host delivers interrupts to.
  public let census = InterruptCensus()
  /// The guest that the image carries; nil without one, before `findGuest`, or if the TD can have none.
  public private(set) var guest: TDPGuestPlan?
  /// COM1.
  public let console: TDPConsole<Hardware>

  /// The platform of a TD whose launch information lies at `launchPage`.
  ///
  /// Settles with the module what must be settled first (reference E.3, steps 4 to 8); a refusal is reported by
  /// `bootInformation`.
  public init(_ hardware: Hardware, launchPage: PhysicalAddress, policy: AlreadyAcceptedPolicy = .clear) {
    self.hardware = hardware
    self.launchPage = launchPage
    self.policy = policy
    controller = TDPController(hardware)
    console = TDPConsole(hardware, port: 0x3F8)
    do throws(TDRefusal) {
      environment = try TDEnvironment(hardware)
      refusal = nil
    } catch {
      environment = nil
      refusal = error
    }
  }

  /// Looks for a guest in the image, before the kernel boots.
  public mutating func findGuest(_ memory: some PhysicalMemory) {
    guard let environment, environment.l2Count > 0,
      let launch = TDPLaunch(at: launchPage, sharedMask: sharedMask, memory)
    else { return }
    guest = TDPGuestPlan(launch, sharedMask: sharedMask)
  }

  /// The guest's memory, and the kernel's own pages for its vCPUs.
  public var guestMemory: MemoryMap {
    guard let guest else { return MemoryMap() }
    var map = guest.memory
    map.add(MemoryRegion(start: guest.own.start, bytes: guest.own.bytes, kind: .usable))
    return map
  }

  /// The page of the CPUs' start records; frame 0 if the launch page has none, and then no other CPU is called.
  public func mailbox(_ memory: some PhysicalMemory) -> Frame {
    guard let launch = TDPLaunch(at: launchPage, sharedMask: sharedMask, memory) else {
      return Frame(number: 0)
    }
    return launch.mailbox
  }

  private var sharedMask: UInt64 { environment?.information.sharedMask ?? 1 << 47 }

  /// The handler of #VE, to be installed before the kernel boots.
  public func virtualizationHandler() -> VirtualizationHandler<Hardware> {
    VirtualizationHandler(
      hardware, console: console, sharedMask: sharedMask,
      processorCount: environment?.information.vcpuCount ?? 1)
  }

  /// Decodes launch page and parameters.
  public func bootInformation(
    _ memory: some PhysicalMemory
  ) throws(BootInformationError) -> BootInformation {
    guard let environment else {
      reportRefusal()
      throw .notRecognised
    }
    guard let launch = TDPLaunch(at: launchPage, sharedMask: sharedMask, memory) else { throw .notRecognised }
    var information = BootInformation()
    information.memory = launch.memoryMap
    guard information.memory.omitted == 0 else { throw .noMemoryMap }
    information.commandLine = launch.commandLine
    information.processors = try launch.processors(
      vcpuCount: environment.information.vcpuCount)
    if launch.hostMap(limit: sharedMask) == nil {
      console.line("the host's memory map makes no sense: no memory for guests")
    }
    return information
  }

  private func reportRefusal() {
    switch refusal {
    case .notATD: console.line("this is no TD")
    case .module: console.line("the TDX module does not answer as it should")
    case .processorIndex: console.line("the boot processor is not vCPU 0")
    case .pendingExceptions: console.line("the host may take private pages by #VE: SEPT_VE_DISABLE is needed")
    case nil: break
    }
  }

  /// Accepts every page of the kernel's range that the loader did not place.
  public func claimMemory(_ map: MemoryMap, _ memory: some PhysicalMemory) throws(BootInformationError) {
    guard let launch = TDPLaunch(at: launchPage, sharedMask: sharedMask, memory) else { throw .memoryRefused }
    let acceptance = PageAcceptance(hardware, sharedMask: sharedMask, policy: policy)
    var cleared: UInt64 = 0
    var next: UInt64 = 0
    while let run = launch.freeRun(from: next) {
      do throws(AcceptanceFailure) {
        cleared &+= try acceptance.accept(run.start, byteCount: run.byteCount, memory).cleared
      } catch {
        report(error)
        throw .memoryRefused
      }
      next = run.start &+ run.byteCount
    }
    guard cleared > 0 else { return }
    console.write(decimal: cleared)
    console.line(" pages had been accepted before us: cleared")
  }

  private func report(_ failure: AcceptanceFailure) {
    switch failure {
    case .malformed: console.line("memory to be accepted is malformed")
    case .alreadyAccepted(let address):
      console.write("already accepted: ")
      console.write(hex: address)
      console.endLine()
    case .refused(let address, let status):
      console.write("not accepted: ")
      console.write(hex: address)
      console.write(" status ")
      console.write(hex: status.rawValue)
      console.endLine()
    }
  }

  /// There is no APIC page in a TD.
  public var controllerPage: PhysicalAddress? { nil }

  /// Switches the controller on, after a look at who runs here.
  public func enableController(_ cpu: CPUIndex) {
    // A CPU that is not the one its record is for never comes in: it stays here until it is given up.
    while ModuleCalls(hardware).information()?.vcpuIndex != cpu.rawValue { hardware.pause() }
    controller.enable(cpu, census, TDPClock(hardware))
  }

  /// The counter's rate is the module's word.
  public func calibrate() -> TDPClock<Hardware> { TDPClock(hardware) }

  /// Kicks through the host.
  public func caller(trampoline: Frame, list: ProcessorList) -> TDPCaller<Hardware> {
    TDPCaller(controller, census)
  }

  /// Every vCPU watches its record.
  public func canCall(_ id: APICID) -> Bool { true }

  /// There is none.
  public func alarm(_ clock: TDPClock<Hardware>, at deadline: Instant) -> Bool { false }

  /// Guests that the TD may have, and whether the host wakes anybody.
  public func describe() {
    console.write("L2 VMs ")
    console.write(decimal: UInt64(environment?.l2Count ?? 0))
    let counts = census.counts
    console.write(", interrupts delivered on ")
    console.write(decimal: counts.delivering)
    console.write(" of ")
    console.write(decimal: counts.tested)
    console.line(
      counts.delivering == counts.tested ? " CPUs" : " CPUs: the others poll while they have tasks")
  }
}
