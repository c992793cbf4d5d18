// TDXStatus: the completion status that the TDX module leaves in RAX.

import Bits

/// A completion status: bits 63:32 say what happened, bits 31:0 where.
///
/// Source: TDX module 1.5.01 `tdx_error_codes_defs.h` (reference tdx.md A.2).
public struct TDXStatus: RawRepresentable, Hashable, Sendable {
  /// The value of RAX.
  public let rawValue: UInt64

  /// The status `rawValue`, known or not.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The status with these upper and lower halves.
  public init(_ upper: UInt32, detail: UInt32 = 0) {
    rawValue = UInt64(upper) << 32 | UInt64(detail)
  }

  /// Bits 63:32.
  public var upper: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) }
  /// Bits 31:0: operand id, SEPT level, exit reason.
  public var detail: UInt32 { UInt32(truncatingIfNeeded: rawValue) }
  /// Bit 63: the call failed.
  public var isError: Bool { rawValue.bit(63) }
  /// Bits 63:62 = 10b: the same call may be tried again (reference A.2, decision rule).
  public var isRecoverable: Bool { rawValue >> 62 == 0b10 }
  /// Bits 63:62 = 11b: the caller's mistake.
  public var isCallerError: Bool { rawValue >> 62 == 0b11 }

  /// The same status with operand `id` in the lower half.
  public func with(_ id: OperandID) -> TDXStatus { TDXStatus(upper, detail: id.rawValue) }
  /// The same status with `detail` in the lower half.
  public func with(detail: UInt32) -> TDXStatus { TDXStatus(upper, detail: detail) }

  /// Done.
  public static let success = TDXStatus(rawValue: 0)
  /// The vCPU cannot be entered again (to the host only).
  public static let nonRecoverableVCPU = TDXStatus(0x4000_0001)
  /// The TD cannot be entered again (to the host only).
  public static let nonRecoverableTD = TDXStatus(0x6000_0002)
  /// The TD is dead after a machine check (to the host only).
  public static let nonRecoverableTDNonAccessible = TDXStatus(0x6000_0005)
  /// Interrupted; call again with the same operands to go on.
  public static let interruptedResumable = TDXStatus(0x8000_0003)
  /// Interrupted; call again from the start.
  public static let interruptedRestartable = TDXStatus(0x8000_0004)
  /// An operand is wrong; the lower half says which.
  public static let operandInvalid = TDXStatus(0xC000_0100)
  /// An address lies outside its range.
  public static let operandAddressRange = TDXStatus(0xC000_0101)
  /// Somebody else holds what the operand names.
  public static let operandBusy = TDXStatus(0x8000_0200)
  /// The host kept a lock too long (to the host only).
  public static let hostPriorityBusyTimeout = TDXStatus(0x9000_0205)
  /// Only for TDs with DEBUG.
  public static let tdNonDebug = TDXStatus(0xC000_0605)
  /// VEINFO.GET found nothing.
  public static let noValidVEInfo = TDXStatus(0xC000_0704)
  /// An L2 VMCS field was never written.
  public static let vmcsFieldNotInitialized = TDXStatus(0xC000_0730)
  /// A linear address is not canonical.
  public static let glaNotCanonical = TDXStatus(0xC000_1160)
  /// The secure EPT has no entry to act on.
  public static let eptWalkFailed = TDXStatus(0xC000_0B00)
  /// The page was accepted before; the lower half is the level found.
  public static let pageAlreadyAccepted = TDXStatus(0x0000_0B0A)
  /// The page is mapped at another level; the lower half is the level asked for.
  public static let pageSizeMismatch = TDXStatus(0xC000_0B0B)
  /// The secure EPT entry is in a state that the call cannot use.
  public static let eptEntryStateIncorrect = TDXStatus(0xC000_0B0D)
  /// The L2 secure EPT lacks a table; the lower half is VM << 16 | level.
  public static let l2SEPTWalkFailed = TDXStatus(0xC000_0B0F)
  /// The attributes cannot be combined.
  public static let pageAttributesInvalid = TDXStatus(0xC000_0B11)
  /// No such metadata field.
  public static let fieldIDIncorrect = TDXStatus(0xC000_0C00)
  /// The metadata field cannot be written.
  public static let fieldNotWritable = TDXStatus(0xC000_0C01)
  /// The metadata field cannot be read.
  public static let fieldNotReadable = TDXStatus(0xC000_0C02)
  /// The metadata field cannot have this value.
  public static let fieldValueNotValid = TDXStatus(0xC000_0C03)
  /// The null field id was given: RDX has the first readable one.
  public static let firstFieldIDInContext = TDXStatus(0x0000_0C0B)
  /// No service TD is bound to this handle.
  public static let servtdNotBound = TDXStatus(0xC000_0D05)
  /// The report's CPUSVN is not this platform's.
  public static let invalidCPUSVN = TDXStatus(0xC000_1000)
  /// The report's MAC is wrong.
  public static let invalidReportMACStruct = TDXStatus(0xC000_1001)
  /// The host came back from an exit out of L2 and asked for L1.
  public static let l2ExitHostRoutedAsync = TDXStatus(0x0000_1100)
  /// The host came back from an L2's TDVMCALL and asked for L1.
  public static let l2ExitHostRoutedTDVMCALL = TDXStatus(0x0000_1101)
  /// L2 was left because an interrupt for L1 arrived.
  public static let l2ExitPendingInterrupt = TDXStatus(0x0000_1102)
  /// L2 was not entered because an interrupt for L1 is pending.
  public static let pendingInterrupt = TDXStatus(0x0000_1120)
}
