// GuestRegisters: the saved registers of a guest's call, and the gate that keeps the host from resuming the caller.

/// The registers in which a call is made.
///
/// Five words in this order, as `SNPHardware.takeCall` fills them.
///
/// Source: AMD 58019, 5 (reference snp-svsm.md A.4); under TD partitioning the platform translates its own convention
/// (design.md, "Guest conventions").
public struct CallRegisters: Equatable, Sendable {
  /// Protocol in bits 63:32, call in 31:0.
  public var rax: UInt64
  /// The first argument.
  public var rcx: UInt64
  /// The second argument.
  public var rdx: UInt64
  /// The third argument.
  public var r8: UInt64
  /// The fourth argument; never written back.
  public var r9: UInt64

  /// These five.
  @inlinable public init(rax: UInt64, rcx: UInt64, rdx: UInt64, r8: UInt64, r9: UInt64) {
    self.rax = rax
    self.rcx = rcx
    self.rdx = rdx
    self.r8 = r8
    self.r9 = r9
  }
}

/// What a finished call writes back: RAX always, the others only if they are given.
public struct CallReply: Equatable, Sendable {
  /// The 32-bit result; RAX gets it zero-extended.
  public var result: UInt32
  /// RCX, if the call answers in it.
  public var rcx: UInt64?
  /// RDX, if the call answers in it.
  public var rdx: UInt64?
  /// R8, if the call answers in it.
  public var r8: UInt64?

  /// A reply with `result` and these registers.
  @inlinable public init(result: UInt32, rcx: UInt64? = nil, rdx: UInt64? = nil, r8: UInt64? = nil) {
    self.result = result
    self.rcx = rcx
    self.rdx = rdx
    self.r8 = r8
  }
}

/// The saved registers of a guest vCPU.
///
/// *May be called from*: the CPU that has the vCPU's slot claimed, or (gate only) the one that is deleting it. Never
/// traps, whatever the guest stored.
public protocol GuestRegisters {
  /// Keeps the host from resuming the vCPU; false if it cannot be stopped because it runs.
  func closeGate(_ context: VCPUContext) -> Bool
  /// Lets the host resume the vCPU: the last write to it before the guest is entered.
  ///
  /// Every earlier write to the saved state and to the calling area is visible before this one.
  func openGate(_ context: VCPUContext)
  /// Whether the vCPU's last exit was the instruction that makes a call.
  func exitedByCall(_ context: VCPUContext) -> Bool
  /// The registers of the call.
  func callRegisters(_ context: VCPUContext) -> CallRegisters
  /// Writes the reply: RAX zero-extended, and those registers that are given.
  func write(_ reply: CallReply, to context: VCPUContext)
}
