// TDPController: the local APIC of an L1, half of it the CPU's own and half the host's, and the kicks through it.
public import Seams
import X86

/// What is known of each CPU's interrupts; a CPU writes its own entry before it comes in.
public final class InterruptCensus: @unchecked Sendable {
  private var ids = InlineArray<128, UInt32>(repeating: .max)
  // 0 not tested, 1 the host delivered the test interrupt, 2 it did not.
  private var verdicts = InlineArray<128, UInt8>(repeating: 0)

  /// Nothing known.
  public init() {}

  func note(_ cpu: CPUIndex, id: UInt32, delivers: Bool) {
    guard cpu.rawValue < 128 else { return }
    ids[Int(cpu.rawValue)] = id
    verdicts[Int(cpu.rawValue)] = delivers ? 1 : 2
  }

  /// The x2APIC id of `cpu`, which is the host's word; nil before the CPU has come in.
  func id(of cpu: CPUIndex) -> UInt32? {
    guard cpu.rawValue < 128, verdicts[Int(cpu.rawValue)] != 0 else { return nil }
    return ids[Int(cpu.rawValue)]
  }

  /// Whether the host delivered the test interrupt of `cpu`.
  public func delivers(to cpu: CPUIndex) -> Bool {
    cpu.rawValue < 128 && verdicts[Int(cpu.rawValue)] == 1
  }

  /// Whether the host was tested and delivered none to `cpu`.
  func isCutOff(_ cpu: CPUIndex) -> Bool {
    cpu.rawValue < 128 && verdicts[Int(cpu.rawValue)] == 2
  }

  /// How many CPUs have been tested, and how many the host delivers to.
  public var counts: (tested: UInt64, delivering: UInt64) {
    var tested: UInt64 = 0
    var delivering: UInt64 = 0
    for index in verdicts.indices {
      if verdicts[index] != 0 { tested &+= 1 }
      if verdicts[index] == 1 { delivering &+= 1 }
    }
    return (tested, delivering)
  }
}

/// The x2APIC of the calling CPU (reference tdx.md C.5): TPR, EOI, ISR and IRR are its own; id, spurious vector and
/// command register are the host's.
public struct TDPController<Hardware: TDXHardware>: Sendable {
  private let hardware: Hardware
  private let host: HostCalls<Hardware>

  private static func register(_ offset: UInt32) -> MSR { MSR(rawValue: MSR.x2apicFirst.rawValue &+ offset) }
  /// Looks for the test interrupt, and the time that they take at least.
  static var leastLooks: Int { 1000 }
  static var patienceMicroseconds: UInt64 { 10_000 }

  /// The controller.
  public init(_ hardware: Hardware) {
    self.hardware = hardware
    host = HostCalls(hardware)
  }

  /// Switches the controller on and finds out whether the host delivers interrupts to this CPU; interrupts are off.
  ///
  /// One interrupt is sent to oneself through the host and looked for in the CPU's own request register. It is taken
  /// later as a kick. The answer is a hint: no more than idling depends on it.
  func enable(_ cpu: CPUIndex, _ census: InterruptCensus, _ clock: some Clock) {
    // EN and EXTD in APIC_BASE are how every vCPU starts (C.5); a host that says otherwise has no x2APIC to offer.
    let base = try? host.readMSR(MSR.apicBase.rawValue)
    try? host.writeMSR(Self.register(0x0F).rawValue, 1 << 8 | UInt64(Vector.spurious))
    hardware.writeMSR(Self.register(0x08), 0)
    let id = UInt32(
      truncatingIfNeeded: (try? host.readMSR(Self.register(0x02).rawValue)) ?? UInt64(cpu.rawValue))
    var delivers = false
    if let base, base & 0xC00 == 0xC00 {
      send(to: id, command: 0x4000 | UInt32(Vector.kick))
      delivers = sees(Vector.kick, clock)
    }
    census.note(cpu, id: id, delivers: delivers)
  }

  private func sees(_ vector: UInt8, _ clock: some Clock) -> Bool {
    let register = Self.register(0x20 &+ UInt32(vector) / 32)
    let bit: UInt64 = 1 << UInt64(vector % 32)
    let end = clock.now().advanced(by: clock.ticks(microseconds: Self.patienceMicroseconds))
    var looks = 0
    while looks < Self.leastLooks || clock.now() < end {
      if hardware.readMSR(register) & bit != 0 { return true }
      hardware.pause()
      looks &+= 1
    }
    return false
  }

  /// Asks the host for the kick vector on `cpu`; a hint that it may lose.
  func kick(_ cpu: CPUIndex, _ census: InterruptCensus) {
    guard let id = census.id(of: cpu) else { return }
    send(to: id, command: 0x4000 | UInt32(Vector.kick))
  }

  /// Writes the command register: the host sends the interrupt, or does not.
  func send(to id: UInt32, command: UInt32) {
    try? host.writeMSR(Self.register(0x30).rawValue, UInt64(id) << 32 | UInt64(command))
  }
}

/// Kicks through the host; nobody is called, all CPUs watch their start records.
public final class TDPCaller<Hardware: TDXHardware>: StartCaller, Waker, Sendable {
  private let controller: TDPController<Hardware>
  private let census: InterruptCensus

  init(_ controller: TDPController<Hardware>, _ census: InterruptCensus) {
    self.controller = controller
    self.census = census
  }

  /// All CPUs wait on their records by themselves.
  public static var calls: Bool { false }
  /// A TD's CPU ignores INIT.
  public func sendInit(_ cpu: CPUIndex) {}
  /// There is no start-up either.
  public func sendStartUp(_ cpu: CPUIndex) {}
  /// The kick vector; a hint that the host may lose.
  public func kick(_ cpu: CPUIndex) { controller.kick(cpu, census) }
}
