// TrapHandler: exceptions that a platform's driver answers: #VE under TDX, #VC under SNP.

/// The interrupted registers of an exception; a handler may change them.
public struct TrapFrame: Sendable {
  /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15: the encoding order of x86.
  public var registers = InlineArray<16, UInt64>(repeating: 0)
  /// The instruction pointer.
  public var rip: UInt64 = 0
  /// The flags.
  public var rflags: UInt64 = 0
  /// The error code, 0 where the exception has none.
  public var error: UInt64 = 0
  /// CR2: where the access went that a page fault or a private page refused.
  public var address: UInt64 = 0
  /// A frame of zeros.
  public init() {}
}

/// What a platform does about exceptions that are its own; works before there is a heap, and on every CPU at once.
public protocol TrapHandler: AnyObject {
  /// Answers exception `vector`; false ends the machine with a report.
  func handle(_ vector: UInt8, _ frame: inout TrapFrame) -> Bool
}
