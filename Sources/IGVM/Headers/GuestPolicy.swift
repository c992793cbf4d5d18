// GuestPolicy: header 0x101, the policy that the platform enforces.
import Bits

/// GUEST_POLICY, 16 bytes (reference §6).
///
/// Not part of any launch digest.
public struct GuestPolicy: Equatable, Sendable {
  /// The policy word; its bits depend on the platform.
  public var policy: UInt64
  /// The platforms it is for.
  public var mask: PlatformMask
  /// Zero.
  public var reserved: UInt32

  /// SNP: bits 16 (SMT allowed) and 17 (always one).
  public static let snpDefault: UInt64 = 0x3_0000
  /// SNP: the bit that must be one.
  public static let snpMandatory: UInt64 = 1 << 17
  /// SNP: DEBUG, the host may decrypt the guest.
  public static let snpDebug: UInt64 = 1 << 19
  /// TDX: the host may debug the guest.
  public static let tdxDebug: UInt64 = 1 << 0
  /// TDX: an access to a page not accepted stops the TD instead of raising #VE.
  public static let tdxSEPTVEDisable: UInt64 = 1 << 1

  /// A policy header.
  public init(policy: UInt64, mask: PlatformMask) {
    self.policy = policy
    self.mask = mask
    reserved = 0
  }

  init(_ reader: inout ByteReader, _ file: borrowing Span<UInt8>) throws(ByteError) {
    policy = try reader.little(UInt64.self, file)
    mask = .init(try reader.little(UInt32.self, file))
    reserved = try reader.little(UInt32.self, file)
  }

  func encode(_ out: inout WireEncoder) {
    out.append(policy)
    out.append(mask.rawValue)
    out.append(reserved)
  }
}
