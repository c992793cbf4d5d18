// SVMExitCode: the exit codes of SVM that an SNP guest and its host see.

/// A VMEXIT code, which is also the error code of #VC.
///
/// Source: APM volume 2, appendix C and table 15-35 (reference snp-svsm.md B.3).
public struct SVMExitCode: RawRepresentable, Hashable, Sendable {
  /// The 64-bit code.
  public let rawValue: UInt64

  /// The code `rawValue`, known or not.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// DR7 read.
  public static let dr7Read = SVMExitCode(rawValue: 0x27)
  /// DR7 write.
  public static let dr7Write = SVMExitCode(rawValue: 0x37)
  /// #MC.
  public static let machineCheck = SVMExitCode(rawValue: 0x52)
  /// Physical interrupt.
  public static let interrupt = SVMExitCode(rawValue: 0x60)
  /// NMI.
  public static let nmi = SVMExitCode(rawValue: 0x61)
  /// Virtual interrupt window.
  public static let virtualInterrupt = SVMExitCode(rawValue: 0x64)
  /// RDTSC.
  public static let rdtsc = SVMExitCode(rawValue: 0x6E)
  /// RDPMC.
  public static let rdpmc = SVMExitCode(rawValue: 0x6F)
  /// CPUID.
  public static let cpuid = SVMExitCode(rawValue: 0x72)
  /// INVD.
  public static let invd = SVMExitCode(rawValue: 0x76)
  /// PAUSE.
  public static let pause = SVMExitCode(rawValue: 0x77)
  /// HLT.
  public static let hlt = SVMExitCode(rawValue: 0x78)
  /// Port access.
  public static let io = SVMExitCode(rawValue: 0x7B)
  /// RDMSR and WRMSR.
  public static let msr = SVMExitCode(rawValue: 0x7C)
  /// Shutdown.
  public static let shutdown = SVMExitCode(rawValue: 0x7F)
  /// VMMCALL.
  public static let vmmcall = SVMExitCode(rawValue: 0x81)
  /// RDTSCP.
  public static let rdtscp = SVMExitCode(rawValue: 0x87)
  /// WBINVD.
  public static let wbinvd = SVMExitCode(rawValue: 0x89)
  /// MONITOR.
  public static let monitor = SVMExitCode(rawValue: 0x8A)
  /// MWAIT.
  public static let mwait = SVMExitCode(rawValue: 0x8B)
  /// EFER write trap.
  public static let eferWriteTrap = SVMExitCode(rawValue: 0x8F)
  /// CR0 write trap; CRn is at + n, up to 0x9F.
  public static let crWriteTrap = SVMExitCode(rawValue: 0x90)
  /// Bus lock.
  public static let busLock = SVMExitCode(rawValue: 0xA5)
  /// Idle HLT.
  public static let idleHLT = SVMExitCode(rawValue: 0xA6)
  /// Nested page fault.
  public static let nestedPageFault = SVMExitCode(rawValue: 0x400)
  /// Incomplete Secure AVIC IPI.
  public static let avicIncompleteIPI = SVMExitCode(rawValue: 0x401)
  /// Unaccelerated Secure AVIC access.
  public static let avicUnaccelerated = SVMExitCode(rawValue: 0x402)
  /// VMGEXIT.
  public static let vmgexit = SVMExitCode(rawValue: 0x403)
  /// A private access to a page that is not validated; only as an error code of #VC.
  public static let pageNotValidated = SVMExitCode(rawValue: 0x404)
  /// VMRUN refused.
  public static let invalid = SVMExitCode(rawValue: .max)
  /// VMRUN of a VMSA that is running.
  public static let busy = SVMExitCode(rawValue: .max - 1)

  /// Whether the exit is automatic: the state is saved and no #VC is raised.
  ///
  /// A nested page fault is automatic unless it is an MMIO fault (reserved bit set).
  public func isAutomatic(nestedFault: NestedFaultCode = []) -> Bool {
    switch rawValue {
    case 0x52, 0x60...0x64, 0x77, 0x78, 0x7F, 0x8F...0x9F, 0xA5, 0xA6, 0x403: true
    case 0x400: !nestedFault.contains(.reserved)
    default: rawValue >= .max - 3
    }
  }
}
