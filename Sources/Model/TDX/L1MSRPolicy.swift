// L1MSRPolicy: what RDMSR and WRMSR do in L1.

import TDX

/// How an MSR access ends.
public enum MSROutcome: Equatable, Sendable {
  /// The CPU does it.
  case native
  /// The module answers it.
  case emulated
  /// #GP(0).
  case generalProtection
  /// #VE.
  case virtualization
}

/// The MSR table of the module for one TD.
///
/// Rule: tdx.md D.3 (`msr_config_lookup.c`). Anything not listed is #VE for both directions.
public struct L1MSRPolicy: Sendable {
  private let hasPerformance: Bool
  private let xfam: UInt64

  /// The table for a TD of this configuration.
  public init(_ configuration: TDConfiguration) {
    hasPerformance = configuration.attributes.contains(.perfmon)
    xfam = configuration.xfam
  }

  /// What an access to `msr` does.
  public func access(_ msr: UInt32, isWrite: Bool) -> MSROutcome {
    switch msr {
    case 0x10: isWrite ? .virtualization : .native
    case 0x48, 0x49, 0x10B, 0x174...0x176, 0x277, 0x600, 0x1B01: .native
    case 0xC000_0081, 0xC000_0082, 0xC000_0084, 0xC000_0100...0xC000_0103: .native
    case 0x808, 0x80A, 0x80B, 0x810...0x827, 0x83F: .native
    // EFER and XSS: the module decides by value; see `TrustDomain.writeEFER`.
    case 0xC000_0080: .native
    case 0xDA0: .native
    case 0x10A: isWrite ? .native : .emulated
    case 0xBD: isWrite ? .virtualization : .emulated
    case 0x1A0: isWrite ? .virtualization : .emulated
    case 0x1D9: .emulated
    case 0xBC, 0xC80: isWrite ? .virtualization : .native
    case 0x8C...0x8F, 0x98...0x9B, 0x9E, 0x195, 0x276, 0x500, 0xD90, 0xD93: .generalProtection
    // CPUID has none of these features in the model.
    case 0x87, 0x1F8...0x1FA, 0x6E0, 0x981...0x984: .generalProtection
    case 0x480, 0x485...0x489, 0x48B...0x492: isWrite ? .generalProtection : .emulated
    case 0x481...0x484, 0x48A: isWrite ? .generalProtection : .virtualization
    case 0xC1...0xC8, 0x186...0x18D, 0x1A6...0x1A7, 0x309...0x310, 0x329, 0x38D...0x392,
      0x3F1...0x3F7, 0x4C1...0x4C8:
      hasPerformance ? .native : .generalProtection
    case 0x6A0...0x6A8: xfam & 0x1800 != 0 ? .native : .generalProtection
    case 0x560...0x587: xfam & 0x100 != 0 ? .native : .generalProtection
    case 0x1C4, 0x1C5: xfam & 0x60000 != 0 ? .native : .generalProtection
    case 0x985...0x98A: xfam & 0x4000 != 0 ? .native : .generalProtection
    case 0x14CE, 0x14CF, 0x1200...0x121F, 0x1500...0x151F, 0x1600...0x161F:
      xfam & 0x8000 != 0 ? .native : .generalProtection
    case 0xE1, 0x122, 0x6E1: .generalProtection
    default: .virtualization
    }
  }
}
