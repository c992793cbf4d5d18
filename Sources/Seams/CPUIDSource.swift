// CPUIDSource: CPUID from a table that the firmware has checked, where a host would answer the instruction.

/// Answers CPUID in place of the instruction, where a host would answer that one.
public protocol CPUIDSource: AnyObject {
  /// The registers of `leaf` and `subleaf`; zeros for one that is not known.
  func cpuid(_ leaf: UInt32, _ subleaf: UInt32) -> (eax: UInt32, ebx: UInt32, ecx: UInt32, edx: UInt32)
}
