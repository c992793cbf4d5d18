// EventInjection: the EVENTINJ and VINTR_CTRL words.

import Bits

/// An event to inject, as EVENTINJ encodes it.
///
/// Source: APM volume 2, 15.20 (reference snp-svsm.md B.6.1).
public struct EventInjection: RawRepresentable, Equatable, Sendable {
  /// The 64 bits.
  public let rawValue: UInt64

  /// The word `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The kinds of event.
  public enum Kind: UInt8, Sendable {
    /// External interrupt.
    case interrupt = 0
    /// NMI.
    case nmi = 2
    /// Exception.
    case exception = 3
    /// Software interrupt.
    case software = 4
  }

  /// A valid event.
  public init(_ kind: Kind, vector: UInt8, errorCode: UInt32? = nil) {
    rawValue =
      UInt64(vector) | UInt64(kind.rawValue) << 8 | (errorCode == nil ? 0 : 1 << 11) | 1 << 31
      | UInt64(errorCode ?? 0) << 32
  }

  /// Bit 31.
  public var isValid: Bool { rawValue.bit(31) }
  /// Bits 7:0.
  public var vector: UInt8 { UInt8(truncatingIfNeeded: rawValue) }
  /// Bits 10:8; nil if reserved.
  public var kind: Kind? { Kind(rawValue: UInt8(truncatingIfNeeded: rawValue >> 8 & 7)) }
  /// Bits 63:32 if bit 11 is set.
  public var errorCode: UInt32? {
    rawValue.bit(11) ? UInt32(truncatingIfNeeded: rawValue >> 32) : nil
  }

  /// #HV: exception 28, the only event that restricted injection lets the host inject.
  public static let hypervisorInjection = EventInjection(.exception, vector: 28)
}

/// VINTR_CTRL at offset 0x3B8 of a VMSA.
///
/// Source: APM volume 2, table B-4 (reference snp-svsm.md B.6.1).
public struct VirtualInterruptControl: RawRepresentable, Equatable, Sendable {
  /// The 64 bits.
  public var rawValue: UInt64

  /// The word `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// V_IRQ, bit 8.
  public var isRequested: Bool { rawValue.bit(8) }
  /// VGIF, bit 9.
  public var isGlobalInterruptFlag: Bool { rawValue.bit(9) }
  /// INT_SHADOW, bit 10.
  public var isInShadow: Bool { rawValue.bit(10) }
  /// V_NMI, bit 11.
  public var isNMIRequested: Bool { rawValue.bit(11) }
  /// V_INTR_PRIO, bits 19:16.
  public var priority: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 16 & 15) }
  /// V_IGN_TPR, bit 20.
  public var ignoresTPR: Bool { rawValue.bit(20) }
  /// V_INTR_VECTOR, bits 39:32.
  public var vector: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 32) }
  /// BUSY, bit 63.
  public var isBusy: Bool { rawValue.bit(63) }
}
