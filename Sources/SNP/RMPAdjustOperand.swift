// RMPAdjustOperand: RDX of RMPADJUST, and of RMPQUERY's question and answer.

import Bits

/// The register that names a target VMPL, its permissions and the VMSA bit.
///
/// Source: APM volume 3, RMPADJUST (reference snp-svsm.md B.1.2).
public struct RMPAdjustOperand: RawRepresentable, Equatable, Sendable {
  /// The value of RDX.
  public var rawValue: UInt64

  /// The operand in `rawValue`, which nobody has checked yet.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The operand that gives `target` exactly `permissions` and sets or clears the VMSA bit.
  public init(target: VMPL, permissions: RMPPermissions, isVMSA: Bool = false) {
    rawValue =
      UInt64(target.rawValue) | UInt64(permissions.rawValue) << 8 | (isVMSA ? 1 << 16 : 0)
  }

  /// RDX[7:0], the level whose permissions are meant.
  public var target: VMPL { VMPL(rawValue: UInt8(truncatingIfNeeded: rawValue)) }

  /// RDX[15:8], the permissions that the level gets.
  public var permissions: RMPPermissions {
    RMPPermissions(rawValue: UInt8(truncatingIfNeeded: rawValue >> 8))
  }

  /// RDX[16], whether the page is to be a VMSA.
  public var isVMSA: Bool { rawValue.bit(16) }

  /// RDX[63:17], which has no meaning.
  public var reserved: UInt64 { rawValue >> 17 }
}
