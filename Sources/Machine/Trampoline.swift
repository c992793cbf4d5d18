// Trampoline: other CPUs by INIT and start-up: they start in real mode, in a page below 1 MiB.
import Boot
public import Seams
public import X86

/// The native platform's way.
public struct TrampolineStart: StartMethod {
  /// The way.
  public init() {}

  /// What CPUID says.
  public var ownID: APICID { MachineCPUID.apicID }

  /// Two frames below 1 MiB.
  public var pages: StartPages? { nil }

  private static var layout: MachineMailbox.RecordLayout {
    .init(first: 128, stride: 32, state: 4, parked: 16, capacity: UInt32(APUS_MAILBOX_CAPACITY))
  }

  /// Copies the trampoline and fills the mailbox: `struct apus_mailbox`.
  public func install(
    _ pages: StartPages, root: PhysicalAddress, list: ProcessorList, memory: DirectMemory
  ) -> MachineMailbox {
    let code = pages.code
    let mailbox = pages.mailbox
    let start = apus_trampoline_start_address()
    memory.zero(code.start, count: Frame.bytes)
    for offset in 0..<(apus_trampoline_end_address() &- start) {
      // UNSAFETY: within the trampoline's bytes in the image.
      guard let byte = unsafe UnsafePointer<UInt8>(bitPattern: UInt(start &+ offset)) else { continue }
      unsafe memory.store(byte.pointee, at: code.start.advanced(by: offset))
    }
    let page = UInt32(truncatingIfNeeded: code.start.rawValue)
    Self.patch(memory, code.start.advanced(by: apus_trampoline_gdt_base_address() &- start), page)
    Self.patch(memory, code.start.advanced(by: apus_trampoline_far32_address() &- start), page)
    Self.patch(memory, code.start.advanced(by: apus_trampoline_far64_address() &- start), page)
    Self.patch(
      memory, code.start.advanced(by: apus_trampoline_mailbox_address() &- start),
      UInt32(truncatingIfNeeded: mailbox.start.rawValue))

    let result = Self.install(records: mailbox, list: list, memory: memory)
    memory.store(UInt32(truncatingIfNeeded: root.rawValue), at: mailbox.start.advanced(by: 4))
    return result
  }

  // The list of CPUs, at the layout that trampoline.S reads.
  static func install(records mailbox: Frame, list: ProcessorList, memory: DirectMemory) -> MachineMailbox {
    memory.zero(mailbox.start, count: Frame.bytes)
    memory.store(UInt32(truncatingIfNeeded: list.count), at: mailbox.start)
    for number in 0..<UInt32(truncatingIfNeeded: list.count) {
      guard let id = list[CPUIndex(number)] else { continue }
      let record = mailbox.start.advanced(by: 128 &+ 32 &* UInt64(number))
      memory.store(id.rawValue, at: record)
      memory.store(apus_block_address(number), at: record.advanced(by: 8))
    }
    return MachineMailbox(page: mailbox, Self.layout)
  }

  private static func patch(_ memory: DirectMemory, _ place: PhysicalAddress, _ base: UInt32) {
    memory.store(memory.load(UInt32.self, at: place) &+ base, at: place)
  }
}

extension ApusMachine where Start == TrampolineStart {
  /// The machine whose CPUs come in by the trampoline.
  public init() { self.init(start: TrampolineStart()) }
}
