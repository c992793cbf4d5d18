// StartRecords: CPUs that begin in the kernel's own address space, with registers that a platform hands on.
import Boot
import Seams
import X86

nonisolated(unsafe) private var firstRecord: UInt64 = 0

/// What such a CPU begins with.
enum StartRecords {
  static func install(_ page: Frame, list: ProcessorList, memory: DirectMemory) -> MachineMailbox {
    let result = TrampolineStart.install(records: page, list: list, memory: memory)
    unsafe firstRecord = KernelLayout.direct(page.start).rawValue &+ 128
    return result
  }

  // A CPU that begins at apus_record_entry with all of its tables loaded, interrupts off.
  static func registers(of cpu: CPUIndex, root: PhysicalAddress) -> StartRegisters? {
    guard unsafe firstRecord != 0, let block = unsafe Processor.block(of: cpu) else { return nil }
    let address = unsafe block.pointee.`self`
    var registers = StartRegisters()
    registers.rip = apus_record_entry_address()
    registers.rsp = unsafe block.pointee.stack_top
    registers.rdi = unsafe firstRecord &+ 32 &* UInt64(cpu.rawValue)
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
}
