// NMIWindow: from an NMI to the end of its handler no other one comes.

import SNP

/// The blocking of NMIs, which a VMRUN that injects one does not bring about under QEMU (APM 2, 8.2.3).
///
/// IRET is intercepted from the injection on; the NMI after it waits for the entry after that of the IRET.
struct NMIWindow: Equatable, Sendable {
  private(set) var isBlocked = false
  private var isReturning = false
  /// IRET's bit of the intercept words at 0x008 (APM 2, table B-1: word 0x00C, bit 20).
  private static let intercept: UInt64 = 1 << 52

  /// Whether an NMI may be injected at this entry.
  mutating func isOpen(_ cpu: borrowing some CPUState & ~Copyable) -> Bool {
    let wasReturning = isReturning
    isReturning = false
    return !isBlocked && !wasReturning && cpu[VMCB.eventInjection] >> 31 & 1 == 0
      && cpu[VMCB.interruptShadow] & 1 == 0
  }

  /// Injects an NMI.
  mutating func inject(_ cpu: inout some CPUState & ~Copyable) {
    cpu.inject(vector: 2, type: 2)
    cpu[VMCB.interceptExceptions] |= Self.intercept
    isBlocked = true
  }

  /// The guest is about to execute IRET.
  mutating func returns(_ cpu: inout some CPUState & ~Copyable) {
    cpu[VMCB.interceptExceptions] &= ~Self.intercept
    isBlocked = false
    isReturning = true
  }
}
