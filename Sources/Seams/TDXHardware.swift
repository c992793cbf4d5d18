// TDXHardware: what a driver for TDX does that is not memory: TDCALL, and the instructions of an L1 around it.
public import TDX
public import X86

/// One virtual processor of a TD, as its L1 kernel executes on it.
///
/// Implemented by the real instructions (Machine) and, in tests, over `Model`'s `TrustDomain`. All of it acts on the
/// calling CPU.
public protocol TDXHardware: Sendable {
  /// TDCALL with these registers, in encoding order; afterwards they hold what the call left.
  ///
  /// RSP and RBP go in as the CPU has them; RBP comes back as the call left it (TDG.VP.ENTER does not restore it,
  /// reference tdx.md B.5), the caller's own is kept.
  func tdcall(_ registers: inout GeneralRegisters)
  /// STI, then TDCALL with nothing between them: an interrupt that comes after the STI is pending when the call is
  /// made (reference A.1, C.4). Interrupts are on afterwards.
  func enableInterruptsAndTDCall(_ registers: inout GeneralRegisters)
  /// CLI.
  func disableInterrupts()
  /// STI.
  func enableInterrupts()
  /// PAUSE.
  func pause()
  /// CPUID; before exceptions are handled only the leaves that the module answers (reference D.2).
  func cpuid(_ leaf: UInt32, _ subleaf: UInt32) -> CPUIDResult
  /// RDMSR of a register that an L1 reads natively (reference D.3).
  func readMSR(_ register: MSR) -> UInt64
  /// WRMSR of a register that an L1 writes natively.
  func writeMSR(_ register: MSR, _ value: UInt64)
  /// XSETBV of XCR0 with a value that the TD may have; CR4.OSXSAVE is set for it, and then as it was.
  func setExtendedControl(_ value: UInt64)
  /// The time-stamp counter, which the module protects.
  func cycles() -> UInt64
  /// Up to 15 bytes of the kernel's own code at `address`; zeros where there is no code.
  func instruction(at address: VirtualAddress) -> InlineArray<15, UInt8>
}
