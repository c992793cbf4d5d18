// ExceptionHandler: who may resolve an exception before it ends the kernel.

/// The context that an exception interrupted; what a handler changes is in force when the context goes on.
public struct ExceptionFrame: Sendable {
  /// The general registers in the order of their numbers: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
  ///
  /// RSP is told, not taken back.
  public var general: InlineArray<16, UInt64>
  /// The instruction: the one that faulted, or the next one.
  public var rip: UInt64
  /// The flags.
  public var rflags: UInt64
  /// The vector.
  public let vector: UInt8
  /// The error code; 0 for a vector without one.
  public let errorCode: UInt64
  /// CR2.
  public let cr2: UInt64

  /// A context.
  public init(
    general: InlineArray<16, UInt64>, rip: UInt64, rflags: UInt64, vector: UInt8, errorCode: UInt64,
    cr2: UInt64
  ) {
    self.general = general
    self.rip = rip
    self.rflags = rflags
    self.vector = vector
    self.errorCode = errorCode
    self.cr2 = cr2
  }
}

/// Resolves exceptions; called with interrupts off, on the vector's own stack if it has one.
///
/// It allocates nothing and waits for nothing.
public protocol ExceptionHandler: AnyObject {
  /// Resolves the exception by changing `frame`; false if it can't, and then the kernel ends with a report.
  func handle(_ frame: inout ExceptionFrame) -> Bool
}

/// Answers CPUID in place of the instruction, where a host would answer that one.
public protocol CPUIDSource: AnyObject {
  /// The registers of `leaf` and `subleaf`; zeros for one that is not known.
  func cpuid(_ leaf: UInt32, _ subleaf: UInt32) -> (eax: UInt32, ebx: UInt32, ecx: UInt32, edx: UInt32)
}
