// VTPMRequest: the buffer of the vTPM protocol's command call.

import Bits

/// The 9-byte header of a TPM command, decoded and checked.
///
/// Source: AMD 58019, 8 tables 14 to 17, through Linux `tpm_svsm.h` (reference snp-svsm.md A.8).
public struct VTPMRequest: Equatable, Sendable {
  /// The platform command TPM_SEND_COMMAND, the only one offered.
  public static let sendCommand: UInt32 = 8
  /// The bitmap that QUERY answers in RCX.
  public static let platformCommands: UInt64 = 1 << 8
  /// Size of the header in bytes; the command follows it.
  public static let headerByteCount = 9
  /// Size of the whole buffer in bytes.
  public static let bufferByteCount = 4096
  /// The largest command in bytes.
  public static let maximumCommandByteCount: UInt32 = 4087
  /// Offset of the response; its 4-byte size lies before it.
  public static let responseOffset = 4
  /// The largest response in bytes.
  public static let maximumResponseByteCount = 4092

  /// The size of the TPM command in bytes.
  public let commandByteCount: Int

  /// Decodes the header.
  ///
  /// Throws INVALID_PARAMETER for a short buffer, another platform command than 8 (D.98), a locality
  /// other than 0 or a command that does not fit.
  public init(_ bytes: borrowing Span<UInt8>) throws(ResultCode) {
    var command: UInt32 = 0
    var locality: UInt8 = 0
    var size: UInt32 = 0
    do throws(ByteError) {
      var reader = ByteReader(limit: bytes.count)
      command = try reader.little(UInt32.self, bytes)
      locality = try reader.u8(bytes)
      size = try reader.little(UInt32.self, bytes)
    } catch {
      throw .invalidParameter
    }
    guard command == Self.sendCommand, locality == 0, size <= Self.maximumCommandByteCount,
      let count = Int(exactly: size)
    else {
      throw .invalidParameter
    }
    commandByteCount = count
  }
}
