// DoorbellPage: the page through which a host tells a guest of events under restricted injection.

import Bits

/// Byte offsets in the #HV doorbell page.
///
/// Source: COCONUT `hv_doorbell.rs` (reference snp-svsm.md B.5.3).
public enum DoorbellPage {
  /// The pending vector, one byte; 0 is none.
  public static let vector = 0
  /// The flags, one byte.
  public static let flags = 1
  /// no_eoi_required, one byte.
  public static let noEOIRequired = 2
  /// The levels with events, one byte: bit n - 1 is VMPL n.
  public static let perVMPLEvents = 3
  /// Size of the block of one less privileged level in bytes; VMPL n starts at n times this.
  public static let levelStride = 64
}

/// The first 32-bit word of the page.
public struct DoorbellWord: RawRepresentable, Equatable, Sendable {
  /// The 32 bits.
  public var rawValue: UInt32

  /// The word `rawValue`.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The pending vector; 0 is none.
  public var vector: UInt8 {
    get { UInt8(truncatingIfNeeded: rawValue) }
    set { rawValue = rawValue & ~0xFF | UInt32(newValue) }
  }
  /// An NMI is pending.
  public var isNMIPending: Bool {
    get { rawValue.bit(8) }
    set { rawValue = newValue ? rawValue | 1 << 8 : rawValue & ~(1 << 8) }
  }
  /// A machine check is pending.
  public var isMachineCheckPending: Bool {
    get { rawValue.bit(9) }
    set { rawValue = newValue ? rawValue | 1 << 9 : rawValue & ~(1 << 9) }
  }
  /// The host has signalled and will not again until the guest clears this.
  public var isNoFurtherSignal: Bool {
    get { rawValue.bit(15) }
    set { rawValue = newValue ? rawValue | 1 << 15 : rawValue & ~(1 << 15) }
  }
}
