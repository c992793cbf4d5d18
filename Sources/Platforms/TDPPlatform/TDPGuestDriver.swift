// TDPGuestDriver: what serving a guest takes from TD partitioning: entry, saved registers, its memory.
public import Seams
import Synchronization
import TDX
public import X86

/// The guest as L2 VM 1 of this TD; every CPU uses it for its own vCPU.
///
/// `Window` shows guest memory and the pages of `TDPGuestPlan.own` at their addresses.
///
/// Rule: reference tdx.md E.4. Nothing is switched around an entry but what the module switches: this kernel has no
/// code that uses vector registers, STAR, LSTAR, FMASK, KERNEL_GS_BASE or TSC_AUX, and reads CR2 only when it dies.
public final class TDPGuestDriver<Hardware: TDXHardware, Window: PhysicalMemory & Sendable>: GuestPlatform,
  Sendable
{
  /// Exits that one stay deals with before the executor gets its turn.
  public static var exitsPerStay: Int { 64 }

  let hardware: Hardware
  let host: HostCalls<Hardware>
  let calls: ModuleCalls<Hardware>
  let fields: L2Fields<Hardware>
  let window: Window
  let information: TDInformation
  let processors: [L2Processor]
  // Where the first one's state lies; the others' follow, two pages each.
  private let first: PhysicalAddress
  let console: TDPConsole<Hardware>
  private let controller: TDPController<Hardware>
  private let census: InterruptCensus
  private let currentCPU: @Sendable () -> CPUIndex
  private let isAlone: @Sendable () -> Bool
  private let flushOwn: @Sendable () -> Void
  private let glance: UInt64
  let rights = L2Rights()
  let states: ExtendedState

  /// The guest of `platform` with `vcpuCount` vCPUs; nil if the TD has none, or the plan no pages for so many.
  ///
  /// Of the calling CPU, `cpu` is the number, `isAlone` whether it has no task but the guest's, and `flush` empties its
  /// TLB.
  public init?(
    _ platform: TDPPlatform<Hardware>, vcpuCount: Int, window: Window,
    cpu: @escaping @Sendable () -> CPUIndex, isAlone: @escaping @Sendable () -> Bool,
    flush: @escaping @Sendable () -> Void
  ) {
    guard let environment = platform.environment, environment.l2Count > 0, let plan = platform.guest,
      vcpuCount >= 1, vcpuCount <= plan.processorCount
    else { return nil }
    hardware = platform.hardware
    host = HostCalls(platform.hardware)
    calls = ModuleCalls(platform.hardware)
    fields = L2Fields(platform.hardware, vm: 1)
    information = environment.information
    states = ExtendedState(xfam: environment.xfam)
    console = platform.console
    self.window = window
    controller = platform.controller
    census = platform.census
    currentCPU = cpu
    self.isAlone = isAlone
    flushOwn = flush
    glance = TDPClock(platform.hardware).ticks(microseconds: Self.glanceMicroseconds)
    var processors: [L2Processor] = []
    for number in 0..<UInt64(vcpuCount) {
      let place = plan.own.start.advanced(by: 2 &* Frame.bytes &* number)
      processors.append(
        L2Processor(
          CPUIndex(UInt32(truncatingIfNeeded: number)), state: place,
          virtualAPIC: place.advanced(by: Frame.bytes)))
    }
    self.processors = processors
    first = plan.own.start
  }

  /// The longest stay of a CPU that no interrupt reaches.
  static var glanceMicroseconds: UInt64 { 1_000 }

  /// How many vCPUs there are.
  public var vcpuCount: Int { processors.count }

  /// The name of the vCPU of `cpu`.
  public func context(of cpu: CPUIndex) -> VCPUContext? {
    cpu.rawValue < UInt32(truncatingIfNeeded: processors.count)
      ? VCPUContext(processors[Int(cpu.rawValue)].state) : nil
  }

  // Which of `processors` a name names. An index, as each use of a reference would be counted, with locked instructions.
  @inline(__always) private func number(_ context: VCPUContext) -> Int? {
    let offset = context.address.rawValue &- first.rawValue
    guard offset & (2 &* Frame.bytes &- 1) == 0 else { return nil }
    let number = offset / (2 &* Frame.bytes)
    return number < UInt64(processors.count) ? Int(truncatingIfNeeded: number) : nil
  }
  func processor(_ context: VCPUContext) -> L2Processor? { number(context).map { processors[$0] } }

  func registers(_ processor: L2Processor) -> L2Registers<Window> {
    L2Registers(window: window, base: processor.state)
  }

  // MARK: Rest and entry.

  /// CLI: the module looks for interrupts of L1's before each entry whatever RFLAGS says (G.52).
  public func holdWakes() { hardware.disableInterrupts() }
  /// STI.
  public func releaseWakes() { hardware.enableInterrupts() }
  /// As a CPU without a guest rests, but awake while its vCPU's timer runs, for L1 has none of its own, and while it
  /// waits for an interrupt from another vCPU that the host would not deliver.
  public func halt(until deadline: UInt64?) {
    let cpu = currentCPU()
    var wanted = deadline
    var own: L2Processor?
    if cpu.rawValue < UInt32(truncatingIfNeeded: processors.count) { own = processors[Int(cpu.rawValue)] }
    let waits = own?.isDead == false
    if waits, let expiry = own?.apic.expiry, expiry != .max { wanted = min(deadline ?? .max, expiry) }
    TDPHalter(hardware, census, cpu: cpu, isAlone: { [isAlone] in !waits && isAlone() }, flush: flushOwn)
      .halt(until: wanted)
  }
  /// Empties this CPU's TLB.
  public func flush() { flushOwn() }

  /// Enters the L2 until it leaves for a reason that is not dealt with here, something waits for this CPU, or
  /// `exitsPerStay` exits were dealt with.
  ///
  /// Interrupts stay off meanwhile: one that comes postpones the next entry or ends the stay (B.5, B.6), and is taken on
  /// return, so that a waiting one can't keep the loop from going on (G.67).
  public func enter(_ context: VCPUContext, until deadline: UInt64?) -> GuestExit {
    let exit = stay(context, until: deadline)
    hardware.enableInterrupts()
    return exit
  }

  private func stay(_ context: VCPUContext, until deadline: UInt64?) -> GuestExit {
    guard let processor = processor(context), !processor.isDead else { return .dead }
    guard prepare(processor) else { return die(processor, "its start was refused") }
    if processor.isHalted {
      guard isAwake(processor) else { return .refused }
      processor.isHalted = false
    }
    processor.hasCalled = false
    for _ in 0..<Self.exitsPerStay {
      if processor.requests.mayHaveSome || processor.apic.expiry != .max { collect(processor) }
      arm(processor, deadline)
      deliver(processor)
      let stay = run(processor)
      switch stay.outcome {
      case .left:
        switch answer(stay, processor) {
        case .again: continue
        case .ended(let exit): return exit
        }
      case .taken:
        // This too is an exit to L1, which the L2's events are lost in unless L1 delivers them again (B.6).
        processor.deliverAgain(stay)
        return .handled
      case .postponed: return .handled
      case .refused:
        return die(processor, "TDG.VP.ENTER", stay.status.rawValue)
      }
    }
    return .handled
  }

  // The entry itself; what had to be flushed is flushed with it, or the next time (G.64).
  private func run(_ processor: L2Processor) -> L2Stay {
    // In this order, as `flushReductions` looks in the other: whoever takes rights away sees this CPU inside, or this
    // CPU sees that rights are gone.
    processor.isInside.store(1, ordering: .sequentiallyConsistent)
    let wanted = rights.generation.load(ordering: .sequentiallyConsistent)
    // A CPU that waits for this one to flush need not catch it outside: from here on it sees with what it enters.
    processor.isInside.store(wanted &+ 2, ordering: .sequentiallyConsistent)
    let flag: UInt64 = processor.flushed == wanted ? 0 : 1
    var registers = GeneralRegisters()
    registers.rax = UInt64(TDGLeaf.vpEnter.rawValue)
    registers.rcx = UInt64(fields.vm) << 52 | flag
    registers.rdx = processor.state.rawValue
    hardware.tdcall(&registers)
    let stay = L2Stay(registers)
    switch stay.outcome {
    case .left, .taken: processor.flushed = wanted
    case .postponed, .refused: break
    }
    processor.isInside.store(0, ordering: .releasing)
    return stay
  }

  // The L2's fields are those of the vCPU that asks: each CPU fills its own.
  private func prepare(_ processor: L2Processor) -> Bool {
    if processor.isPrepared { return true }
    guard let start = processor.start else { return false }
    registers(processor).write(start.state)
    prepareAPIC(processor)
    processor.isCutOff = census.isCutOff(processor.cpu)
    processor.isPrepared = start.prepare(fields, virtualAPIC: processor.virtualAPIC.rawValue)
    return processor.isPrepared
  }

  // The module's timer ends the stay for the L2's own timer, and for L1's (B.7); where no kick could, every `glance`
  // ticks, so that messages and flushes wait no longer for this CPU.
  private func arm(_ processor: L2Processor, _ deadline: UInt64?) {
    var wanted = min(deadline ?? .max, processor.apic.expiry)
    if processor.isCutOff {
      let now = hardware.cycles()
      let armed = processor.deadline
      wanted = min(wanted, armed > now && armed &- now <= glance ? armed : now &+ glance)
    }
    guard wanted != processor.deadline else { return }
    if fields.writeDeadline(wanted) { processor.deadline = wanted }
  }

  private func deliver(_ processor: L2Processor) {
    guard processor.event != 0 else { return }
    fields.write(.entryInterruptionInformation, processor.event & 0xFFFF_FFFF)
    if processor.event & 1 << 11 != 0 { fields.write(.entryExceptionErrorCode, processor.event >> 32) }
    if processor.eventLength != 0 { fields.write(.entryInstructionLength, processor.eventLength) }
    processor.event = 0
    processor.eventLength = 0
  }

  /// Reports that a vCPU can't go on; its CPU goes on without it.
  func die(_ processor: L2Processor, _ reason: String, _ detail: UInt64? = nil) -> GuestExit {
    processor.isDead = true
    console.write("guest vCPU ")
    console.write(decimal: UInt64(processor.cpu.rawValue))
    console.write(" ends: ")
    console.write(reason)
    if let detail {
      console.write(" ")
      console.write(hex: detail)
      console.write(" at ")
      console.write(hex: registers(processor).rip)
    }
    console.endLine()
    return .dead
  }

  // MARK: Other CPUs.

  /// Kicks `cpu` out of its L2; a hint.
  func kick(_ cpu: CPUIndex) { controller.kick(cpu, census) }

  // MARK: Saved registers.

  /// Nothing to close: the host can't enter an L2, only its CPU can; false while that is inside.
  public func closeGate(_ context: VCPUContext) -> Bool {
    number(context).map { processors[$0].isInside.load(ordering: .acquiring) == 0 } ?? false
  }
  /// Nothing.
  public func openGate(_ context: VCPUContext) {}
  /// Whether it left by the TDCALL that makes a call.
  public func exitedByCall(_ context: VCPUContext) -> Bool {
    number(context).map { processors[$0].hasCalled } ?? false
  }
  /// R11 to R15, in place of RAX, RCX, RDX, R8, R9.
  @inline(__always) public func callRegisters(_ context: VCPUContext) -> CallRegisters {
    guard number(context) != nil else { return CallRegisters(rax: 0, rcx: 0, rdx: 0, r8: 0, r9: 0) }
    let registers = L2Registers(window: window, base: context.address)
    return CallRegisters(
      rax: registers[11], rcx: registers[12], rdx: registers[13], r8: registers[14], r9: registers[15])
  }
  /// RAX = 0, R10 = the result, R12 to R14 for RCX, RDX, R8.
  @inline(__always) public func write(_ reply: CallReply, to context: VCPUContext) {
    guard number(context) != nil else { return }
    let registers = L2Registers(window: window, base: context.address)
    registers.rax = 0
    registers[10] = UInt64(reply.result)
    if let value = reply.rcx { registers[12] = value }
    if let value = reply.rdx { registers[13] = value }
    if let value = reply.r8 { registers[14] = value }
  }

  // MARK: Memory by copy.

  @inline(__always) private func check(_ address: PhysicalAddress, _ count: Int) throws(GuestMemoryFault) {
    let bytes = UInt64(count)
    guard window.limit.rawValue >= bytes, address.rawValue <= window.limit.rawValue &- bytes else {
      throw GuestMemoryFault()
    }
  }
  /// One access.
  public func loadWord(_ address: PhysicalAddress) throws(GuestMemoryFault) -> UInt64 {
    try check(address, 8)
    return window.load(UInt64.self, at: address)
  }
  /// One access.
  public func storeWord(_ value: UInt64, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    try check(address, 8)
    window.store(value, at: address)
  }
  /// One access.
  public func storeHalf(_ value: UInt16, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    try check(address, 2)
    window.store(value, at: address)
  }
  /// One access.
  public func storeByte(_ value: UInt8, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    try check(address, 1)
    window.store(value, at: address)
  }
  /// Byte by byte.
  public func read(_ address: PhysicalAddress, into bytes: inout MutableSpan<UInt8>) throws(GuestMemoryFault)
  {
    try check(address, bytes.count)
    for index in bytes.indices {
      bytes[index] = window.load(UInt8.self, at: address.advanced(by: UInt64(index)))
    }
  }
  /// Byte by byte.
  public func write(_ bytes: borrowing Span<UInt8>, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    try check(address, bytes.count)
    for index in bytes.indices {
      window.store(bytes[index], at: address.advanced(by: UInt64(index)))
    }
  }

  // MARK: vCPUs.

  /// The kernel starts every vCPU.
  public var guestCreatesVCPUs: Bool { false }
  /// vCPU indices are APIC identifiers.
  public func processor(apicID: UInt32) -> CPUIndex? {
    apicID < UInt32(truncatingIfNeeded: processors.count) ? CPUIndex(apicID) : nil
  }
  /// There are no others.
  public func makeContext(_ context: VCPUContext) throws(VCPUFailure) { throw .contents }
  /// Nor fewer.
  public func unmakeContext(_ context: VCPUContext) throws(PageFailure) { throw .inUse }
}
