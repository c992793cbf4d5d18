// TDXMachine: the seam TDXHardware over the real instructions, and how a TD's other CPUs come in.
import Boot
public import Seams
public import TDX
public import X86

/// TDCALL and the instructions around it, on the calling CPU.
public struct TDXMachine: TDXHardware {
  /// The instructions.
  public init() {}

  /// TDCALL.
  ///
  /// UNSAFETY: the registers are sixteen words of the caller's, and nothing else (`GeneralRegisters`); memory that a call names is the caller's to answer for.
  public func tdcall(_ registers: inout GeneralRegisters) {
    unsafe withUnsafeMutablePointer(to: &registers) { pointer in
      unsafe pointer.withMemoryRebound(to: UInt64.self, capacity: 16) { words in unsafe apus_tdcall(words) }
    }
  }

  /// STI; TDCALL.
  ///
  /// UNSAFETY: as `tdcall`.
  public func enableInterruptsAndTDCall(_ registers: inout GeneralRegisters) {
    unsafe withUnsafeMutablePointer(to: &registers) { pointer in
      unsafe pointer.withMemoryRebound(to: UInt64.self, capacity: 16) { words in
        unsafe apus_tdcall_open(words)
      }
    }
  }

  /// CLI.
  public func disableInterrupts() { apus_disable_interrupts() }
  /// STI.
  public func enableInterrupts() { apus_enable_interrupts() }
  /// PAUSE.
  public func pause() { apus_pause() }
  /// CPUID.
  public func cpuid(_ leaf: UInt32, _ subleaf: UInt32) -> CPUIDResult { MachineCPUID.read(leaf, subleaf) }
  /// RDMSR.
  public func readMSR(_ register: MSR) -> UInt64 { apus_read_msr(register.rawValue) }
  /// WRMSR.
  public func writeMSR(_ register: MSR, _ value: UInt64) { apus_write_msr(register.rawValue, value) }
  /// XSETBV.
  public func setExtendedControl(_ value: UInt64) { apus_set_extended_control(value) }
  /// RDTSC.
  public func cycles() -> UInt64 { apus_cycles() }

  /// Bytes of the image's code.
  public func instruction(at address: VirtualAddress) -> InlineArray<15, UInt8> {
    var bytes = InlineArray<15, UInt8>(repeating: 0)
    let end = apus_text_end_address()
    guard address.rawValue >= apus_image_start_address() else { return bytes }
    for index in bytes.indices {
      let place = address.rawValue &+ UInt64(index)
      // UNSAFETY: within the image's code, checked here.
      guard place < end, let byte = unsafe UnsafePointer<UInt8>(bitPattern: UInt(place)) else { break }
      unsafe bytes[index] = byte.pointee
    }
    return bytes
  }
}

/// CPUs that wait in the TDX reset page for their records in the mailbox (boards/README.md).
public struct ResetPageStart: StartMethod {
  /// The reset page, the last below 4 GiB.
  private static var resetPage: Frame { Frame(number: 0xF_FFFF) }
  private let mailbox: Frame

  /// CPUs whose records lie in `mailbox`.
  public init(mailbox: Frame) { self.mailbox = mailbox }

  /// The boot CPU is vCPU 0; ids are vCPU indices.
  public var ownID: APICID { APICID(rawValue: Processor.current.rawValue) }

  /// The reset page and the mailbox.
  public var pages: StartPages? { StartPages(code: Self.resetPage, mailbox: mailbox) }

  /// Fills the records; the CPUs look at them already, and wait for their state to become go.
  public func install(
    _ pages: StartPages, root: PhysicalAddress, list: ProcessorList, memory: DirectMemory
  ) -> MachineMailbox {
    for number in 1..<UInt32(truncatingIfNeeded: max(1, list.count)) {
      guard number < 64, let block = unsafe Processor.block(of: CPUIndex(number)) else { continue }
      let record = pages.mailbox.start.advanced(by: 64 &* UInt64(number))
      memory.store(apus_processor_entry_address(), at: record.advanced(by: 8))
      memory.store(unsafe block.pointee.stack_top, at: record.advanced(by: 16))
      memory.store(apus_block_address(number), at: record.advanced(by: 24))
      memory.store(root.rawValue, at: record.advanced(by: 32))
    }
    return MachineMailbox(
      page: pages.mailbox, .init(first: 0, stride: 64, state: 0, parked: 4, capacity: 64))
  }
}
