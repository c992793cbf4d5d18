// L1CPUIDPolicy: which CPUID leaves the module answers and which raise #VE.

/// The four words of a CPUID answer.
public struct CPUIDAnswer: Equatable, Sendable {
  /// EAX.
  public var eax: UInt32
  /// EBX.
  public var ebx: UInt32
  /// ECX.
  public var ecx: UInt32
  /// EDX.
  public var edx: UInt32

  /// An answer of four words.
  public init(_ eax: UInt32, _ ebx: UInt32, _ ecx: UInt32, _ edx: UInt32) {
    self.eax = eax
    self.ebx = ebx
    self.ecx = ecx
    self.edx = edx
  }
}

/// What CPUID does in L1.
public enum CPUIDOutcome: Equatable, Sendable {
  /// The module answers, with these words.
  case answered(CPUIDAnswer)
  /// The module answers from what the platform says.
  case fromPlatform
  /// #VE, exit reason 10.
  case virtualization
}

/// The CPUID table of module 1.5.01.
public enum L1CPUIDPolicy {
  /// What leaf and sub-leaf do before any opt-in to #VE.
  ///
  /// Rule: tdx.md D.2.
  public static func outcome(leaf: UInt32, subleaf: UInt32) -> CPUIDOutcome {
    switch leaf {
    case 0: .answered(CPUIDAnswer(0x23, 0x756E_6547, 0x6C65_746E, 0x4965_6E69))
    case 3, 8, 0xE, 0x11, 0x12, 0x13, 0x20, 0x22: .answered(CPUIDAnswer(0, 0, 0, 0))
    case 0x21 where subleaf == 0:
      .answered(CPUIDAnswer(0, 0x6574_6E49, 0x2020_2020, 0x5844_546C))
    case 0x8000_0000: .answered(CPUIDAnswer(0x8000_0008, 0, 0, 0))
    case 1, 5, 0xA, 0xD, 0x15, 0x19, 0x1C, 0x1E, 0x8000_0001, 0x8000_0007, 0x8000_0008: .fromPlatform
    case 4: subleaf <= 4 ? .fromPlatform : .virtualization
    case 7: subleaf <= 2 ? .fromPlatform : .virtualization
    case 0x14, 0x1D: subleaf <= 1 ? .fromPlatform : .virtualization
    case 0x23: subleaf <= 3 ? .fromPlatform : .virtualization
    default: .virtualization
    }
  }
}
