// Termination: the reasons with which this kernel ends its VM, and the request itself.
import SNP
import Seams

/// Why the VM ends: a set and a code.
///
/// Source: AMD 56421 and Linux (reference snp-svsm.md B.4.1); where Linux has a code for the same reason, it is used.
public struct TerminationReason: Error, Equatable, Sendable {
  /// The reason set: 0 general, 1 Linux's.
  public let set: UInt8
  /// The code in the set.
  public let code: UInt8

  init(_ set: UInt8, _ code: UInt8) {
    self.set = set
    self.code = code
  }

  /// No better word; a kernel that has died.
  public static let general = Self(0, 0)
  /// The host does not speak version 2 of the GHCB protocol.
  public static let protocolVersion = Self(0, 1)
  /// A feature in SEV_STATUS is missing or unknown, or the host lacks a feature that is needed.
  public static let features = Self(0, 2)
  /// The host refused to register a GHCB.
  public static let registration = Self(1, 0)
  /// The host refused a page-state change, or answered it wrongly.
  public static let pageState = Self(1, 1)
  /// PVALIDATE failed, or found a page validated that nobody validated.
  public static let validation = Self(1, 2)
  /// The kernel does not run at VMPL0.
  public static let notVMPL0 = Self(1, 3)
  /// The CPUID page makes no sense.
  public static let cpuidTable = Self(1, 4)
  /// CPUID values that only the host has could not be had.
  public static let hostCPUID = Self(1, 5)
  /// The secrets page makes no sense.
  public static let secrets = Self(1, 6)

  /// SW_EXITINFO1 of NAE event 0x8000FFFE, and bits 23:12 of the GHCB MSR.
  public var packed: UInt64 { UInt64(set & 15) | UInt64(code) << 4 }
}

extension SNPHardware {
  /// Ends the VM by the GHCB MSR, which works without a GHCB page.
  ///
  /// A host that goes on regardless meets the same request again.
  public func terminate(_ reason: TerminationReason) -> Never {
    // Twice: the first may be answered by a host that lies, the CPU then parks for ever.
    for _ in 0..<2 { _ = exchange(GHCBMSR.terminate(set: reason.set, code: reason.code).rawValue) }
    park()
  }
}
