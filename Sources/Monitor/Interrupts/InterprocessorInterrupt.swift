// InterprocessorInterrupt: what a write of the interrupt command register asks for.

import Bits

/// A decoded ICR (SDM 3A, 10.6.1 and 10.12.9).
public struct InterprocessorInterrupt: Equatable, Sendable {
  /// The delivery mode.
  public struct Mode: RawRepresentable, Equatable, Sendable {
    /// Bits 10:8.
    public let rawValue: UInt8
    /// The mode `rawValue`, known or not.
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// A vector.
    public static let fixed = Mode(rawValue: 0)
    /// A vector for one of the destinations; delivered as fixed to the first.
    public static let lowestPriority = Mode(rawValue: 1)
    /// NMI.
    public static let nmi = Mode(rawValue: 4)
    /// INIT.
    public static let initialize = Mode(rawValue: 5)
    /// Start-up.
    public static let startup = Mode(rawValue: 6)
  }

  /// Whom it is for.
  public enum Target: Equatable, Sendable {
    /// One processor, or all with 0xFFFFFFFF (0xFF under xAPIC).
    case physical(UInt32)
    /// Those whose logical identifier meets it.
    case logical(UInt32)
    /// The sender.
    case itself
    /// All, sender included.
    case all
    /// All but the sender.
    case others
  }

  /// How it is delivered.
  public var mode: Mode
  /// The vector, or the page of the start-up code.
  public var vector: UInt8
  /// Whom it is for.
  public var target: Target
  /// Whether an INIT is the obsolete de-assert, which does nothing.
  public var isDeassert: Bool

  /// The meaning of the 64-bit ICR of an x2APIC; of an xAPIC's after its destination byte is moved to 39:32.
  public init(icr: UInt64) {
    mode = Mode(rawValue: UInt8(truncatingIfNeeded: icr >> 8 & 7))
    vector = UInt8(truncatingIfNeeded: icr)
    let destination = UInt32(truncatingIfNeeded: icr >> 32)
    switch icr >> 18 & 3 {
    case 1: target = .itself
    case 2: target = .all
    case 3: target = .others
    default: target = icr.bit(11) ? .logical(destination) : .physical(destination)
    }
    isDeassert = mode == .initialize && icr.bit(15) && !icr.bit(14)
  }

  /// Whether `apic` is addressed by a command of `sender`.
  ///
  /// Identifiers are 32 bits and may be sparse; a logical x2APIC identifier is cluster and bit
  /// (SDM 3A, 10.12.10.2).
  public func addresses(_ apic: VirtualAPIC, sender: UInt32) -> Bool {
    switch target {
    case .itself: apic.id == sender
    case .all: true
    case .others: apic.id != sender
    case .physical(let id): apic.id == id || id == .max || (!apic.isX2APIC && id == 0xFF)
    case .logical(let mask): apic.matchesLogical(mask)
    }
  }
}
