// ControlRegisters: bits of CR0, CR4 and EFER, and the numbers of the MSRs we use.

/// CR0 bits (SDM 3A, 2.5).
public enum CR0 {
  /// Protection enable.
  public static var protectionEnable: UInt64 { 1 << 0 }
  /// Extension type, always 1.
  public static var extensionType: UInt64 { 1 << 4 }
  /// Numeric error.
  public static var numericError: UInt64 { 1 << 5 }
  /// Supervisor stores honour read-only pages.
  public static var writeProtect: UInt64 { 1 << 16 }
  /// Not write-through; must be clear when caches are on.
  public static var notWriteThrough: UInt64 { 1 << 29 }
  /// Cache disable.
  public static var cacheDisable: UInt64 { 1 << 30 }
  /// Paging.
  public static var paging: UInt64 { 1 << 31 }
}

/// CR4 bits (SDM 3A, 2.5).
public enum CR4 {
  /// Physical address extension.
  public static var physicalAddressExtension: UInt64 { 1 << 5 }
  /// Machine-check enable.
  public static var machineCheck: UInt64 { 1 << 6 }
  /// Global pages.
  public static var globalPages: UInt64 { 1 << 7 }
  /// User-mode instruction prevention.
  public static var umip: UInt64 { 1 << 11 }
  /// Supervisor-mode execution prevention.
  public static var smep: UInt64 { 1 << 20 }
  /// Supervisor-mode access prevention.
  public static var smap: UInt64 { 1 << 21 }
}

/// EFER bits (APM 2, 3.1.7).
public enum EFER {
  /// Long mode enable.
  public static var longModeEnable: UInt64 { 1 << 8 }
  /// Long mode active.
  public static var longModeActive: UInt64 { 1 << 10 }
  /// No-execute enable.
  public static var noExecuteEnable: UInt64 { 1 << 11 }
}

/// Model-specific registers by number.
public struct MSR: Equatable, Sendable, RawRepresentable {
  /// The value ECX takes.
  public let rawValue: UInt32
  /// Register `rawValue`.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// IA32_APIC_BASE (SDM 3A, 10.4.4).
  public static var apicBase: Self { Self(rawValue: 0x1B) }
  /// IA32_TSC_DEADLINE (SDM 3A, 10.5.4.1).
  public static var tscDeadline: Self { Self(rawValue: 0x6E0) }
  /// The first x2APIC register (SDM 3A, 10.12.1.2): 0x800 + xAPIC offset / 16.
  public static var x2apicFirst: Self { Self(rawValue: 0x800) }
  /// EFER.
  public static var efer: Self { Self(rawValue: 0xC000_0080) }
  /// GS base, which points to the per-CPU block.
  public static var gsBase: Self { Self(rawValue: 0xC000_0101) }
}

/// Interrupt and exception vectors.
public enum Vector {
  /// #DE, divide error.
  public static var divideError: UInt8 { 0 }
  /// NMI.
  public static var nonMaskable: UInt8 { 2 }
  /// #UD, which Swift's traps (`ud2`) raise.
  public static var invalidOpcode: UInt8 { 6 }
  /// #DF, double fault.
  public static var doubleFault: UInt8 { 8 }
  /// #GP, general protection.
  public static var generalProtection: UInt8 { 13 }
  /// #PF, page fault.
  public static var pageFault: UInt8 { 14 }
  /// #MC, machine check.
  public static var machineCheck: UInt8 { 18 }
  /// #HV, hypervisor injection (APM 2, 15.36.16).
  public static var hypervisorInjection: UInt8 { 28 }
  /// #VC, VMM communication (APM 2, 15.35).
  public static var vmmCommunication: UInt8 { 29 }
  /// The first vector that is not an exception.
  public static var firstInterrupt: UInt8 { 32 }
  /// The local APIC's timer.
  public static var timer: UInt8 { 0x40 }
  /// A kick from another CPU: look into the inbox.
  public static var kick: UInt8 { 0x41 }
  /// The first of 16 vectors for devices.
  public static var firstDevice: UInt8 { 0x50 }
  /// The local APIC's error interrupt.
  public static var apicError: UInt8 { 0xFE }
  /// The local APIC's spurious interrupt, which takes no end-of-interrupt.
  public static var spurious: UInt8 { 0xFF }
}
