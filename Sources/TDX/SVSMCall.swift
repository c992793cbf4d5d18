// SVSMCall: how an L2 calls the SVSM in its L1.

/// A call is TDCALL with RAX = 0 (TDG.VP.VMCALL), RCX = 0xFC00, R10 = `signature`, R11 = protocol << 32 | call.
///
/// Source: this project's own convention (design.md "Guest conventions"); none is published. The answer is RAX = 0 and the
/// result code in R10; RIP goes on behind the instruction.
public enum SVSMCall {
  /// R10 of a call: "SVSM".
  public static let signature: UInt64 = 0x4D53_5653
}
