// GHCBMSR: the protocol spoken through the GHCB MSR when there is no GHCB page.

import Bits

/// A value of the GHCB MSR: a code in bits 11:0, its operands above.
///
/// Source: AMD 56421 (reference snp-svsm.md B.4). A code of 0 is the address of a GHCB page.
public struct GHCBMSR: RawRepresentable, Equatable, Sendable {
  /// The value of C001_0130.
  public let rawValue: UInt64

  /// The value `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Bits 11:0.
  public struct Code: RawRepresentable, Hashable, Sendable {
    /// The twelve bits.
    public let rawValue: UInt16

    /// The code `rawValue`, known or not.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// The value is the address of a GHCB page.
    public static let page = Code(rawValue: 0x000)
    /// SEV information, the answer and reset value.
    public static let info = Code(rawValue: 0x001)
    /// SEV information request.
    public static let infoRequest = Code(rawValue: 0x002)
    /// CPUID request.
    public static let cpuidRequest = Code(rawValue: 0x004)
    /// CPUID answer.
    public static let cpuidResponse = Code(rawValue: 0x005)
    /// AP reset hold request.
    public static let apResetHoldRequest = Code(rawValue: 0x006)
    /// AP reset hold answer.
    public static let apResetHoldResponse = Code(rawValue: 0x007)
    /// Preferred GHCB address request.
    public static let preferredRequest = Code(rawValue: 0x010)
    /// Preferred GHCB address answer.
    public static let preferredResponse = Code(rawValue: 0x011)
    /// GHCB registration request.
    public static let registerRequest = Code(rawValue: 0x012)
    /// GHCB registration answer.
    public static let registerResponse = Code(rawValue: 0x013)
    /// Page-state change request.
    public static let pageStateRequest = Code(rawValue: 0x014)
    /// Page-state change answer.
    public static let pageStateResponse = Code(rawValue: 0x015)
    /// Run VMPL request.
    public static let runVMPLRequest = Code(rawValue: 0x016)
    /// Run VMPL answer.
    public static let runVMPLResponse = Code(rawValue: 0x017)
    /// Hypervisor features request.
    public static let featuresRequest = Code(rawValue: 0x080)
    /// Hypervisor features answer.
    public static let featuresResponse = Code(rawValue: 0x081)
    /// Termination.
    public static let termination = Code(rawValue: 0x100)
  }

  /// The code in bits 11:0.
  public var code: Code { Code(rawValue: UInt16(truncatingIfNeeded: rawValue & 0xFFF)) }
  /// Bits 63:12.
  public var operand: UInt64 { rawValue >> 12 }
  /// Bits 63:32.
  public var upper: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) }

  /// `code` with `operand` in bits 63:12.
  public init(_ code: Code, operand: UInt64 = 0) {
    rawValue = operand << 12 | UInt64(code.rawValue & 0xFFF)
  }
  /// `code` with `upper` in bits 63:32.
  public init(_ code: Code, upper: UInt32) {
    rawValue = UInt64(upper) << 32 | UInt64(code.rawValue & 0xFFF)
  }

  /// The SEV information answer: versions and the number of the C-bit.
  public static func info(maximum: UInt16, minimum: UInt16, cBit: UInt8) -> GHCBMSR {
    GHCBMSR(
      rawValue: UInt64(maximum) << 48 | UInt64(minimum) << 32 | UInt64(cBit) << 24
        | UInt64(Code.info.rawValue))
  }
  /// A CPUID request for register 0 EAX, 1 EBX, 2 ECX, 3 EDX of `function`.
  public static func cpuid(function: UInt32, register: UInt8) -> GHCBMSR {
    GHCBMSR(
      rawValue: UInt64(function) << 32 | UInt64(register & 3) << 30
        | UInt64(Code.cpuidRequest.rawValue))
  }
  /// The register number of a CPUID request.
  public var cpuidRegister: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 30 & 3) }

  /// A page-state change request for guest page `page`: operation 1 private, 2 shared.
  public static func pageState(page: UInt64, operation: PageStateOperation) -> GHCBMSR {
    GHCBMSR(.pageStateRequest, operand: page & 0xFF_FFFF_FFFF | UInt64(operation.rawValue) << 40)
  }
  /// The guest page number of a page-state change request, bits 51:12.
  public var statePage: UInt64 { operand & 0xFF_FFFF_FFFF }
  /// The operation of a page-state change request, bits 55:52.
  public var stateOperation: PageStateOperation {
    PageStateOperation(rawValue: UInt8(truncatingIfNeeded: rawValue >> 52 & 15))
  }

  /// A request to run `vmpl`, bits 39:32.
  public static func runVMPL(_ vmpl: VMPL) -> GHCBMSR {
    GHCBMSR(.runVMPLRequest, upper: UInt32(vmpl.rawValue))
  }
  /// The level of a run VMPL request.
  public var vmpl: VMPL { VMPL(rawValue: UInt8(truncatingIfNeeded: rawValue >> 32)) }

  /// A termination with reason set (4 bits) and code (8 bits).
  public static func terminate(set: UInt8, code: UInt8) -> GHCBMSR {
    GHCBMSR(.termination, operand: UInt64(set & 15) | UInt64(code) << 4)
  }
  /// The reason set of a termination.
  public var terminationSet: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 12 & 15) }
  /// The reason code of a termination.
  public var terminationCode: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 16) }
}

/// What a page-state change asks for.
public struct PageStateOperation: RawRepresentable, Hashable, Sendable {
  /// Four bits.
  public let rawValue: UInt8

  /// The operation `rawValue`, known or not.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Make the page private.
  public static let makePrivate = PageStateOperation(rawValue: 1)
  /// Make the page shared.
  public static let makeShared = PageStateOperation(rawValue: 2)
  /// Split a 2 MiB RMP entry.
  public static let smash = PageStateOperation(rawValue: 3)
  /// Join 4 KiB RMP entries.
  public static let unsmash = PageStateOperation(rawValue: 4)
}
