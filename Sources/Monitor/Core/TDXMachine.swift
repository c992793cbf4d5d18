// TDXMachine: a TD, its vCPUs and its honest host on the physical machine.

public import Model
import Seams
import TDX

/// What the user chose for a TD.
public struct TDXOptions: Sendable {
  /// How many vCPUs, each on the physical CPU of the same number.
  public var vcpuCount = 1
  /// NUM_L2_VMS.
  public var l2Count = 1
  /// APIC identifiers by vCPU, 32 bits and as sparse as one likes; empty for the indices.
  public var apicIDs: [UInt32] = []
  /// Whether a recorded breach ends the run; otherwise it is only counted.
  public var endsOnBreach = true
  /// Whether the guest's time stands still while the monitor works; with several vCPUs their counters then drift apart.
  public var freezesTime = true
  /// Physical time-stamp ticks per second.
  public var ticksPerSecond: UInt64 = 1_000_000_000
  /// The attack to play.
  public var hostile: HostileScript?
  /// The seed of the attack.
  public var seed: UInt64 = 1
  /// How long a run under attack lasts at most, seconds.
  public var hostileSeconds: UInt64 = 20
  /// Whether to measure bare exits at the first CPUID.
  public var measuresFloor = false
  /// When each vCPU is let in, and whether interrupts arrive.
  public var schedule = TDXSchedule()

  /// One vCPU, one L2.
  public init() {}
}

/// The monitor's side of one vCPU.
struct TDXProcessor: Sendable {
  /// Registers of VMs whose paging is off.
  var unpaged = InlineArray<4, UnpagedState?>(repeating: nil)
  /// The deadline that the alarm is set to; nil if it is not known.
  var alarm: UInt64?
  /// Roots of L2s whose shared EPT is off: the private half only.
  var privateRoots = InlineArray<4, SystemPage>(repeating: SystemPage(rawValue: 0))
  /// Guest interrupt status of the L2 that runs: RVI and SVI.
  var interruptStatus: UInt16 = 0
  /// Intercepts of control registers that the L2 that runs has while its paging is on.
  var l2Intercepts: UInt64 = 0
  /// Whether the host sends the vCPU to L1 instead of back into its L2.
  var resumesL1 = false
  /// Interrupts of L1.
  var interrupts = InterruptState()
  /// The interrupt that the VM that runs was offered at its entry.
  var offer = VirtualInterrupt()
  /// L1's APIC timer, which the host runs at 25 MHz, the crystal of CPUID leaf 0x15.
  var timer = LocalTimer()
  /// What the host answers a TDVMCALL that it has not finished.
  var pendingCall: PendingCall?
  /// What the host puts into its registers for the next TDH.VP.ENTER.
  var answer: GeneralRegisters?
  /// Whether the host lets the vCPU run; false after a final halt.
  var isStopped = false
  /// Its time-stamp counter.
  var clock: GuestClock
  /// Exits so far.
  var exitCount: UInt64 = 0
  /// The last vector that was posted to it.
  var lastVector: UInt8 = 32
  /// Whether the host has an NMI for it.
  var isNMIPending = false
  /// Whether L1 may take it.
  var nmi = NMIWindow()
  /// The host's last answer, for replays.
  var lastAnswer: GeneralRegisters?
  /// How often an exit was caused by the same fault at the same address: a guard against loops.
  var faultRepeats = 0
  /// The last nested fault's address.
  var lastFault: UInt64 = 0
}

/// A host call that goes on later.
enum PendingCall: Equatable, Sendable {
  /// HLT: until an interrupt is waiting.
  case halt(isBlocked: Bool, GeneralRegisters)
  /// MapGPA: from here, when the other vCPUs have left the TD once.
  case mapGPA(TDHostCall, GeneralRegisters)
}

/// A TD under the monitor: the model says what is allowed, this class carries it out.
public final class TDXMachine<Hardware: MonitorHardware>: Personality {
  var hardware: Hardware
  /// The model.
  public internal(set) var domain: TrustDomain
  let options: TDXOptions
  var memory: GuestMemory
  var processors: [TDXProcessor] = []
  /// The stopped vCPUs: VM v of vCPU n at 4 n + v; L1 and L2 have one image of the general registers.
  private var stopped: [PageCPU<Hardware>] = []
  var tables: [NestedTable] = []
  let ioMap: SystemPage
  let msrMap: SystemPage
  var reportedBreaches: UInt32 = 0
  var hasRun = false
  var hasMeasuredFloor = false
  var host: HostileHost
  /// The pages that the guest touched last.
  var touched = InlineArray<64, GuestPage>(repeating: GuestPage(rawValue: 0))
  /// How many pages it has touched.
  var touchedCount = 0
  /// A page that a hostile host has blocked and removes when all vCPUs have flushed.
  var blockedPage: GuestPage?
  /// Where the first secret was found that the host can read, bytes.
  var leak: UInt64?
  /// The physical time of the first entry of any vCPU.
  var startTime: UInt64 = 0

