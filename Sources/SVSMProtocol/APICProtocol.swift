// APICProtocol: the calls of the APIC emulation protocol and their operands.

import Bits

/// The APIC protocol (COCONUT only; reference snp-svsm.md A.9).
public enum APICProtocol {
  /// QUERY_FEATURES.
  public static let queryFeatures = CallID(.apic, 0)
  /// CONFIGURE.
  public static let configure = CallID(.apic, 1)
  /// READ_REGISTER.
  public static let readRegister = CallID(.apic, 2)
  /// WRITE_REGISTER.
  public static let writeRegister = CallID(.apic, 3)
  /// CONFIGURE_VECTOR.
  public static let configureVector = CallID(.apic, 4)
}

/// RCX of CONFIGURE_VECTOR, decoded.
public struct APICVectorRequest: Equatable, Sendable {
  /// The vector.
  public let vector: UInt8
  /// Whether the host may inject.
  public let isAllowed: Bool
  /// Whether all vectors from 31 to 255 are meant.
  public let isAll: Bool

  /// Decodes RCX; throws INVALID_PARAMETER for reserved bits.
  public init(rcx: UInt64) throws(ResultCode) {
    guard rcx >> 10 == 0 else { throw .invalidParameter }
    vector = UInt8(truncatingIfNeeded: rcx)
    isAllowed = rcx.bit(8)
    isAll = rcx.bit(9)
  }
}
