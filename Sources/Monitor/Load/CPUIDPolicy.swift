// CPUIDPolicy: the CPU that a guest is shown: QEMU's, less what would not work, plus its platform.

import X86

/// The host's answers to CPUID (svm-monitor.md §6, §7; reference B.2, B.8).
///
/// XSAVE and all that needs it are hidden: TCG has no XSAVEC, which SNP's rules demand, so leaf 0xD claims
/// it and leaf 1 keeps software from trying. LA57 and CMPXCHG16B are hidden for the reasons of §4.
public struct CPUIDPolicy: Sendable {
  /// The platform.
  public var personality: RunOptions.Personality
  /// The number of the C-bit or shared bit.
  public var markBit: UInt8
  /// All APIC identifiers.
  public var apicIDs: [UInt32]
  /// Whether x2APIC is offered.
  public var hasX2APIC: Bool
  /// The rate of the time-stamp counter, for leaf 0x40000010; 0 = not told.
  public var ticksPerSecond: UInt64 = 0

  /// A policy for a run.
  public init(personality: RunOptions.Personality, markBit: UInt8, apicIDs: [UInt32], hasX2APIC: Bool) {
    self.personality = personality
    self.markBit = markBit
    self.apicIDs = apicIDs
    self.hasX2APIC = hasX2APIC
  }

  /// The highest extended leaf.
  public static let highestExtended: UInt32 = 0x8000_0021

  private static let zero = CPUIDResult(eax: 0, ebx: 0, ecx: 0, edx: 0)

  /// What vCPU `vcpu` gets for a leaf; `host` is what the CPU under the monitor says.
  public func answer(
    _ leaf: UInt32, _ subleaf: UInt32, vcpu: Int, host: (UInt32, UInt32) -> CPUIDResult
  ) -> CPUIDResult {
    let id = vcpu >= 0 && vcpu < apicIDs.count ? apicIDs[vcpu] : 0
    switch leaf {
    case 0: return vendor(highest: personality == .tdx ? 0x21 : 0x10, host(0, 0))
    case 1: return features(id, host(1, 0))
    case 2, 4, 6: return personality == .tdx && leaf == 2 ? Self.zero : host(leaf, subleaf)
    case 7: return subleaf == 0 ? structured(host(7, 0)) : Self.zero
    case 0xB, 0x1F: return topology(subleaf, id)
    case 0xD: return extendedState(subleaf)
    case 0x21 where personality == .tdx && subleaf == 0:
      // "IntelTDX    " (tdx.md: the signature leaf).
      return CPUIDResult(eax: 0, ebx: 0x6574_6E49, ecx: 0x2020_2020, edx: 0x5844_546C)
    case 0x4000_0000:
      // "ApusMonitor".
      return CPUIDResult(eax: 0x4000_0010, ebx: 0x7375_7041, ecx: 0x696E_6F4D, edx: 0x0072_6F74)
    case 0x4000_0010:
      // The counter's rate in kHz, where several hypervisors tell it.
      return CPUIDResult(eax: UInt32(clamping: ticksPerSecond / 1000), ebx: 0, ecx: 0, edx: 0)
    case 0x8000_0000: return vendor(highest: Self.highestExtended, host(0, 0))
    case 0x8000_0001:
      var value = host(leaf, 0)
      // LAHF, ABM, PREFETCHW; SVM, TOPOEXT and the AVX extensions (XOP, FMA4) are hidden.
      value.ecx &= 1 << 0 | 1 << 5 | 1 << 8
      return value
    case 0x8000_0002...0x8000_0006: return host(leaf, 0)
    case 0x8000_0007:
      // The counter is invariant: Linux would measure it anew on every CPU otherwise.
      var value = host(leaf, 0)
      value.edx |= 1 << 8
      return value
    case 0x8000_0008:
      return CPUIDResult(eax: 48 << 8 | UInt32(markBit) + 1, ebx: 0, ecx: 0, edx: 0)
    case 0x8000_001E where personality == .snp:
      return CPUIDResult(eax: id, ebx: id & 0xFF, ecx: 0, edx: 0)
    case 0x8000_001F where personality == .snp: return encryption()
    default: return Self.zero
    }
  }