  /// A TD whose memory is `memory`; nil if the monitor's memory does not suffice.
  ///
  /// `ioMap` are three and `msrMap` two contiguous pages, all ones but where a guest may act without an exit.
  public init?(
    _ hardware: Hardware, _ options: TDXOptions, _ memory: GuestMemory, systemPageCount: Int,
    ioMap: SystemPage, msrMap: SystemPage
  ) {
    var configuration = TDConfiguration(vcpuCount: options.vcpuCount, l2Count: options.l2Count)
    configuration.tscFrequency = UInt16(
      truncatingIfNeeded: (options.ticksPerSecond &+ 12_500_000) / 25_000_000)
    // A missing table of an L2's is the host's to add, not the guest's to know (tdx.md B.4).
    configuration.l2WalkFailureExits = 0xE
    var windows = PageWindows(pageCount: memory.pageCount)
    windows.add(GuestPage(containing: InitialState.rip), pageCount: 1)
    domain = TrustDomain(configuration, windows: windows, systemPageCount: systemPageCount)
    self.hardware = hardware
    self.options = options
    self.memory = memory
    self.ioMap = ioMap
    self.msrMap = msrMap
    host = HostileHost(
      options.hostile, seed: options.seed, cpuCount: options.vcpuCount, now: hardware.timeStamp(),
      limit: options.hostileSeconds &* options.ticksPerSecond)
    for _ in 0...configuration.l2Count {
      guard let table = NestedTable(hardware) else { return nil }
      tables.append(table)
    }
    guard let directory = hardware.allocatePage() else { return nil }
    UnpagedMode.fill(directory, &self.hardware)
    guard self.memory.add(GuestPage(containing: UnpagedMode.directory), directory) else { return nil }
    for table in tables {
      guard table.map(UnpagedMode.directory >> 12, to: directory, .write, &self.hardware) else { return nil }
    }
    for index in 0..<configuration.vcpuCount {
      guard let processor = makeProcessor(index) else { return nil }
      processors.append(processor)
    }
  }

  private func makeProcessor(_ index: Int) -> TDXProcessor? {
    var processor = TDXProcessor(clock: GuestClock(isFrozen: options.freezesTime))
    guard let registers = hardware.allocatePage() else { return nil }
    let none = PageCPU(vmcb: SystemPage(rawValue: 0), registers: registers, memory: hardware)
    stopped.append(contentsOf: [none, none, none, none])
    processor.timer = LocalTimer(scale: UInt64(domain.configuration.tscFrequency))
    for vm in 0...domain.configuration.l2Count {
      guard let page = hardware.allocatePage() else { return nil }
      var cpu = PageCPU(vmcb: page, registers: registers, memory: hardware)
      stopped[4 &* index &+ vm] = cpu
      // An L2's MSRs all exit: the port map is all ones too.
      TDXControls.fill(
        &cpu, root: tables[vm].root, ioMap: ioMap, msrMap: vm == 0 ? msrMap : ioMap, vm: vm)
      guard vm > 0 else { continue }
      guard let root = hardware.allocatePage() else { return nil }
      processor.privateRoots[vm] = root
    }
    var cpu = cpu(index)
    TDXControls.reset(&cpu)
    processor.unpaged[0] = UnpagedMode.enter(&cpu, cr0: cpu[VMCB.cr0])
    cpu.registers = domain.initialRegisters(vcpu: index, argument: 0)
    return processor
  }

  /// The stopped vCPU as VM `vm` sees it.
  func cpu(_ index: Int, vm: Int = 0) -> PageCPU<Hardware> { stopped[4 &* index &+ vm] }

  /// The APIC identifier of a vCPU, which the host chooses.
  func apicID(_ index: Int) -> UInt32 {
    index >= 0 && index < options.apicIDs.count ? options.apicIDs[index] : UInt32(truncatingIfNeeded: index)
  }

  /// The guest's memory as words.
  var words: GuestWords<Hardware> { GuestWords(memory, hardware) }

  /// Ends the run with a report of what the TD did.
  ///
  /// `ending` says more than the verdict does, where a hostile host may have been the cause.
  func stop(_ verdict: Verdict, _ index: Int, _ reason: String, _ ending: RunEnding? = nil) -> Never {
    let vm = domain.vcpus[index].currentVM
    hardware.report(reason, vcpu: index, " vm ", UInt64(vm), cpu(index, vm: vm))
    conclude(ending ?? (verdict == .violation ? .denied : verdict == .panic ? .crashed : .verdict(verdict)))
  }

  /// Reports breaches that the model has recorded since the last look (tdx.md, Sources/Model/README.md).
  func checkBreaches(_ index: Int) {
    guard domain.breaches.count != reportedBreaches else { return }
    reportedBreaches = domain.breaches.count
    guard options.endsOnBreach, let breach = domain.breaches.first.last else { return }
    hardware.write("monitor: violation of rule ")
    hardware.write(decimal: UInt64(breach.rule.rawValue))
    hardware.write(" page ")
    hardware.write(hex: breach.page.address)
    hardware.endLine()
    stop(.violation, index, "violation", .breach)
  }
}
