// SNPGuest: an SNP guest under the monitor: the model decides, this class carries it out.

public import Model
import SNP
import Seams

/// What a run of an SNP guest is given.
public struct SNPOptions: Sendable {
  /// The number of the C-bit.
  public var cBit: UInt8 = 47
  /// Whether a table walk or fetch through C = 0 is a violation (svm-monitor.md §2, rule b).
  public var isStrict = false
  /// Whether breaches that the model records end the run.
  public var endsOnBreach = true
  /// Whether the guest's counter stands still while the monitor works.
  public var freezesTime = false
  /// What CPUID shows.
  public var cpuid: CPUIDPolicy
  /// The attack to play.
  public var hostile: HostileScript?
  /// The seed of everything random.
  public var seed: UInt64 = 1
  /// How long a run under attack lasts at most, seconds.
  public var hostileSeconds: UInt64 = 20

  /// Options with this CPUID policy.
  public init(cpuid: CPUIDPolicy) { self.cpuid = cpuid }
}

/// An SNP guest, its host and its hardware.
///
/// Everything runs under the monitor's one lock, so the model's calls are never interleaved. The state of a
/// level lives in its VMCB from the entry after a switch until the next switch, then in its VMSA again.
public final class SNPGuest<Hardware: MonitorHardware>: Personality {
  var hardware: Hardware
  /// The model.
  public internal(set) var machine: SNPMachine
  let options: SNPOptions
  let backing: GuestBacking
  var processors: [SNPProcessor]
  var roots = InlineArray<4, SNPRoots?>(repeating: nil)
  let ioMap: SystemPage
  let msrMap: SystemPage
  var reportedBreaches: UInt32 = 0
  var host: HostileHost
  /// The pages that the guest touched last.
  var touched = InlineArray<64, GuestPage>(repeating: GuestPage(rawValue: 0))
  /// How many pages it has touched.
  var touchedCount = 0
  /// The last answer by MSR, and a copy of the last one by page, for replays.
  var lastAnswer: GHCBMSR?
  /// See `lastAnswer`.
  var lastPage: SystemPage?
  /// What to look for besides canaries.
  let messageKeys: InlineArray<4, UInt64>
  /// Where the first secret was found that the hypervisor can read, bytes.
  var leak: UInt64?
  /// Pages that were mapped against rule b.
  public internal(set) var relaxedPageCount: UInt64 = 0

  /// A guest that `SNPLauncher` has placed; `ioMap` are three and `msrMap` two contiguous pages of intercepts.
  public init(
    _ hardware: Hardware, _ machine: consuming SNPMachine, _ options: SNPOptions, _ backing: GuestBacking,
    ioMap: SystemPage, msrMap: SystemPage
  ) {
    self.hardware = hardware
    processors = []
    for _ in 0..<machine.vcpus.count {
      processors.append(SNPProcessor(clock: GuestClock(isFrozen: options.freezesTime)))
    }
    messageKeys = machine.firmware.messageKeyWords
    self.machine = machine
    self.options = options
    self.backing = backing
    self.ioMap = ioMap
    self.msrMap = msrMap
    host = HostileHost(
      options.hostile, seed: options.seed, cpuCount: processors.count, now: hardware.timeStamp(),
      limit: options.hostileSeconds &* options.cpuid.ticksPerSecond)
  }

  /// A word with only the C-bit.
  var cMask: UInt64 { 1 << UInt64(options.cBit) }

  /// The level that `index` is at: the one that runs, or ran last.
  func level(_ index: Int) -> VMPL { machine.vcpus[index].running ?? machine.vcpus[index].next ?? .vmpl0 }

  /// The stopped vCPU at `vmpl`, whose level must exist.
  func cpu(_ index: Int, _ vmpl: VMPL) -> PageCPU<Hardware> {
    let place = Int(vmpl.rawValue & 3)
    return PageCPU(
      vmcb: processors[index].levels[place]?.vmcb ?? SystemPage(rawValue: 0),
      registers: processors[index].levels[place]?.registers ?? SystemPage(rawValue: 0), memory: hardware)
  }

  /// Makes VMCB, registers and nested roots of a level if they are not there yet.
  func makeLevel(_ index: Int, _ vmpl: VMPL) {
    let place = Int(vmpl.rawValue & 3)
    if roots[place] == nil {
      guard let paged = NestedTable(hardware), let unpaged = NestedTable(hardware) else { outOfMemory() }
      roots[place] = SNPRoots(paged: paged, unpaged: unpaged)
    }
    guard processors[index].levels[place] == nil else { return }
    guard let vmcb = hardware.allocatePage(), let registers = hardware.allocatePage(),
      let vectors = hardware.allocatePage()
    else { outOfMemory() }
    processors[index].levels[place] = SNPLevel(
      vmcb: vmcb, registers: registers, vectors: vectors,
      apic: VirtualAPIC(
        id: machine.vcpus[index].apicID, isBootProcessor: index == 0, isX2APIC: options.cpuid.hasX2APIC))
    var cpu = cpu(index, vmpl)
    SNPControls.fill(&cpu, ioMap: ioMap, msrMap: msrMap, level: vmpl)
  }

  /// The APIC of a level; nil if the level was never used.
  @discardableResult
  func withAPIC<Result>(
    _ index: Int, _ vmpl: VMPL, _ body: (inout VirtualAPIC) -> Result
  ) -> Result? {
    processors[index].levels[Int(vmpl.rawValue & 3)]?.withAPIC(body)
  }

  func outOfMemory() -> Never {
    hardware.line("monitor: no memory is left for nested tables")
    hardware.end(.panic)
  }

  /// Ends the run with a report of what the vCPU did.
  func stop(_ ending: RunEnding, _ index: Int, _ reason: String) -> Never {
    let vmpl = level(index)
    hardware.report(reason, vcpu: index, " vmpl ", UInt64(vmpl.rawValue), cpu(index, vmpl))
    conclude(ending)
  }

  /// Reports a violation of `rule` at a guest page, and ends the run.
  ///
  /// A hostile host may have caused it: then the hardware has done its duty, and only breaches are the guest's.
  func violation(_ index: Int, _ rule: String, _ page: GuestPage, _ ending: RunEnding = .denied) -> Never {
    hardware.write("monitor: violation of ")
    hardware.write(rule)
    hardware.write(" page ")
    hardware.write(hex: page.address)
    hardware.endLine()
    stop(ending, index, "violation")
  }

  /// Reports breaches that the model has recorded since the last look (Sources/Model/README.md).
  func checkBreaches(_ index: Int) {
    guard machine.memory.breaches.count != reportedBreaches else { return }
    reportedBreaches = machine.memory.breaches.count
    guard options.endsOnBreach, let breach = machine.memory.breaches.first.last else { return }
    hardware.write("monitor: breach ")
    hardware.write(decimal: UInt64(breach.rule.rawValue))
    hardware.endLine()
    violation(index, "discipline", breach.page, .breach)
  }
}

/// The guest's memory by the host's nested map, for walks and decoders.
extension SNPGuest: GuestView {
  /// The word at `address`.
  public func word(_ address: UInt64) -> UInt64? {
    machine.memory.nested[GuestPage(containing: address)].map { hardware.load($0.page, Int(address & 0xFF8)) }
  }

  /// Stores a word.
  public func setWord(_ address: UInt64, _ value: UInt64) -> Bool {
    guard let entry = machine.memory.nested[GuestPage(containing: address)] else { return false }
    hardware.store(entry.page, Int(address & 0xFF8), value)
    return true
  }
}
