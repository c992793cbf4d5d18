// GuestCPUID: what an L2 finds in CPUID: the module's answers without what L1 keeps to itself, topology, and no host's word.
import Seams
import TDX
import X86

/// The answers for one L2 vCPU.
///
/// Leaves and subleaves that the module answers natively (reference tdx.md D.2) are taken from the CPU; all others are
/// zero. The TDX
/// leaf is hidden: an L2 is an ordinary guest (F.2).
struct GuestCPUID<Hardware: TDXHardware> {
  let hardware: Hardware
  /// The vCPU's index, its x2APIC identifier.
  let index: UInt32
  /// How many there are.
  let count: UInt32

  /// What the registers are to hold; `fields` are the L2's, for the one leaf that shows a bit of CR4.
  func answer(_ leaf: UInt32, _ subleaf: UInt32, _ fields: L2Fields<Hardware>) -> CPUIDResult {
    switch leaf {
    case 1: return features(fields.read(.cr4))
    case 0xB, 0x1F: return topology(subleaf)
    case 0x21: return .zero
    case 0x4000_0000: return CPUIDResult(eax: leaf, ebx: Self.name.0, ecx: Self.name.1, edx: Self.name.2)
    case 4 where subleaf <= 4, 7 where subleaf <= 2, 0x14 where subleaf <= 1, 0x1D where subleaf <= 1:
      return hardware.cpuid(leaf, subleaf)
    case 0, 5, 0xD, 0x15, 0x19, 0x1C, 0x1E, 0x8000_0000, 0x8000_0001, 0x8000_0007, 0x8000_0008:
      return hardware.cpuid(leaf, subleaf)
    default: return .zero
    }
  }

  // "Apus", "SVSM", "TDP ".
  private static var name: (UInt32, UInt32, UInt32) { (0x7375_7041, 0x4D53_5653, 0x2050_4454) }

  // Without MONITOR, VMX, SMX and PDCM; with x2APIC and the timer's deadline, which L1 emulates; OSXSAVE follows the L2's CR4, as the manual has it.
  private func features(_ cr4: UInt64) -> CPUIDResult {
    var words = hardware.cpuid(1, 0)
    words.ebx = words.ebx & 0xFFFF | min(count, 255) << 16 | index << 24
    words.ecx &= ~(1 << 3 | 1 << 5 | 1 << 6 | 1 << 15 | 1 << 27)
    words.ecx |= 1 << 21 | 1 << 24 | 1 << 31
    if cr4 & 1 << 18 != 0 { words.ecx |= 1 << 27 }
    return words
  }

  // One thread per core, one package (SDM 2A, CPUID leaf 0BH).
  private func topology(_ subleaf: UInt32) -> CPUIDResult {
    let width = UInt32(32 - max(1, count &- 1).leadingZeroBitCount)
    switch subleaf {
    case 0: return CPUIDResult(eax: 0, ebx: 1, ecx: 1 << 8, edx: index)
    case 1: return CPUIDResult(eax: count > 1 ? width : 0, ebx: count, ecx: 2 << 8 | 1, edx: index)
    default: return CPUIDResult(eax: 0, ebx: 0, ecx: subleaf & 0xFF, edx: index)
    }
  }
}

extension CPUIDResult {
  /// Nothing.
  static var zero: CPUIDResult { CPUIDResult(eax: 0, ebx: 0, ecx: 0, edx: 0) }
}
