// NAEEvent: the non-automatic exit events that a guest reports in a GHCB page.

/// A value of SW_EXITCODE.
///
/// Source: AMD 56421 (reference snp-svsm.md B.5.1).
public struct NAEEvent: RawRepresentable, Hashable, Sendable {
  /// The 64-bit code.
  public let rawValue: UInt64

  /// The event `rawValue`, known or not.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// DR7 read.
  public static let dr7Read = NAEEvent(rawValue: 0x27)
  /// DR7 write.
  public static let dr7Write = NAEEvent(rawValue: 0x37)
  /// RDTSC.
  public static let rdtsc = NAEEvent(rawValue: 0x6E)
  /// RDPMC.
  public static let rdpmc = NAEEvent(rawValue: 0x6F)
  /// CPUID.
  public static let cpuid = NAEEvent(rawValue: 0x72)
  /// INVD.
  public static let invd = NAEEvent(rawValue: 0x76)
  /// Port access.
  public static let io = NAEEvent(rawValue: 0x7B)
  /// MSR access.
  public static let msr = NAEEvent(rawValue: 0x7C)
  /// VMMCALL.
  public static let vmmcall = NAEEvent(rawValue: 0x81)
  /// RDTSCP.
  public static let rdtscp = NAEEvent(rawValue: 0x87)
  /// WBINVD.
  public static let wbinvd = NAEEvent(rawValue: 0x89)
  /// MONITOR.
  public static let monitor = NAEEvent(rawValue: 0x8A)
  /// MWAIT.
  public static let mwait = NAEEvent(rawValue: 0x8B)
  /// MMIO read.
  public static let mmioRead = NAEEvent(rawValue: 0x8000_0001)
  /// MMIO write.
  public static let mmioWrite = NAEEvent(rawValue: 0x8000_0002)
  /// NMI complete.
  public static let nmiComplete = NAEEvent(rawValue: 0x8000_0003)
  /// AP reset hold.
  public static let apResetHold = NAEEvent(rawValue: 0x8000_0004)
  /// AP jump table.
  public static let apJumpTable = NAEEvent(rawValue: 0x8000_0005)
  /// Page-state change.
  public static let pageStateChange = NAEEvent(rawValue: 0x8000_0010)
  /// Guest request.
  public static let guestRequest = NAEEvent(rawValue: 0x8000_0011)
  /// Extended guest request.
  public static let extendedGuestRequest = NAEEvent(rawValue: 0x8000_0012)
  /// AP creation.
  public static let apCreation = NAEEvent(rawValue: 0x8000_0013)
  /// #HV doorbell page.
  public static let doorbell = NAEEvent(rawValue: 0x8000_0014)
  /// #HV IPI.
  public static let hvIPI = NAEEvent(rawValue: 0x8000_0015)
  /// #HV timer.
  public static let hvTimer = NAEEvent(rawValue: 0x8000_0016)
  /// APIC-ID list.
  public static let apicIDList = NAEEvent(rawValue: 0x8000_0017)
  /// Run VMPL.
  public static let runVMPL = NAEEvent(rawValue: 0x8000_0018)
  /// Configure interrupt injection (COCONUT only).
  public static let configureInjection = NAEEvent(rawValue: 0x8000_001B)
  /// Disable alternate injection (COCONUT only).
  public static let disableAlternateInjection = NAEEvent(rawValue: 0x8000_001C)
  /// Specific EOI (COCONUT only).
  public static let specificEOI = NAEEvent(rawValue: 0x8000_001D)
  /// Hypervisor features.
  public static let features = NAEEvent(rawValue: 0x8000_FFFD)
  /// Termination.
  public static let terminate = NAEEvent(rawValue: 0x8000_FFFE)
  /// Unsupported event report.
  public static let unsupported = NAEEvent(rawValue: 0x8000_FFFF)
}

/// SW_EXITINFO1 of NAE event AP creation.
///
/// Source: AMD 56421 (reference snp-svsm.md B.5.1).
public struct APCreation: RawRepresentable, Equatable, Sendable {
  /// The 64 bits.
  public let rawValue: UInt64

  /// The word `rawValue`, which nobody has checked yet.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// What to do with the vCPU: bits 15:0.
  public enum Operation: UInt16, Sendable {
    /// Use the VMSA from the next INIT on.
    case createOnINIT = 0
    /// Start with the VMSA.
    case create = 1
    /// Stop for good.
    case destroy = 2
  }

  /// A request for the vCPU with `apicID` at `vmpl`.
  public init(_ operation: Operation, vmpl: VMPL, apicID: UInt32) {
    rawValue =
      UInt64(operation.rawValue) | UInt64(vmpl.rawValue & 15) << 16 | UInt64(apicID) << 32
  }

  /// The operation; nil if unknown.
  public var operation: Operation? { Operation(rawValue: UInt16(truncatingIfNeeded: rawValue)) }
  /// Bits 19:16.
  public var vmpl: VMPL { VMPL(rawValue: UInt8(truncatingIfNeeded: rawValue >> 16 & 15)) }
  /// Bits 31:20, which must be 0.
  public var reserved: UInt64 { rawValue >> 20 & 0xFFF }
  /// Bits 63:32.
  public var apicID: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) }
}
