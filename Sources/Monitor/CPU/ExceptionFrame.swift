// ExceptionFrame: delivers an exception by writing its stack frame, for what EVENTINJ cannot do.

import X86

/// Why an exception could not be delivered; hardware would raise #DF, or shut down.
public enum DeliveryFailure: Error, Equatable, Sendable {
  /// The IDT entry is absent, no 64-bit gate, or not readable.
  case badGate
  /// The stack of the gate is not mapped, not writable or not canonical.
  case badStack
}

/// The frame that a 64-bit CPU pushes (SDM 3A, 6.14; APM volume 2, 8.9).
///
/// QEMU delivers #VC without its error code (svm-monitor.md §3), so the monitor does what the CPU
/// would: gate and TSS through the guest's own tables, IST or RSP0 or the current stack, alignment to
/// 16, SS RSP RFLAGS CS RIP and the error code.
public enum ExceptionFrame {
  /// Enters the handler of `vector` with `errorCode` pushed if there is one.
  ///
  /// RIP in the frame is the faulting instruction's, as for any fault. Nothing has changed on failure.
  /// Segment loading is that of a flat 64-bit code segment: other descriptors are not read.
  public static func deliver<CPU: CPUState & ~Copyable, View: GuestView & ~Copyable>(
    vector: UInt8, errorCode: UInt32?, _ cpu: inout CPU, _ view: inout View, markBit: UInt64
  ) throws(DeliveryFailure) {
    let paging = GuestPaging(cpu, markBit: markBit)
    let idt = cpu.segment(VMCB.idtr)
    let offset = UInt64(vector) &* 16
    guard offset &+ 15 <= UInt64(idt.limit),
      let low = read(idt.base &+ offset, paging, view), let high = read(idt.base &+ offset &+ 8, paging, view)
    else { throw .badGate }
    let type = low >> 40 & 0x1F
    let isPresent = low >> 47 & 1 == 1
    let selector = UInt16(truncatingIfNeeded: low >> 16)
    guard isPresent, type == 0x0E || type == 0x0F, selector & ~3 != 0 else { throw .badGate }
    let handler = (low & 0xFFFF) | (low >> 48 & 0xFFFF) << 16 | (high & 0xFFFF_FFFF) << 32

    let isFromUser = cpu.cpl != 0
    let old = cpu[.rsp]
    var stack = try stackTop(ist: low >> 32 & 7, isFromUser, cpu, paging, view) ?? old
    stack &= ~0xF
    let oldSS = UInt64(cpu.segment(VMCB.ss).selector)
    let words: InlineArray<6, UInt64> = [
      oldSS, old, cpu.vmcb(VMCB.rflags), UInt64(cpu.segment(VMCB.cs).selector), cpu.vmcb(VMCB.rip),
      UInt64(errorCode ?? 0),
    ]
    let count = errorCode == nil ? 5 : 6
    let bottom = stack &- UInt64(count) &* 8
    // Both ends are looked up before anything is written: a frame crosses one page boundary at most.
    _ = try place(bottom, paging, view)
    _ = try place(stack &- 8, paging, view)
    for index in 0..<count {
      let address = try place(stack &- UInt64(index &+ 1) &* 8, paging, view)
      guard view.setWord(address, words[index]) else { throw .badStack }
    }
    cpu[.rsp] = bottom
    cpu[VMCB.rip] = handler
    // TF, NT, RF and VM are cleared, IF by interrupt gates only.
    var flags = cpu.vmcb(VMCB.rflags) & ~(1 << 8 | 1 << 14 | 1 << 16 | 1 << 17)
    if type == 0x0E { flags &= ~(1 << 9) }
    cpu[VMCB.rflags] = flags
    cpu.setSegment(
      VMCB.cs, Segment(selector: selector & ~3, attributes: 0xA9B, limit: .max, base: 0))
    if isFromUser { cpu.setSegment(VMCB.ss, Segment(selector: 0, attributes: 0xC93, limit: .max, base: 0)) }
    cpu.setCPL(0)
    cpu[VMCB.interruptShadow] = cpu.vmcb(VMCB.interruptShadow) & ~1
  }

  /// The stack that the gate and the privilege change ask for; nil = the current one.
  private static func stackTop<CPU: CPUState & ~Copyable, View: GuestView & ~Copyable>(
    ist: UInt64, _ isFromUser: Bool, _ cpu: borrowing CPU, _ paging: GuestPaging,
    _ view: borrowing View
  ) throws(DeliveryFailure) -> UInt64? {
    guard ist != 0 || isFromUser else { return nil }
    let task = cpu.segment(VMCB.tr)
    let offset = ist == 0 ? UInt64(TaskState.rsp0) : UInt64(TaskState.interruptStack1) &+ (ist &- 1) &* 8
    guard offset &+ 7 <= UInt64(task.limit), let top = read(task.base &+ offset, paging, view),
      VirtualAddress(top).isCanonical
    else { throw .badStack }
    return top
  }

  private static func read<View: GuestView & ~Copyable>(
    _ linear: UInt64, _ paging: GuestPaging, _ view: borrowing View
  ) -> UInt64? {
    var value: UInt64 = 0
    // TSS fields are 4-byte aligned, so the two halves may lie in different pages.
    for half in 0..<UInt64(2) {
      guard let found = try? paging.translate(linear &+ half &* 4, view),
        let part = view.little(found.address, count: 4)
      else { return nil }
      value |= part << (half &* 32)
    }
    return value
  }

  private static func place<View: GuestView & ~Copyable>(
    _ linear: UInt64, _ paging: GuestPaging, _ view: borrowing View
  ) throws(DeliveryFailure) -> UInt64 {
    guard VirtualAddress(linear).isCanonical,
      let found = try? paging.translate(linear, for: .write, cpl: 0, view)
    else { throw .badStack }
    return found.address
  }
}
