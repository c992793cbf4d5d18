// Processor: makes a CPU the kernel's: its tables, its control registers, its block.
import Boot
public import Seams
public import X86

/// The CPU that runs this, and the blocks of the others.
public enum Processor {
  // UNSAFETY: GS base points to this CPU's block from the first instruction of pvh.S or the trampoline on.
  static var block: UnsafeMutablePointer<apus_cpu_block> { unsafe apus_own_block() }

  /// This CPU's index.
  public static var current: CPUIndex { unsafe CPUIndex(block.pointee.index) }

  /// Fills the IDT, once, before any CPU loads it.
  ///
  /// Vectors with a stack of their own get it.
  public static func fillInterruptTable() {
    for number in 0..<256 {
      let kind: InterruptStack =
        switch UInt8(truncatingIfNeeded: number) {
        case Vector.doubleFault: .doubleFault
        case Vector.nonMaskable: .nonMaskable
        case Vector.machineCheck: .machineCheck
        default: .current
        }
      setGate(number, kind)
    }
  }

  /// Gives #VC and #HV their own stacks, once those are mapped and before the table is sealed.
  public static func useEventStacks() {
    setGate(Int(Vector.vmmCommunication), .vmmCommunication)
    setGate(Int(Vector.hypervisorInjection), .hypervisorInjection)
  }

  // UNSAFETY: 512 words, two per vector below 256.
  private static func setGate(_ number: Int, _ kind: InterruptStack) {
    let handler = VirtualAddress(apus_interrupt_stubs_address() &+ UInt64(number) &* 16)
    let gate = InterruptGate(handler: handler, stackTable: kind)
    let table = unsafe UnsafeMutablePointer<UInt64>(bitPattern: UInt(apus_interrupt_table_address()))
    unsafe table?[2 * number] = gate.low
    unsafe table?[2 * number + 1] = gate.high
  }

  /// Fills a CPU's block before the CPU runs on it.
  ///
  /// The block must be mapped, zeroed (except for the boot CPU's) and live for ever.
  public static func fillBlock(
    _ cpu: CPUIndex, at address: VirtualAddress, stack: VirtualAddress, stackBytes: UInt64, apicID: APICID,
    root: PhysicalAddress
  ) {
    guard cpu.rawValue < 128,
      // UNSAFETY: the kernel mapped the block and nobody else uses it yet.
      let block = unsafe UnsafeMutablePointer<apus_cpu_block>(bitPattern: UInt(address.rawValue))
    else { return }
    unsafe block.pointee.`self` = address.rawValue
    unsafe block.pointee.index = cpu.rawValue
    unsafe block.pointee.apic_id = apicID.rawValue
    unsafe block.pointee.stack_bottom = stack.rawValue
    unsafe block.pointee.stack_top = stack.rawValue &+ stackBytes
    unsafe block.pointee.kernel_root = root.rawValue
    let offset = UInt64(APUS_CPU_TSS)
    let taskState = SegmentDescriptor.taskState(
      base: address.advanced(by: offset), limit: UInt32(TaskState.bytes - 1))
    unsafe block.pointee.gdt.1 = SegmentDescriptor.code
    unsafe block.pointee.gdt.2 = SegmentDescriptor.data
    unsafe block.pointee.gdt.3 = taskState.low
    unsafe block.pointee.gdt.4 = taskState.high
    let slot = ProcessorSlot(cpu)
    let state = unsafe UnsafeMutableRawPointer(block).advanced(by: Int(offset))
    let stacks: [5 of InterruptStack] = [
      .doubleFault, .nonMaskable, .machineCheck, .vmmCommunication, .hypervisorInjection,
    ]
    for index in 0..<5 {
      let top = slot.interruptStack(stacks[index]).advanced(by: ProcessorSlot.interruptStackBytes)
      unsafe state.storeBytes(
        of: top.rawValue, toByteOffset: TaskState.interruptStack1 + 8 * index, as: UInt64.self)
    }
    unsafe state.storeBytes(of: UInt16(TaskState.bytes), toByteOffset: TaskState.ioMapBase, as: UInt16.self)
    apus_set_block_address(cpu.rawValue, address.rawValue)
    unsafe apus_sealed_words().pointee.cpu_count = max(
      apus_sealed_words().pointee.cpu_count, cpu.rawValue &+ 1)
  }

  /// The block of `cpu`, nil if it has none.
  static func block(of cpu: CPUIndex) -> UnsafeMutablePointer<apus_cpu_block>? {
    let address = apus_block_address(cpu.rawValue)
    return unsafe UnsafeMutablePointer(bitPattern: UInt(address))
  }

  /// How many CPUs have a block.
  public static var count: UInt32 { unsafe apus_sealed_words().pointee.cpu_count }

  /// The APIC id of `cpu`, nil if it has no block.
  public static func apicID(of cpu: CPUIndex) -> APICID? {
    guard let block = unsafe block(of: cpu) else { return nil }
    return unsafe APICID(rawValue: block.pointee.apic_id)
  }

  /// Loads this CPU's GDT, IDT and TSS from its filled block, and switches its protections on.
  public static func loadTables() {
    let address = unsafe block.pointee.`self`
    let gdt = address &+ UInt64(APUS_CPU_GDT)
    apus_load_tables(gdt, 8 * 8 - 1, apus_interrupt_table_address(), 4095)
    // Loading the selectors cleared nothing of GS base: only the 32-bit forms of MOV to GS would.
    let features = MachineCPUID.features
    apus_write_cr4(apus_read_cr4() | CR4.machineCheck | features.protectionBits)
  }

  /// Makes `root` the page tables of this CPU.
  public static func activate(_ root: PhysicalAddress) {
    unsafe block.pointee.kernel_root = root.rawValue
    apus_write_cr3(root.rawValue)
  }

  /// Tells the interrupt path how interrupts are ended: 1 in xAPIC mode, 2 in x2APIC mode.
  public static func setInterruptMode(x2apic: Bool) {
    unsafe apus_sealed_words().pointee.apic_mode = x2apic ? 2 : 1
  }
}
