// AttestRequest: the operation structure of the attestation protocol.

import Bits

/// A 16-byte service identifier in the byte order of memory (EFI mixed-endian).
public struct ServiceID: Equatable, Sendable {
  /// Bytes 0 to 7 as a little-endian word.
  public let low: UInt64
  /// Bytes 8 to 15 as a little-endian word.
  public let high: UInt64

  /// The identifier whose memory image is these two little-endian words.
  public init(low: UInt64, high: UInt64) {
    self.low = low
    self.high = high
  }

  /// An identifier from the five groups of its usual notation.
  public init(_ a: UInt32, _ b: UInt16, _ c: UInt16, _ d: UInt16, _ e: UInt64) {
    low = UInt64(a) | UInt64(b) << 32 | UInt64(c) << 48
    high = (UInt64(d) << 48 | e & 0xFFFF_FFFF_FFFF).byteSwapped
  }

  /// The header of the services manifest.
  public static let manifest = ServiceID(
    0x6384_9EBB, 0x3D92, 0x4670, 0xA1FF, 0x58F9_C94B_87BB)
  /// The vTPM.
  public static let vTPM = ServiceID(0xC476_F1EB, 0x0123, 0x45A5, 0x9641, 0xB4E7_DDE5_BFE3)
  /// UEFI MM.
  public static let uefiMM = ServiceID(0xA445_3A59, 0x9E1B, 0x4787, 0xA033, 0x1986_D6AD_BE55)
}

/// An attestation request, decoded and checked as far as the structure alone allows.
///
/// Source: AMD 58019, 7 tables 10 to 13, through COCONUT `attest.rs` (reference snp-svsm.md A.7).
public struct AttestRequest: Equatable, Sendable {
  /// A buffer in guest memory.
  public struct Buffer: Equatable, Sendable {
    /// The guest-physical address in bytes.
    public let address: UInt64
    /// The size in bytes.
    public let byteCount: UInt32
  }

  /// Size of the structure of ATTEST_SERVICES in bytes.
  public static let servicesByteCount = 0x40
  /// Size of the structure of ATTEST_SINGLE_SERVICE in bytes.
  public static let singleByteCount = 0x58
  /// The only size of a nonce in bytes.
  public static let nonceByteCount: UInt16 = 64
  /// The largest certificate buffer in bytes.
  public static let maximumCertificateByteCount: UInt32 = 0x4000

  /// Where the report goes.
  public let report: Buffer
  /// The address of the nonce in bytes; it lies in one page.
  public let nonceAddress: UInt64
  /// Where the manifest goes.
  public let manifest: Buffer
  /// Where the certificates go; size 0 means none.
  public let certificates: Buffer
  /// The service; nil for all.
  public let service: ServiceID?

  /// Decodes the structure.
  ///
  /// Throws INVALID_PARAMETER for a short structure, reserved bytes, a misaligned buffer, a nonce of
  /// another size than 64 or across pages, too large a certificate buffer, or a manifest version
  /// other than 0.
  public init(_ bytes: borrowing Span<UInt8>, isSingle: Bool) throws(ResultCode) {
    do throws(ByteError) {
      var reader = ByteReader(limit: bytes.count)
      let reportAddress = try reader.little(UInt64.self, bytes)
      let reportSize = try reader.little(UInt32.self, bytes)
      var reserved = try reader.little(UInt32.self, bytes)
      nonceAddress = try reader.little(UInt64.self, bytes)
      let nonceSize = try reader.little(UInt16.self, bytes)
      reserved |= UInt32(try reader.little(UInt16.self, bytes))
      reserved |= try reader.little(UInt32.self, bytes)
      let manifestAddress = try reader.little(UInt64.self, bytes)
      let manifestSize = try reader.little(UInt32.self, bytes)
      reserved |= try reader.little(UInt32.self, bytes)
      let certificateAddress = try reader.little(UInt64.self, bytes)
      let certificateSize = try reader.little(UInt32.self, bytes)
      reserved |= try reader.little(UInt32.self, bytes)
      var version: UInt32 = 0
      if isSingle {
        let low = try reader.little(UInt64.self, bytes)
        let high = try reader.little(UInt64.self, bytes)
        service = ServiceID(low: low, high: high)
        version = try reader.little(UInt32.self, bytes)
        reserved |= try reader.little(UInt32.self, bytes)
      } else {
        service = nil
      }
      report = Buffer(address: reportAddress, byteCount: reportSize)
      manifest = Buffer(address: manifestAddress, byteCount: manifestSize)
      certificates = Buffer(address: certificateAddress, byteCount: certificateSize)
      guard reserved == 0, version == 0, nonceSize == Self.nonceByteCount else {
        throw .outOfBounds
      }
    } catch {
      throw .invalidParameter
    }
    guard report.address & 0xFFF == 0, manifest.address & 0xFFF == 0,
      certificates.byteCount == 0 || certificates.address & 0xFFF == 0,
      certificates.byteCount <= Self.maximumCertificateByteCount,
      nonceAddress & 0xFFF <= 4096 - UInt64(Self.nonceByteCount)
    else { throw .invalidParameter }
  }
}