  private func vendor(highest: UInt32, _ host: CPUIDResult) -> CPUIDResult {
    guard personality == .tdx else {
      return CPUIDResult(eax: highest, ebx: host.ebx, ecx: host.ecx, edx: host.edx)
    }
    // "GenuineIntel".
    return CPUIDResult(eax: highest, ebx: 0x756E_6547, ecx: 0x6C65_746E, edx: 0x4965_6E69)
  }

  private func features(_ id: UInt32, _ host: CPUIDResult) -> CPUIDResult {
    var value = host
    if personality == .tdx { value.eax = 0x000C_06F0 }
    value.ebx = id << 24 | UInt32(truncatingIfNeeded: apicIDs.count & 0xFF) << 16 | (host.ebx & 0xFFFF)
    // MONITOR, VMX, CMPXCHG16B, PDCM, PCID, FMA, XSAVE, OSXSAVE, AVX, F16C.
    value.ecx &=
      ~(1 << 3 | 1 << 5 | 1 << 13 | 1 << 15 | 1 << 17 | 1 << 12 | 1 << 26 | 1 << 27 | 1 << 28 | 1 << 29)
    // x2APIC as asked, TSC-deadline (the virtual APIC's), hypervisor present.
    value.ecx &= ~(1 << 21)
    value.ecx |= 1 << 24 | 1 << 31 | (hasX2APIC ? 1 << 21 : 0)
    // MTRRs are not virtual; MWAIT's companions neither.
    value.edx &= ~(1 << 12)
    value.edx |= 1 << 9
    return value
  }

  private func structured(_ host: CPUIDResult) -> CPUIDResult {
    // FSGSBASE, BMI1, SMEP, BMI2, ERMS, RDSEED, ADX, SMAP, CLFLUSHOPT, CLWB, SHA.
    let kept: UInt32 = 1 << 0 | 1 << 3 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 18 | 1 << 19 | 1 << 20
    // UMIP, RDPID.
    return CPUIDResult(
      eax: 0, ebx: host.ebx & (kept | 1 << 23 | 1 << 24 | 1 << 29), ecx: host.ecx & (1 << 2 | 1 << 22), edx: 0
    )
  }

  /// One thread per core, all in one package; the shift covers sparse identifiers too.
  private func topology(_ subleaf: UInt32, _ id: UInt32) -> CPUIDResult {
    let highest = apicIDs.max() ?? 0
    let width = UInt32(32 - highest.leadingZeroBitCount)
    switch subleaf {
    case 0: return CPUIDResult(eax: 0, ebx: 1, ecx: 1 << 8, edx: id)
    case 1:
      return CPUIDResult(
        eax: min(width, 31), ebx: UInt32(truncatingIfNeeded: apicIDs.count), ecx: 2 << 8 | 1, edx: id)
    default: return CPUIDResult(eax: 0, ebx: 0, ecx: subleaf & 0xFF, edx: id)
    }
  }

  private func extendedState(_ subleaf: UInt32) -> CPUIDResult {
    switch subleaf {
    case 0: CPUIDResult(eax: 3, ebx: 0x240, ecx: 0x240, edx: 0)
    case 1: CPUIDResult(eax: 1 << 1, ebx: 0x240, ecx: 0, edx: 0)
    default: Self.zero
    }
  }

  /// Leaf 8000001F: SEV, ES, SNP, VMPL, RMPQUERY, coherent caches, 64-bit host, the injection modes, debug swap.
  private func encryption() -> CPUIDResult {
    let eax: UInt32 =
      1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14
    return CPUIDResult(eax: eax, ebx: UInt32(markBit) | 1 << 6 | 4 << 12 | 1 << 31, ecx: 1, edx: 1)
  }
}
