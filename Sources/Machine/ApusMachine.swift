// ApusMachine: the bare x86-64 machine as the kernel sees it.
import Boot
public import Seams
public import X86

/// The machine that the kernel's image runs on; `Start` is how its CPUs come in.
public struct ApusMachine<Start: StartMethod>: BareMachine, Sendable {
  /// PAUSE.
  public typealias Hint = MachineHint
  private let start: Start

  /// The machine whose CPUs come in by `start`.
  public init(start: Start) { self.start = start }

  /// Memory as the boot tables show it.
  public var bootMemory: DirectMemory { .boot }
  /// Memory below `limit`.
  public func memory(limit: PhysicalAddress) -> DirectMemory { DirectMemory(limit: limit) }

  /// Where the image lies.
  public var image: ImageLayout? {
    let whole = KernelImage.physical
    let part = KernelImage.discardable
    guard let physical = MemoryRegion(start: whole.start, bytes: whole.bytes, kind: .reserved),
      let discardable = MemoryRegion(start: part.start, bytes: part.bytes, kind: .reserved)
    else { return nil }
    return ImageLayout(
      segments: [
        KernelImage.text, KernelImage.constants, KernelImage.sealed, KernelImage.data, KernelImage.stack,
      ], sealedIndex: 2, physical: physical, discardable: discardable)
  }

  /// What this CPU can do.
  public var features: CPUFeatures { MachineCPUID.features }
  /// This CPU's APIC id.
  public var apicID: APICID { start.ownID }
  /// The boot CPU's block.
  public var bootBlock: VirtualAddress { VirtualAddress(apus_boot_cpu_block_address()) }
  /// The time-stamp counter at the first instruction.
  public var entryCycles: UInt64 { KernelImage.entryCycles }
  /// The time-stamp counter.
  public var cycles: UInt64 { apus_cycles() }

  /// Fills the interrupt table.
  public func fillInterruptTable() { Processor.fillInterruptTable() }

  /// Gives #VC and #HV their own stacks.
  public func useEventStacks() { Processor.useEventStacks() }

  /// Fills the block of `cpu`.
  public func fillProcessor(_ cpu: CPUIndex, apicID: APICID, root: PhysicalAddress) {
    let slot = ProcessorSlot(cpu)
    if cpu == .boot {
      let stack = apus_boot_stack_address()
      Processor.fillBlock(
        cpu, at: bootBlock, stack: VirtualAddress(stack), stackBytes: apus_boot_stack_top_address() &- stack,
        apicID: apicID, root: root)
    } else {
      Processor.fillBlock(
        cpu, at: slot.block, stack: slot.stack, stackBytes: ProcessorSlot.stackBytes, apicID: apicID,
        root: root)
    }
  }

  /// Loads this CPU's tables.
  public func loadTables() { Processor.loadTables() }

  /// Makes `root` this CPU's page tables.
  public func activate(_ root: PhysicalAddress) { Processor.activate(root) }

  /// Where the other CPUs wait.
  public var startPages: StartPages? { start.pages }
  /// Writes the trampoline and the mailbox.
  public func installTrampoline(
    code: Frame, mailbox: Frame, root: PhysicalAddress, list: ProcessorList, memory: DirectMemory
  ) -> MachineMailbox {
    let result = start.install(
      StartPages(code: code, mailbox: mailbox), root: root, list: list, memory: memory)
    StartedProcessor.expect(at: result)
    return result
  }

  /// Writes the records of CPUs that begin with registers of their own.
  public func installRecords(
    _ page: Frame, list: ProcessorList, memory: DirectMemory
  ) -> MachineMailbox {
    let result = StartRecords.install(page, list: list, memory: memory)
    StartedProcessor.expect(at: result)
    return result
  }

  /// The registers with which `cpu` begins.
  public func startRegisters(of cpu: CPUIndex, root: PhysicalAddress) -> StartRegisters? {
    StartRecords.registers(of: cpu, root: root)
  }

  /// The language runtime's heap.
  public func install(heap: any HeapSource) { MachineHeap.install(heap) }
  /// How interrupts are ended from now on.
  public func controllerIsOn(throughMSR: Bool) {
    Processor.setInterruptMode(x2apic: throughMSR)
    Death.controllerIsOn()
  }
  /// The task runtime's blocks.
  public func install(blocks: any BlockSource) { Host.install(blocks) }
  /// The task runtime's unit of time.
  public func setTickRate(perMicrosecond: UInt64) { apus_set_ticks_per_microsecond(perMicrosecond) }
  /// A marker for instruction counters.
  public func markIdle() { apus_idle_mark() }
  /// What started CPUs run.
  public func install(entry: any ProcessorEntry) { StartedProcessor.install(entry: entry) }
  /// Reloads CR3; no mapping of ours is global.
  public func flush() { apus_write_cr3(apus_read_cr3()) }

  /// Halts until the next interrupt.
  public func halt(_ prepare: () -> Void) {
    Interrupts.disable()
    prepare()
    haltUntilInterrupt()
  }

  /// Lets interrupts in.
  public func enableInterrupts() { Interrupts.enable() }
  /// Whether registers survive interrupts.
  public func keepsRegisters(over interrupts: UInt64, _ arm: () -> Bool) -> Bool {
    let count = Interrupts.count &+ interrupts
    return arm() && apus_check_registers(count) == 1
  }
  /// A mapped word.
  ///
  /// UNSAFETY: the kernel mapped it, or faults, which is what a test may want.
  public func load(_ address: VirtualAddress) -> UInt64 {
    guard let pointer = unsafe UnsafePointer<UInt64>(bitPattern: UInt(address.rawValue)) else { return 0 }
    return unsafe apus_load64(pointer)
  }
  /// Gives up.
  public func panic(_ message: String) -> Never { Death.panic(message) }
  /// Ends the machine.
  public func end(_ verdict: Verdict) -> Never { Death.end(verdict) }
  /// Dies on purpose.
  public func dieOnPurpose(_ way: DeathWay) { unsafe Suicide.die(way) }
}
