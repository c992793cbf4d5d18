// CPUState: the registers of a stopped vCPU: its VMCB, and the general registers beside it.

/// A general register by its number in ModRM and REX (SDM 2, table 2-2).
public enum GeneralRegister: UInt8, Sendable, CaseIterable {
  /// In the order of the encoding.
  case rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
}

/// A vCPU that is not running: its VMCB as words, and the general registers that VMRUN does not move.
///
/// `MonitorMachine` implements it over the real VMCB page; tests and the SNP codec over arrays.
public protocol CPUState: ~Copyable {
  /// The little-endian word at byte `offset` of the VMCB page, a multiple of 8 below 4096.
  func vmcb(_ offset: Int) -> UInt64
  /// Stores a word of the VMCB.
  mutating func setVMCB(_ offset: Int, _ value: UInt64)
  /// A general register that VMRUN does not load: any but RAX and RSP.
  func stored(_ register: GeneralRegister) -> UInt64
  /// Stores such a register.
  mutating func setStored(_ register: GeneralRegister, _ value: UInt64)
}

extension CPUState where Self: ~Copyable {
  /// A general register, wherever it is kept.
  public subscript(register: GeneralRegister) -> UInt64 {
    get {
      switch register {
      case .rax: vmcb(VMCB.rax)
      case .rsp: vmcb(VMCB.rsp)
      default: stored(register)
      }
    }
    set {
      switch register {
      case .rax: setVMCB(VMCB.rax, newValue)
      case .rsp: setVMCB(VMCB.rsp, newValue)
      default: setStored(register, newValue)
      }
    }
  }

  /// The word of the save area at `offset` of VMCB.
  public subscript(field: Int) -> UInt64 {
    get { vmcb(field) }
    set { setVMCB(field, newValue) }
  }

  /// The current privilege level, 0 to 3.
  public var cpl: UInt8 { UInt8(truncatingIfNeeded: vmcb(VMCB.cplWord) >> 24) & 3 }

  /// Changes the current privilege level.
  public mutating func setCPL(_ level: UInt8) {
    let old = vmcb(VMCB.cplWord)
    setVMCB(VMCB.cplWord, (old & ~0xFF00_0000) | UInt64(level & 3) << 24)
  }

  /// A segment register of the save area; `offset` is one of `VMCB.es` to `VMCB.tr`.
  public func segment(_ offset: Int) -> Segment {
    let low = vmcb(offset)
    return Segment(
      selector: UInt16(truncatingIfNeeded: low), attributes: UInt16(truncatingIfNeeded: low >> 16),
      limit: UInt32(truncatingIfNeeded: low >> 32), base: vmcb(offset &+ 8))
  }

  /// Stores a segment register.
  public mutating func setSegment(_ offset: Int, _ value: Segment) {
    let low =
      UInt64(value.selector) | UInt64(value.attributes) << 16 | UInt64(value.limit) << 32
    setVMCB(offset, low)
    setVMCB(offset &+ 8, value.base)
  }

  /// The linear address of the code at `rip`: CS has a base outside 64-bit mode.
  func codeAddress(_ rip: UInt64) -> UInt64 {
    codeSize == .bits64 ? rip : segment(VMCB.cs).base &+ rip
  }

  /// How the CPU decodes instructions now: from EFER.LMA, CS.L and CS.D.
  public var codeSize: CodeSize {
    let attributes = segment(VMCB.cs).attributes
    if vmcb(VMCB.efer) & 1 << 10 != 0, attributes & 1 << 9 != 0 { return .bits64 }
    return attributes & 1 << 10 != 0 ? .bits32 : .bits16
  }
}

/// A segment register in SVM's form: attributes packed into 12 bits (APM 2, 15.5.1).
public struct Segment: Equatable, Sendable {
  /// The selector.
  public var selector: UInt16
  /// Descriptor bits 55:52 in 11:8, bits 47:40 in 7:0.
  public var attributes: UInt16
  /// The limit, bytes.
  public var limit: UInt32
  /// The base.
  public var base: UInt64

  /// A segment of four fields.
  public init(selector: UInt16, attributes: UInt16, limit: UInt32, base: UInt64) {
    self.selector = selector
    self.attributes = attributes
    self.limit = limit
    self.base = base
  }
}

/// The size of operands and addresses that a code segment gives.
public enum CodeSize: UInt8, Sendable {
  /// Real mode, or a 16-bit segment.
  case bits16
  /// A 32-bit segment.
  case bits32
  /// 64-bit mode.
  case bits64
}
