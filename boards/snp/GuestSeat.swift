// GuestSeat: the guest that the image carries, and what the CPUs' request loops share of it.
import Idle
import Kernel
import Machine
import RequestLoop
import SNP
import SNPPlatform
import Seams
import Tasks
import X86

#if APUS_VTPM
  import VTPM
#endif

typealias Platform = SNPPlatform<SNPCPU, DirectMemory, MachineCycles>
typealias Driver = SNPGuestDriver<SNPCPU>
typealias BoardKernel = Kernel<ApusMachine<TrampolineStart>, Platform>
typealias Exchange = DepositedMemory<DirectMemory, MachineHint, Driver>
typealias Loop = RequestLoop<Driver, Exchange, Table>
#if APUS_VTPM
  typealias Table = Protocols<
    VTPMService<Driver, SeededHost<MachineSeed, SNPClock<MachineCycles>>>, CoreOnly
  >
#else
  typealias Table = CoreOnly
#endif

/// Made by the boot CPU before any other CPU runs, and only read afterwards.
final class GuestSeat: @unchecked Sendable {
  private let platform: Platform
  private let list: ProcessorList
  private let driver: Driver
  private let guest: Guest
  private let exchange: Exchange
  private let memory: GuestMemoryPlan
  private let table: Table

  /// The guest of `platform` on the CPUs of `kernel`; nil if the image carries none.
  init?(_ platform: Platform, _ kernel: BoardKernel, flush: @escaping @Sendable () -> Void) {
    guard let memory = platform.guestPlan else { return nil }
    self.platform = platform
    list = kernel.processors
    self.memory = memory
    driver = platform.guestDriver(level: .vmpl2, list: kernel.processors, flush: flush)
    var regions: [GuestRegion] = []
    for index in 0..<memory.count {
      guard let region = memory[index] else { continue }
      regions.append(
        GuestRegion(firstPage: region.start.rawValue >> 12, pageCount: region.bytes >> 12))
    }
    let guest = Guest(regions: regions, cpuCount: list.count)
    self.guest = guest
    exchange = Exchange(
      kernel.frames?.deposited, heap: kernel.heap, platform: driver,
      tell: { guest.isMemoryAvailable = $0 })
    for region in regions { guest.pages.assign(region, .invalid) }
    #if APUS_VTPM
      let host = SeededHost(source: MachineSeed(), clock: platform.calibrate())
      table = CoreOnly().with(
        VTPMService(
          VTPMState.make(host), host: host, buffer: GuestBuffer(platform: driver, states: guest.pages)))
    #else
      table = CoreOnly()
    #endif
  }

  /// Prepares the guest and its start-up vCPU, and says what came of it; the boot CPU, before its request loop.
  func start() {
    let console = platform.console
    do throws(GuestLaunchError) {
      let launched = try GuestLaunch(platform, driver).start(
        memory, apicIDs: list, commandLine: platform.guestCommandLine)
      guest.pages.assign(
        GuestRegion(firstPage: launched.valid.firstPage, pageCount: launched.valid.pageCount), .valid)
      guard guest.start(launched.context, callingArea: launched.callingArea, cpu: 0, isStartUp: true) else {
        console.line("the guest's first pages are not its own: no guest")
        return
      }
    } catch {
      switch error {
      case .noGuest: console.line("the image carries no guest that this kernel starts")
      case .malformed: console.line("the guest's image makes no sense: no guest")
      case .page: console.line("a page could not be given to the guest: no guest")
      case .fault: console.line("the host took a page of the guest's away: no guest")
      case .refused: console.line("the host refuses the guest's vCPU: no guest")
      }
    }
  }

  /// The request loop of `cpu`.
  func loop(_ cpu: CPUIndex) -> Loop {
    Loop(
      cpu: Int(truncatingIfNeeded: cpu.rawValue), platform: driver, exchange: exchange, guest: guest,
      table: table)
  }
}

/// The board's list of tasks: a request loop on every CPU, or the idle task where the image carries no guest.
///
/// Not in `main`: with a captured variable there 6.3.1 crashes in CopyPropagation.
final class BoardTasks: @unchecked Sendable {
  private let platform: Platform
  private var guest: GuestSeat?

  init(_ platform: Platform) { self.platform = platform }

  /// Makes what the CPUs share; the boot CPU, before any other one runs.
  @inline(never) func prepare(_ kernel: BoardKernel) {
    guest = GuestSeat(platform, kernel, flush: { ApusMachine().flush() })
  }

  /// Starts the list on `cpu`.
  @inline(never) func start(_ cpu: CPUIndex) throws(SpawnError) {
    guard let guest else {
      let idle = IdleService(SNPHalter(platform.doorbell, flush: { ApusMachine().flush() }))
      try spawn("idle", level: 7) { await idle.run() }
      return
    }
    if cpu == .boot { guest.start() }
    let loop = guest.loop(cpu)
    try spawn("guest", level: 7) { await loop.run() }
  }
}
