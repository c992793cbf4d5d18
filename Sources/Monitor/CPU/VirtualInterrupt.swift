// VirtualInterrupt: how a guest gets an interrupt: by V_IRQ, which exits or delivers, and never by EVENTINJ.

import Bits
import SNP

/// What a vCPU is offered at its entry, and what became of that at its exit (APM 2, 15.21).
///
/// Interrupts are delivered by V_IRQ and not by EVENTINJ, since QEMU (7.2 to 11) remembers the vector of an interrupt that
/// it has injected, and raises it once more if its thread is asked to stop before the guest's next event: beside an
/// alarm every millisecond one in a hundred came twice.
public struct VirtualInterrupt: Equatable, Sendable {
  /// V_INTR_MASKING, bit 24 of word 0x060.
  static let masking: UInt64 = 1 << 24
  /// V_IRQ, bit 8 of word 0x060.
  private static let pending: UInt64 = 1 << 8
  /// V_IRQ with the highest priority, whatever V_TPR.
  private static let request: UInt64 = pending | 0xF << 16 | 1 << 20
  /// The intercept of V_IRQ: bit 4 of word 0x00C, above the exceptions of 0x008.
  private static let windowIntercept: UInt64 = 1 << 36
  /// Writes of CR8: QEMU 7.2 fails an assertion of its own when a guest writes CR8 while V_IRQ is set.
  private static let priorityWrites: UInt64 = 1 << 24

  private var offered: InterruptOffer?

  /// Nothing offered.
  public init() {}

  /// Whether the vCPU would take an interrupt as its first act.
  public static func isOpen(_ cpu: borrowing some CPUState & ~Copyable) -> Bool {
    cpu[VMCB.rflags].bit(9) && cpu[VMCB.interruptShadow] & 1 == 0 && !cpu[VMCB.eventInjection].bit(31)
  }

  /// Prepares an entry with task priority `priority`, bits 7:4 of TPR; whether `vector` is offered now.
  ///
  /// It is if the vCPU is open; else that exits as soon as it is, as it does for `wantsWindow` alone.
  /// Writes of CR8 exit while V_IRQ is set or the caller `watchesPriority`, else as `intercepts` of word 0x000 say.
  public mutating func prepare(
    _ cpu: inout some CPUState & ~Copyable, priority: UInt64, vector: UInt8?, wantsWindow: Bool = false,
    watchesPriority: Bool = false, intercepts: UInt64 = 0
  ) -> Bool {
    let isRequested = vector != nil || wantsWindow
    offered = nil
    if let vector, Self.isOpen(cpu) { offered = InterruptOffer(vector, to: cpu) }
    cpu[VMCB.virtualInterrupt] =
      Self.masking | priority & 15 | (isRequested ? Self.request | UInt64(vector ?? 0) << 32 : 0)
    Self.set(&cpu, VMCB.interceptExceptions, Self.windowIntercept, offered == nil)
    Self.set(
      &cpu, VMCB.interceptCR, Self.priorityWrites,
      isRequested || watchesPriority || intercepts & Self.priorityWrites != 0)
    return offered != nil
  }

  private static func set(
    _ cpu: inout some CPUState & ~Copyable, _ offset: Int, _ mask: UInt64, _ isSet: Bool
  ) {
    let old = cpu[offset]
    let new = isSet ? old | mask : old & ~mask
    if old != new { cpu[offset] = new }
  }

  /// What became of the offer of the last entry, if there was one.
  ///
  /// In EXITINTINFO a delivery that was broken off becomes an interrupt's, whatever QEMU called it.
  public mutating func settle(_ cpu: inout some CPUState & ~Copyable) -> (vector: UInt8, isTaken: Bool)? {
    guard let offer = offered else { return nil }
    offered = nil
    let outcome = offer.outcome(cpu)
    if outcome == .brokenOff { cpu[VMCB.exitIntInfo] = UInt64(offer.vector) | 1 << 31 }
    return (offer.vector, outcome != .left)
  }

  /// Carries out MOV to CR8 and passes it; the new TPR, or nil for #GP(0).
  public static func writePriority(
    _ instruction: Instruction, _ cpu: inout some CPUState & ~Copyable
  ) -> UInt8? {
    let value = instruction.registerValue(cpu)
    guard value < 16 else { return nil }
    cpu[VMCB.virtualInterrupt] = cpu[VMCB.virtualInterrupt] & ~15 | value
    cpu.skip(UInt64(instruction.length))
    return UInt8(truncatingIfNeeded: value) << 4
  }
}
