// SNPControls: what the VMCB of an SNP guest's level intercepts.

import Model
import SNP

/// Control areas (APM volume 2, appendix B); the list of intercepts is svm-monitor.md §10 "#VC policy".
enum SNPControls {
  /// INTR, NMI, VINTR, RDPMC, CPUID, INVD, HLT, INVLPGA, ports, MSRs, shutdown.
  private static let first: UInt64 =
    1 << 0 | 1 << 1 | 1 << 4 | 1 << 15 | 1 << 18 | 1 << 22 | 1 << 24 | 1 << 26 | 1 << 27 | 1 << 28
    | 1 << 31
  /// All of SVM's instructions, VMMCALL, ICEBP, WBINVD, MONITOR, MWAIT; XSETBV is the guest's.
  private static let second: UInt64 = 0x7F | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11

  /// Sets intercepts, maps and nested paging; everything else of the control area is zero.
  static func fill(
    _ cpu: inout some CPUState & ~Copyable, ioMap: SystemPage, msrMap: SystemPage, level: VMPL
  ) {
    // DR7 reads and writes raise #VC; so does nothing else of the debug registers.
    cpu[VMCB.interceptCR] = 1 << (32 + 7) | 1 << (48 + 7)
    // #UD, for the RMP instructions.
    cpu[VMCB.interceptExceptions] = 1 << 6 | first << 32
    cpu[0x010] = second
    cpu[VMCB.ioMap] = ioMap.address
    cpu[VMCB.msrMap] = msrMap.address
    cpu[VMCB.asid] = UInt64(level.rawValue) + 1
    cpu[VMCB.virtualInterrupt] = VirtualInterrupt.masking
    cpu[VMCB.nestedPaging] = 1
  }
}
