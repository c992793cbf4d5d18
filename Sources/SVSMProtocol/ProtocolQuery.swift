// ProtocolQuery: QUERY_PROTOCOL and CONFIGURE_VTOM, whose operands are registers.

/// The versions of a protocol that an SVSM serves.
public struct ProtocolVersions: Equatable, Sendable {
  /// The lowest.
  public let minimum: UInt32
  /// The highest.
  public let maximum: UInt32

  /// Versions `minimum` to `maximum`.
  public init(minimum: UInt32, maximum: UInt32) {
    self.minimum = minimum
    self.maximum = maximum
  }

  /// What QUERY_PROTOCOL answers in RCX when asked for `version`: 0 unless it is in range.
  ///
  /// Source: AMD 58019, 6.7 (reference snp-svsm.md A.6).
  public func answer(version: UInt32) -> UInt64 {
    version >= minimum && version <= maximum ? UInt64(maximum) << 32 | UInt64(minimum) : 0
  }
}

/// RCX of QUERY_PROTOCOL.
public struct ProtocolQuery: Equatable, Sendable {
  /// The protocol asked for.
  public let protocolID: ProtocolID
  /// The version asked for.
  public let version: UInt32

  /// Decodes RCX; nothing can be wrong with it.
  public init(rcx: UInt64) {
    protocolID = ProtocolID(rawValue: UInt32(truncatingIfNeeded: rcx >> 32))
    version = UInt32(truncatingIfNeeded: rcx)
  }

  /// The value of RCX that asks.
  public static func rcx(_ protocolID: ProtocolID, version: UInt32) -> UInt64 {
    UInt64(protocolID.rawValue) << 32 | UInt64(version)
  }
}

/// RCX of CONFIGURE_VTOM.
///
/// Source: AMD 58019, 6.8 (reference snp-svsm.md A.6).
public enum VTOMRequest: Equatable, Sendable {
  /// What is supported?
  case query
  /// Turn vTOM on at an address in bytes, or off.
  case configure(enable: Bool, address: UInt64)

  /// Decodes RCX; throws INVALID_PARAMETER for reserved bits.
  public init(rcx: UInt64) throws(ResultCode) {
    if rcx & 1 != 0 {
      guard rcx == 1 else { throw .invalidParameter }
      self = .query
      return
    }
    guard rcx & 0xFFC == 0 else { throw .invalidParameter }
    self = .configure(enable: rcx & 2 != 0, address: rcx & ~0xFFF)
  }
}
