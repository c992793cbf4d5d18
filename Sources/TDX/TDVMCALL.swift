// TDVMCALL: the host calls of the guest-host communication interface.

/// A sub-function in R11 when R10 is 0.
///
/// Source: GHCI (reference tdx.md C.2).
public struct TDVMCALLFunction: RawRepresentable, Hashable, Sendable {
  /// The value of R11.
  public let rawValue: UInt64

  /// The function `rawValue`, known or not.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Instruction.CPUID.
  public static let cpuid = TDVMCALLFunction(rawValue: 10)
  /// Instruction.HLT.
  public static let hlt = TDVMCALLFunction(rawValue: 12)
  /// Instruction.IO.
  public static let io = TDVMCALLFunction(rawValue: 30)
  /// Instruction.RDMSR.
  public static let rdmsr = TDVMCALLFunction(rawValue: 31)
  /// Instruction.WRMSR.
  public static let wrmsr = TDVMCALLFunction(rawValue: 32)
  /// RequestMMIO.
  public static let mmio = TDVMCALLFunction(rawValue: 48)
  /// Instruction.WBINVD.
  public static let wbinvd = TDVMCALLFunction(rawValue: 54)
  /// Instruction.PCONFIG.
  public static let pconfig = TDVMCALLFunction(rawValue: 65)
  /// GetTdVmCallInfo.
  public static let getInfo = TDVMCALLFunction(rawValue: 0x10000)
  /// MapGPA.
  public static let mapGPA = TDVMCALLFunction(rawValue: 0x10001)
  /// GetQuote.
  public static let getQuote = TDVMCALLFunction(rawValue: 0x10002)
  /// ReportFatalError.
  public static let reportFatalError = TDVMCALLFunction(rawValue: 0x10003)
  /// SetupEventNotifyInterrupt.
  public static let setupEventNotifyInterrupt = TDVMCALLFunction(rawValue: 0x10004)
  /// Service.
  public static let service = TDVMCALLFunction(rawValue: 0x10005)
}

/// What the host answers in R10.
///
/// Source: GHCI (reference tdx.md C.1).
public struct TDVMCALLStatus: RawRepresentable, Hashable, Sendable {
  /// The value of R10.
  public let rawValue: UInt64

  /// The status `rawValue`, known or not.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Done.
  public static let success = TDVMCALLStatus(rawValue: 0)
  /// Call again; R11 says from where.
  public static let retry = TDVMCALLStatus(rawValue: 1)
  /// An operand is wrong.
  public static let invalidOperand = TDVMCALLStatus(rawValue: 0x8000_0000_0000_0000)
  /// The page is in use.
  public static let gpaInUse = TDVMCALLStatus(rawValue: 0x8000_0000_0000_0001)
  /// An address or size is misaligned.
  public static let alignmentError = TDVMCALLStatus(rawValue: 0x8000_0000_0000_0002)
  /// The host does not know the function (newer hosts).
  public static let functionUnsupported = TDVMCALLStatus(rawValue: 0x8000_0000_0000_0003)
}

/// The register mask in RCX of TDG.VP.VMCALL.
///
/// Source: TDX module 1.5.01 (reference tdx.md A.4 leaf 0).
public struct TDVMCALLMask: RawRepresentable, Hashable, Sendable {
  /// Bits 15:0 general registers, 31:16 XMM registers.
  public let rawValue: UInt64

  /// The mask `rawValue`, which nobody has checked yet.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// R10 to R15.
  public static let r10ToR15 = TDVMCALLMask(rawValue: 0xFC00)
  /// Bits that must be 0: RAX, RCX, RSP and 63:32.
  public static let forbidden: UInt64 = 0xFFFF_FFFF_0000_0013
  /// Bit 5: RBP.
  public static let rbp: UInt64 = 1 << 5

  /// Whether general register `number` is passed.
  public func selects(_ number: Int) -> Bool {
    number >= 0 && number < 16 && rawValue >> UInt64(number) & 1 == 1
  }
  /// Whether XMM register `number` is passed.
  public func selectsXMM(_ number: Int) -> Bool {
    number >= 0 && number < 16 && rawValue >> UInt64(number + 16) & 1 == 1
  }
}
