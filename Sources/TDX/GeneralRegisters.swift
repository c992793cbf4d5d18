// GeneralRegisters: the sixteen general registers in encoding order.

/// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15: the order in which TDG.VP.ENTER stores them
/// and in which TDG.VP.VMCALL's mask numbers them.
///
/// Source: TDX module 1.5.01 (reference tdx.md A.4, B.5).
public struct GeneralRegisters: Sendable {
  /// The values by encoding number.
  private var values: InlineArray<16, UInt64>

  /// All zero.
  public init() { values = InlineArray(repeating: 0) }

  /// The register with encoding `number`, modulo 16.
  public subscript(number: Int) -> UInt64 {
    get { values[number & 15] }
    set { values[number & 15] = newValue }
  }

  /// Register 0.
  public var rax: UInt64 {
    get { values[0] }
    set { values[0] = newValue }
  }
  /// Register 1.
  public var rcx: UInt64 {
    get { values[1] }
    set { values[1] = newValue }
  }
  /// Register 2.
  public var rdx: UInt64 {
    get { values[2] }
    set { values[2] = newValue }
  }
  /// Register 3.
  public var rbx: UInt64 {
    get { values[3] }
    set { values[3] = newValue }
  }
  /// Register 4.
  public var rsp: UInt64 {
    get { values[4] }
    set { values[4] = newValue }
  }
  /// Register 5.
  public var rbp: UInt64 {
    get { values[5] }
    set { values[5] = newValue }
  }
  /// Register 6.
  public var rsi: UInt64 {
    get { values[6] }
    set { values[6] = newValue }
  }
  /// Register 7.
  public var rdi: UInt64 {
    get { values[7] }
    set { values[7] = newValue }
  }
  /// Register 8.
  public var r8: UInt64 {
    get { values[8] }
    set { values[8] = newValue }
  }
  /// Register 9.
  public var r9: UInt64 {
    get { values[9] }
    set { values[9] = newValue }
  }
  /// Register 10.
  public var r10: UInt64 {
    get { values[10] }
    set { values[10] = newValue }
  }
  /// Register 11.
  public var r11: UInt64 {
    get { values[11] }
    set { values[11] = newValue }
  }
  /// Register 12.
  public var r12: UInt64 {
    get { values[12] }
    set { values[12] = newValue }
  }
  /// Register 13.
  public var r13: UInt64 {
    get { values[13] }
    set { values[13] = newValue }
  }
  /// Register 14.
  public var r14: UInt64 {
    get { values[14] }
    set { values[14] = newValue }
  }
  /// Register 15.
  public var r15: UInt64 {
    get { values[15] }
    set { values[15] = newValue }
  }
}

extension GeneralRegisters: Equatable {
  /// Whether all sixteen agree.
  public static func == (left: GeneralRegisters, right: GeneralRegisters) -> Bool {
    for number in 0..<16 where left[number] != right[number] { return false }
    return true
  }
}
