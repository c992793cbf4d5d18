// ResultCode: what a call answers in RAX.

/// A 32-bit result, written to RAX zero-extended.
///
/// Source: AMD 58019 table 4 (reference snp-svsm.md A.4.1). Linux and OVMF compare all 64 bits, so the
/// upper half must be 0.
public struct ResultCode: RawRepresentable, Hashable, Error, Sendable {
  /// The 32 bits.
  public let rawValue: UInt32

  /// The code `rawValue`, known or not.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The value for RAX.
  public var rax: UInt64 { UInt64(rawValue) }

  /// Done.
  public static let success = ResultCode(rawValue: 0)
  /// Some of it is done; call again.
  public static let incomplete = ResultCode(rawValue: 0x8000_0000)
  /// No such protocol.
  public static let unsupportedProtocol = ResultCode(rawValue: 0x8000_0001)
  /// No such call.
  public static let unsupportedCall = ResultCode(rawValue: 0x8000_0002)
  /// An address is not the guest's to name.
  public static let invalidAddress = ResultCode(rawValue: 0x8000_0003)
  /// CALL_PENDING has a reserved value.
  public static let invalidFormat = ResultCode(rawValue: 0x8000_0004)
  /// A parameter is wrong; so is any misaligned input.
  public static let invalidParameter = ResultCode(rawValue: 0x8000_0005)
  /// The call cannot be served in this state.
  public static let invalidRequest = ResultCode(rawValue: 0x8000_0006)
  /// Try again; nothing has changed.
  public static let busy = ResultCode(rawValue: 0x8000_0007)

  /// Core, PVALIDATE: `code` (at most 15) of the instruction.
  public static func pvalidateFailed(_ code: UInt32) -> ResultCode {
    ResultCode(rawValue: code <= 0xF ? 0x8000_1000 | code : 0x8000_1011)
  }
  /// Core, PVALIDATE: CF was 1, nothing changed.
  public static let pvalidateUnchanged = ResultCode(rawValue: 0x8000_1010)
  /// Core, PVALIDATE: FAIL_SIZEMISMATCH.
  public static let pvalidateSizeMismatch = ResultCode(rawValue: 0x8000_1006)
  /// Core, DELETE_VCPU: the vCPU is running.
  public static let vcpuInUse = ResultCode(rawValue: 0x8000_1003)
  /// APIC: registration after the count reached 0.
  public static let apicNotRegistered = ResultCode(rawValue: 0x8000_1000)

  /// The SVSM needs `pageCount` more 4 KiB pages; at most 2^30 - 1.
  public static func needMemory(pageCount: UInt32) -> ResultCode {
    ResultCode(rawValue: 0x4000_0000 | min(pageCount, 0x3FFF_FFFF))
  }
  /// The pages asked for; nil if the code is not of that kind.
  public var neededPageCount: UInt32? {
    rawValue >> 30 == 0b01 ? rawValue & 0x3FFF_FFFF : nil
  }
  /// Whether the code says that the call did not fail: success, or a protocol's own success.
  public var isSuccess: Bool { rawValue >> 30 == 0 }
  /// Whether the guest may simply call again.
  public var isRetry: Bool { self == .incomplete || self == .busy }
}
