// NativePlatform: plain x86-64 as QEMU offers it: PVH, 16550, local APIC, PIT, isa-debug-exit.
import Seams
import X86

/// The native platform over the machine's ports, MSRs, APIC page and counter.
public struct NativePlatform<Ports, MSRs, Page, Cycles, Hint>: KernelPlatform
where
  Ports: PortSpace & Sendable, MSRs: MSRSpace & Sendable, Page: APICPage & Sendable,
  Cycles: CycleCounter & Sendable, Hint: SpinHint
{
  /// `native`.
  public static var name: String { "native" }
  private let ports: Ports
  private let registers: MSRs
  private let cycles: Cycles
  private let features: CPUFeatures
  private let startInfo: PhysicalAddress
  /// The calling CPU's interrupt controller.
  public let controller: LocalAPIC<MSRs, Page>
  /// COM1 and the debug port.
  public let console: SerialConsole<Ports>

  /// The platform of a CPU with `features`, booted with the PVH record at `startInfo`.
  public init(
    ports: Ports, registers: MSRs, page: Page, cycles: Cycles, hint: Hint.Type, features: CPUFeatures,
    startInfo: PhysicalAddress
  ) {
    self.ports = ports
    self.registers = registers
    self.cycles = cycles
    self.features = features
    self.startInfo = startInfo
    controller = LocalAPIC(registers: registers, page: page, features: features)
    console = SerialConsole(ports: ports)
  }

  /// Memory is simply there.
  public func claimMemory(_ map: MemoryMap, _ memory: some PhysicalMemory) throws(BootInformationError) {}

  /// The PVH record.
  public func bootInformation(
    _ memory: some PhysicalMemory
  ) throws(BootInformationError) -> BootInformation {
    try StartInfo.decode(at: startInfo, memory)
  }

  /// The APIC's page as the CPU says, in xAPIC mode.
  public var controllerPage: PhysicalAddress? {
    controller.isX2 ? nil : PhysicalAddress(registers.read(.apicBase) & PageTableEntry.addressMask)
  }

  /// Switches the calling CPU's APIC and its timer on.
  public func enableController(_ cpu: CPUIndex) {
    controller.enable()
    controller.setTimer(masked: false, deadlineMode: features.contains(.tscDeadline))
  }

  /// Measures for a millisecond against the PIT; a sample counts from the PIT look that took the fewest cycles of four.
  public func calibrate() -> NativeClock<Cycles, MSRs, Page> {
    // The firmware leaves the 8259s unmasked, with IRQ 0 on the vector of #DF.
    ports.out8(0x21, 0xFF)
    ports.out8(0xA1, 0xFF)
    let pit = PIT(ports: ports)
    pit.start()
    controller.setTimer(masked: true, deadlineMode: false)
    controller.startTimer(count: .max)
    let first = sample(pit)
    let end = first.pit &- UInt16(truncatingIfNeeded: ClockRates.pitPerSecond / 1000)
    // Bounded, should the PIT stand still.
    var looks = 0
    while looks < 1_000_000, pit.count() > end {
      Hint.relax()
      looks &+= 1
    }
    let last = sample(pit)
    controller.startTimer(count: 0)
    controller.setTimer(masked: false, deadlineMode: features.contains(.tscDeadline))
    return NativeClock(
      cycles: cycles, registers: registers, controller: controller, rates: ClockRates(from: first, to: last),
      usesDeadline: features.contains(.tscDeadline))
  }

  private func sample(_ pit: PIT<Ports>) -> ClockSample {
    var best = ClockSample(cycles: 0, pit: 0, apic: 0)
    var least = UInt64.max
    for _ in 0..<4 {
      let before = cycles.cycles()
      let count = pit.count()
      let apic = controller.timerCount
      let width = cycles.cycles() &- before
      if width < least {
        least = width
        best = ClockSample(cycles: before &+ width / 2, pit: count, apic: apic)
      }
    }
    return best
  }

  /// Calls through the APIC.
  public func caller(trampoline: Frame, list: ProcessorList) -> NativeCaller<MSRs, Page> {
    NativeCaller(controller: controller, trampoline: trampoline, list: list)
  }

  /// Whether the APIC's mode reaches that id.
  public func canCall(_ id: APICID) -> Bool { controller.canAddress(id) }
}

/// INIT, start-up and kicks by APIC id.
public final class NativeCaller<MSRs: MSRSpace & Sendable, Page: APICPage & Sendable>: StartCaller, Waker,
  Sendable
{
  private let controller: LocalAPIC<MSRs, Page>
  private let trampoline: Frame
  private let list: ProcessorList

  init(controller: LocalAPIC<MSRs, Page>, trampoline: Frame, list: ProcessorList) {
    self.controller = controller
    self.trampoline = trampoline
    self.list = list
  }

  /// INIT.
  public func sendInit(_ cpu: CPUIndex) {
    if let id = list[cpu] { controller.sendInit(id) }
  }
  /// Start-up at the trampoline.
  public func sendStartUp(_ cpu: CPUIndex) {
    if let id = list[cpu] { controller.sendStartUp(id, page: trampoline) }
  }
  /// The kick vector.
  public func kick(_ cpu: CPUIndex) {
    if let id = list[cpu] { controller.sendInterrupt(id, vector: Vector.kick) }
  }
}
