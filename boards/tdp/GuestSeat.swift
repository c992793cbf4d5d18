// GuestSeat: the guest that the image carries, made by the boot CPU and served by all.
import Kernel
import Machine
import RequestLoop
import Seams
import Synchronization
import TDPPlatform
import TaskRuntime
import Tasks
import X86

#if APUS_VTPM
  import VTPM
#endif

typealias Driver = TDPGuestDriver<TDXMachine, GuestWindow>
#if APUS_VTPM
  typealias Table = Protocols<VTPMService<Driver, SeededHost<MachineSeed, TDPClock<TDXMachine>>>, CoreOnly>
#else
  typealias Table = CoreOnly
#endif

/// What serving the guest takes.
struct MadeGuest: Sendable {
  /// Its vCPUs and pages.
  let driver: Driver
  /// What the request loops share.
  let guest: Guest
  /// The pages that it has lent.
  let exchange: DepositedMemory<DirectMemory, MachineHint, Driver>
  /// The protocols besides Core.
  let table: Table
}

/// The place where the boot CPU leaves it and the others find it.
final class GuestSeat: @unchecked Sendable {
  typealias BoardKernel = Kernel<ApusMachine<ResetPageStart>, TDPPlatform<TDXMachine>>

  // 0 until the boot CPU has decided; then `made` never changes.
  private let isDecided = Atomic<UInt32>(0)
  private var made: MadeGuest?

  /// The guest, for a CPU that has a vCPU in it; nil for one that has not.
  ///
  /// The boot CPU makes it; the others, which come here from the same boot, wait for that.
  func take(_ kernel: BoardKernel, _ cpu: CPUIndex) -> MadeGuest? {
    guard kernel.platform.guest != nil else { return nil }
    if cpu == .boot {
      made = make(kernel)
      isDecided.store(1, ordering: .releasing)
    } else {
      while isDecided.load(ordering: .acquiring) == 0 { MachineHint.relax() }
    }
    guard let made, Int(cpu.rawValue) < made.driver.vcpuCount else { return nil }
    return made
  }

  private func make(_ kernel: BoardKernel) -> MadeGuest? {
    guard let driver = Self.driver(kernel), Self.launch(kernel, driver),
      let guest = Self.register(kernel, driver)
    else { return nil }
    let console = kernel.platform.console
    console.write("guest with ")
    console.write(decimal: UInt64(driver.vcpuCount))
    console.line(" vCPUs")
    return MadeGuest(
      driver: driver, guest: guest,
      exchange: DepositedMemory(
        kernel.frames?.deposited, heap: kernel.heap, platform: driver,
        tell: { guest.isMemoryAvailable = $0 }),
      table: Self.table(kernel, driver, guest))
  }

  // The three steps are not inlined: each holds copies of the plan, and the stack is 32 KiB.

  @inline(never) private static func driver(_ kernel: BoardKernel) -> Driver? {
    guard let plan = kernel.platform.guest else { return nil }
    // vCPUs are numbered without holes: from a CPU that did not come on, there are none.
    var count: UInt32 = 0
    while count < 64, kernel.online.contains(CPUIndex(count)) { count &+= 1 }
    var limit = plan.own.end
    for index in 0..<plan.memory.count {
      if let region = plan.memory[index] { limit = max(limit, region.end) }
    }
    let machine = kernel.machine
    let driver = TDPGuestDriver(
      kernel.platform, vcpuCount: min(Int(count), plan.processorCount), window: GuestWindow(limit: limit),
      cpu: { CPUIndex(UInt32(ThisCPU.index)) }, isAlone: { Executor.livesAlone }, flush: { machine.flush() })
    if driver == nil { kernel.platform.console.line("the TD has no L2: no guest") }
    return driver
  }

  @inline(never) private static func launch(_ kernel: BoardKernel, _ driver: Driver) -> Bool {
    guard let plan = kernel.platform.guest else { return false }
    do throws(TDPGuestFailure) {
      try driver.launch(plan, commandLine: commandLine(kernel.options))
      return true
    } catch {
      kernel.platform.console.line("the guest can't be started")
      return false
    }
  }

  // Not inlined: what it makes the TPM of is kilobytes, and the frame of whoever calls it stays.
  @inline(never)
  private static func table(_ kernel: BoardKernel, _ driver: Driver, _ guest: Guest) -> Table {
    #if APUS_VTPM
      let host = SeededHost(source: MachineSeed(), clock: kernel.platform.calibrate())
      return CoreOnly().with(
        VTPMService(
          VTPMState.make(host), host: host, buffer: GuestBuffer(platform: driver, states: guest.pages)))
    #else
      CoreOnly()
    #endif
  }

  private static func region(_ region: MemoryRegion) -> GuestRegion {
    GuestRegion(firstPage: region.start.rawValue >> 12, pageCount: region.bytes >> 12)
  }

  @inline(never) private static func register(_ kernel: BoardKernel, _ driver: Driver) -> Guest? {
    guard let plan = kernel.platform.guest else { return nil }
    var regions: [GuestRegion] = []
    for index in 0..<plan.memory.count {
      if let found = plan.memory[index] { regions.append(region(found)) }
    }
    let guest = Guest(regions: regions, cpuCount: driver.vcpuCount)
    for region in regions { guest.pages.assign(region, .invalid) }
    guest.pages.assign(region(plan.image), .valid)
    for index in 0..<driver.vcpuCount {
      let cpu = CPUIndex(UInt32(truncatingIfNeeded: index))
      let area = Driver.callingArea(index)
      guest.pages.assign(GuestRegion(firstPage: area.rawValue >> 12, pageCount: 1), .valid)
      guard let context = driver.context(of: cpu),
        guest.start(context, callingArea: area, cpu: index, isStartUp: index == 0)
      else {
        kernel.platform.console.line("the guest's calling areas make no sense")
        return nil
      }
    }
    return guest
  }

  // `guest=selftest`, `guest=bench`, or `guest=fuzz` and `guest=cpuid` with `guest-seed=N guest-count=N`, of the kernel's own measured
  // command line.
  private static func commandLine(_ options: BootOptions) -> [UInt8] {
    var line: [UInt8]
    if options.has("guest", "fuzz") {
      line = Array("fuzz".utf8)
    } else if options.has("guest", "cpuid") {
      line = Array("cpuid".utf8)
    } else if options.has("guest", "bench") {
      return Array("bench".utf8)
    } else {
      return Array("selftest".utf8)
    }
    append(" seed=", options.number("guest-seed") ?? 1, to: &line)
    append(" count=", options.number("guest-count") ?? 1000, to: &line)
    return line
  }

  private static func append(_ name: String, _ value: UInt64, to line: inout [UInt8]) {
    line += Array(name.utf8)
    var digits: [UInt8] = []
    var rest = value
    repeat {
      digits.append(0x30 &+ UInt8(truncatingIfNeeded: rest % 10))
      rest /= 10
    } while rest > 0
    line += digits.reversed()
  }
}
