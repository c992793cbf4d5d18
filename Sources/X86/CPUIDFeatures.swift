// CPUIDFeatures: what CPUID says about the features the kernel uses.

/// The four registers that CPUID returns.
public struct CPUIDResult: Equatable, Sendable {
  /// EAX.
  public var eax: UInt32
  /// EBX.
  public var ebx: UInt32
  /// ECX.
  public var ecx: UInt32
  /// EDX.
  public var edx: UInt32
  /// A result of four registers.
  public init(eax: UInt32, ebx: UInt32, ecx: UInt32, edx: UInt32) {
    self.eax = eax
    self.ebx = ebx
    self.ecx = ecx
    self.edx = edx
  }
}

/// The features that decide how the kernel is set up; SDM 2A, CPUID, and APM 3, appendix E.
public struct CPUFeatures: OptionSet, Equatable, Sendable {
  /// The set as bits of our own.
  public let rawValue: UInt16
  /// A set of the given bits.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// Leaf 1, ECX bit 21.
  public static let x2apic = Self(rawValue: 1 << 0)
  /// Leaf 1, ECX bit 24.
  public static let tscDeadline = Self(rawValue: 1 << 1)
  /// Leaf 7, EBX bit 7.
  public static let smep = Self(rawValue: 1 << 2)
  /// Leaf 7, EBX bit 20.
  public static let smap = Self(rawValue: 1 << 3)
  /// Leaf 7, ECX bit 2.
  public static let umip = Self(rawValue: 1 << 4)
  /// Leaf 0x8000_0001, EDX bit 20.
  public static let noExecute = Self(rawValue: 1 << 5)
  /// Leaf 0x8000_0001, EDX bit 26.
  public static let gigabytePages = Self(rawValue: 1 << 6)
  /// Leaf 0x8000_0007, EDX bit 8.
  public static let invariantTSC = Self(rawValue: 1 << 7)
  /// Leaf 1, ECX bit 30.
  public static let rdrand = Self(rawValue: 1 << 8)

  /// What `cpuid(leaf, subleaf)` tells; a leaf beyond the stated maximum counts as all zeros.
  public init(cpuid: (UInt32, UInt32) -> CPUIDResult) {
    var set: Self = []
    let basic = cpuid(0, 0).eax
    let extended = cpuid(0x8000_0000, 0).eax
    if basic >= 1 {
      let leaf = cpuid(1, 0)
      if leaf.ecx & (1 << 21) != 0 { set.insert(.x2apic) }
      if leaf.ecx & (1 << 24) != 0 { set.insert(.tscDeadline) }
      if leaf.ecx & (1 << 30) != 0 { set.insert(.rdrand) }
    }
    if basic >= 7 {
      let leaf = cpuid(7, 0)
      if leaf.ebx & (1 << 7) != 0 { set.insert(.smep) }
      if leaf.ebx & (1 << 20) != 0 { set.insert(.smap) }
      if leaf.ecx & (1 << 2) != 0 { set.insert(.umip) }
    }
    if extended >= 0x8000_0001, extended < 0x8001_0000 {
      let leaf = cpuid(0x8000_0001, 0)
      if leaf.edx & (1 << 20) != 0 { set.insert(.noExecute) }
      if leaf.edx & (1 << 26) != 0 { set.insert(.gigabytePages) }
      if extended >= 0x8000_0007, cpuid(0x8000_0007, 0).edx & (1 << 8) != 0 { set.insert(.invariantTSC) }
    }
    self = set
  }

  /// The CR4 bits that protect the kernel and that this CPU has, beside `physicalAddressExtension`.
  public var protectionBits: UInt64 {
    var bits: UInt64 = 0
    if contains(.smep) { bits |= CR4.smep }
    if contains(.smap) { bits |= CR4.smap }
    if contains(.umip) { bits |= CR4.umip }
    return bits
  }
}
