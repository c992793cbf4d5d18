// VMXExitReason: the basic exit reasons that TDX reports.

/// A VMX basic exit reason (SDM volume 3, appendix C).
public struct VMXExitReason: RawRepresentable, Hashable, Sendable {
  /// Bits 15:0 of the exit reason, plus bit 31 for an entry failure.
  public let rawValue: UInt32

  /// The reason `rawValue`, known or not.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Exception or NMI.
  public static let exceptionOrNMI = VMXExitReason(rawValue: 0)
  /// External interrupt.
  public static let externalInterrupt = VMXExitReason(rawValue: 1)
  /// Triple fault.
  public static let tripleFault = VMXExitReason(rawValue: 2)
  /// INIT.
  public static let initSignal = VMXExitReason(rawValue: 3)
  /// SMI.
  public static let smi = VMXExitReason(rawValue: 6)
  /// Interrupt window.
  public static let interruptWindow = VMXExitReason(rawValue: 7)
  /// NMI window.
  public static let nmiWindow = VMXExitReason(rawValue: 8)
  /// Task switch.
  public static let taskSwitch = VMXExitReason(rawValue: 9)
  /// CPUID.
  public static let cpuid = VMXExitReason(rawValue: 10)
  /// HLT.
  public static let hlt = VMXExitReason(rawValue: 12)
  /// INVD.
  public static let invd = VMXExitReason(rawValue: 13)
  /// RDPMC.
  public static let rdpmc = VMXExitReason(rawValue: 15)
  /// VMCALL.
  public static let vmcall = VMXExitReason(rawValue: 18)
  /// Control-register access.
  public static let crAccess = VMXExitReason(rawValue: 28)
  /// Port access.
  public static let io = VMXExitReason(rawValue: 30)
  /// RDMSR.
  public static let rdmsr = VMXExitReason(rawValue: 31)
  /// WRMSR.
  public static let wrmsr = VMXExitReason(rawValue: 32)
  /// Guest state refused at entry, with bit 31.
  public static let entryFailureGuestState = VMXExitReason(rawValue: 0x8000_0021)
  /// MWAIT.
  public static let mwait = VMXExitReason(rawValue: 36)
  /// MONITOR.
  public static let monitor = VMXExitReason(rawValue: 39)
  /// PAUSE.
  public static let pause = VMXExitReason(rawValue: 40)
  /// Virtualized EOI.
  public static let virtualizedEOI = VMXExitReason(rawValue: 45)
  /// EPT violation.
  public static let eptViolation = VMXExitReason(rawValue: 48)
  /// EPT misconfiguration.
  public static let eptMisconfiguration = VMXExitReason(rawValue: 49)
  /// Preemption timer.
  public static let preemptionTimer = VMXExitReason(rawValue: 52)
  /// WBINVD or WBNOINVD.
  public static let wbinvd = VMXExitReason(rawValue: 54)
  /// XSETBV.
  public static let xsetbv = VMXExitReason(rawValue: 55)
  /// APIC write.
  public static let apicWrite = VMXExitReason(rawValue: 56)
  /// PCONFIG.
  public static let pconfig = VMXExitReason(rawValue: 65)
  /// Bus lock.
  public static let busLock = VMXExitReason(rawValue: 74)
  /// Notification.
  public static let notification = VMXExitReason(rawValue: 75)
  /// TDCALL.
  public static let tdcall = VMXExitReason(rawValue: 77)
}
