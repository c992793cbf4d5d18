// Trampoline: prepares the pages through which other CPUs start, and receives those CPUs.
import Boot
public import Seams
public import X86

nonisolated(unsafe) private var entry: (any ProcessorEntry)?
nonisolated(unsafe) private var installed: MachineMailbox?

/// The mailbox page: `struct apus_mailbox`.
public struct MachineMailbox: StartMailbox, Sendable {
  private let address: UInt64

  init(address: UInt64) { self.address = address }

  // UNSAFETY: the page was allocated for this and is never given back; each record is bounds-checked.
  private func word(_ cpu: CPUIndex) -> UnsafeMutablePointer<UInt32>? {
    guard cpu.rawValue < UInt32(APUS_MAILBOX_CAPACITY) else { return nil }
    return unsafe UnsafeMutablePointer(bitPattern: UInt(address &+ Self.offset(cpu) &+ 4))
  }

  func record(of cpu: CPUIndex) -> UInt64 { address &+ Self.offset(cpu) }

  static func offset(_ cpu: CPUIndex) -> UInt64 { 128 &+ 32 &* UInt64(cpu.rawValue) }

  /// The state of `cpu`.
  public func state(of cpu: CPUIndex) -> StartState {
    guard let word = unsafe word(cpu) else { return .empty }
    return unsafe StartState(rawValue: apus_load32(word))
  }

  /// One compare-exchange.
  public func exchange(_ cpu: CPUIndex, expected: StartState, with desired: StartState) -> StartState {
    guard let word = unsafe word(cpu) else { return .empty }
    return unsafe StartState(rawValue: apus_exchange32(word, expected.rawValue, desired.rawValue))
  }

  /// Whether `cpu` came too late and has parked.
  public func hasParked(_ cpu: CPUIndex) -> Bool {
    guard let word = unsafe word(cpu) else { return false }
    return unsafe apus_load32(word.advanced(by: 3)) != 0
  }
}

/// Preparing the pages.
enum Trampoline {
  static func install(entry processorEntry: any ProcessorEntry) { unsafe entry = processorEntry }

  static func kick(_ cpu: CPUIndex) { unsafe entry?.kick(cpu) }

  static func install(
    code: Frame, mailbox: Frame, root: PhysicalAddress, list: ProcessorList, memory: DirectMemory
  ) -> MachineMailbox {
    let start = apus_trampoline_start_address()
    memory.zero(code.start, count: Frame.bytes)
    for offset in 0..<(apus_trampoline_end_address() &- start) {
      // UNSAFETY: within the trampoline's bytes in the image.
      guard let byte = unsafe UnsafePointer<UInt8>(bitPattern: UInt(start &+ offset)) else { continue }
      unsafe memory.store(byte.pointee, at: code.start.advanced(by: offset))
    }
    let page = UInt32(truncatingIfNeeded: code.start.rawValue)
    patch(memory, code.start.advanced(by: apus_trampoline_gdt_base_address() &- start), page)
    patch(memory, code.start.advanced(by: apus_trampoline_far32_address() &- start), page)
    patch(memory, code.start.advanced(by: apus_trampoline_far64_address() &- start), page)
    patch(
      memory, code.start.advanced(by: apus_trampoline_mailbox_address() &- start),
      UInt32(truncatingIfNeeded: mailbox.start.rawValue))

    let result = install(records: mailbox, list: list, memory: memory)
    memory.store(UInt32(truncatingIfNeeded: root.rawValue), at: mailbox.start.advanced(by: 4))
    return result
  }

  // The list of CPUs, at the layout that trampoline.S reads.
  static func install(records mailbox: Frame, list: ProcessorList, memory: DirectMemory) -> MachineMailbox {
    memory.zero(mailbox.start, count: Frame.bytes)
    memory.store(UInt32(truncatingIfNeeded: list.count), at: mailbox.start)
    for number in 0..<UInt32(truncatingIfNeeded: list.count) {
      let cpu = CPUIndex(number)
      guard let id = list[cpu] else { continue }
      let record = mailbox.start.advanced(by: MachineMailbox.offset(cpu))
      memory.store(id.rawValue, at: record)
      memory.store(apus_block_address(number), at: record.advanced(by: 8))
    }
    let result = MachineMailbox(address: KernelLayout.direct(mailbox.start).rawValue)
    unsafe installed = result
    return result
  }

  // A CPU that begins at apus_record_entry, in the kernel's address space and with all of its tables loaded.
  static func registers(of cpu: CPUIndex, root: PhysicalAddress) -> StartRegisters? {
    guard let mailbox = unsafe installed, let block = unsafe Processor.block(of: cpu) else { return nil }
    let address = unsafe block.pointee.`self`
    var registers = StartRegisters()
    registers.rip = apus_record_entry_address()
    registers.rsp = unsafe block.pointee.stack_top
    registers.rdi = mailbox.record(of: cpu)
    registers.cr0 =
      CR0.paging | CR0.writeProtect | CR0.numericError | CR0.extensionType | CR0.protectionEnable
    registers.cr3 = root.rawValue
    registers.cr4 = CR4.physicalAddressExtension | CR4.machineCheck
    registers.efer = EFER.longModeEnable | EFER.longModeActive | EFER.noExecuteEnable
    registers.gsBase = address
    registers.gdt = (address &+ UInt64(APUS_CPU_GDT), 63)
    registers.idt = (apus_interrupt_table_address(), 4095)
    registers.taskState = (address &+ UInt64(APUS_CPU_TSS), UInt32(TaskState.bytes - 1))
    return registers
  }

  private static func patch(_ memory: DirectMemory, _ place: PhysicalAddress, _ base: UInt32) {
    memory.store(memory.load(UInt32.self, at: place) &+ base, at: place)
  }

  static func receive() {
    Processor.loadTables()
    let cpu = Processor.current
    unsafe entry?.prepare(cpu)
    guard let mailbox = unsafe installed,
      mailbox.exchange(cpu, expected: .started, with: .online) == .started
    else { Death.park() }
    unsafe entry?.run(cpu)
    Death.park()
  }
}

/// From trampoline.S, on the CPU's own stack and the kernel's tables, interrupts off.
@c(apus_processor_main) public func processorMain(_ block: UInt64) { Trampoline.receive() }
