// ModuleCalls: the calls to the TDX module itself, whose answers are trusted.
public import Seams
public import TDX
import X86

/// What TDG.VP.INFO says (reference tdx.md A.4 leaf 1).
public struct TDInformation: Equatable, Sendable {
  /// The width of guest-physical addresses, shared bit included: 48 or 52.
  public let addressWidth: UInt8
  /// ATTRIBUTES.
  public let attributes: UInt64
  /// NUM_VCPUS.
  public let vcpuCount: UInt32
  /// VCPU_INDEX of the caller.
  public let vcpuIndex: UInt32
  /// Whether TDG.SYS.RD exists.
  public let hasSystemRead: Bool

  /// The bit of a guest-physical address that makes it shared.
  public var sharedMask: UInt64 { 1 << UInt64(addressWidth &- 1) }
}

/// What a driver does about a completion status (reference A.2, decision rule).
public enum StatusClass: Equatable, Sendable {
  /// Done.
  case success
  /// Done, and the status says something more.
  case information
  /// The same call may succeed later.
  case retry
  /// Our mistake, or a state that the call cannot work on.
  case callerError
  /// Meant for the host; a guest that sees it has met a module it does not know.
  case notForGuests
}

extension TDXStatus {
  /// What to do about it.
  public var statusClass: StatusClass {
    if upper == 0 { return .success }
    switch rawValue >> 62 {
    case 0b00: return .information
    case 0b10: return .retry
    case 0b11: return .callerError
    default: return .notForGuests
    }
  }
}

/// The leaves of the module that the driver uses.
public struct ModuleCalls<Hardware: TDXHardware>: Sendable {
  private let hardware: Hardware

  /// How often a call is repeated that the module asks to repeat, with a pause between.
  public static var patience: Int { 100_000 }

  /// Calls by `hardware`.
  public init(_ hardware: Hardware) { self.hardware = hardware }

  private func call(
    _ leaf: TDGLeaf, rcx: UInt64 = 0, rdx: UInt64 = 0, r8: UInt64 = 0, r9: UInt64 = 0
  ) -> GeneralRegisters {
    var registers = GeneralRegisters()
    registers.rax = UInt64(leaf.rawValue)
    registers.rcx = rcx
    registers.rdx = rdx
    registers.r8 = r8
    registers.r9 = r9
    hardware.tdcall(&registers)
    return registers
  }

  // The same, repeated while the module asks for it; what it said last, once patience has run out.
  private func persist(
    _ leaf: TDGLeaf, rcx: UInt64 = 0, rdx: UInt64 = 0, r8: UInt64 = 0, r9: UInt64 = 0
  ) -> GeneralRegisters {
    var registers = call(leaf, rcx: rcx, rdx: rdx, r8: r8, r9: r9)
    var attempts = 1
    while TDXStatus(rawValue: registers.rax).statusClass == .retry, attempts < Self.patience {
      hardware.pause()
      registers = call(leaf, rcx: rcx, rdx: rdx, r8: r8, r9: r9)
      attempts &+= 1
    }
    return registers
  }

  /// TDG.VP.INFO; nil if there is no such leaf, which a TD always has.
  public func information() -> TDInformation? {
    let answer = call(.vpInfo)
    guard answer.rax == 0 else { return nil }
    return TDInformation(
      addressWidth: UInt8(truncatingIfNeeded: answer.rcx & 0x3F), attributes: answer.rdx,
      vcpuCount: UInt32(truncatingIfNeeded: answer.r8), vcpuIndex: UInt32(truncatingIfNeeded: answer.r9),
      hasSystemRead: answer.r10 & 1 == 1)
  }

  /// TDG.VP.VEINFO.GET: what the #VE is about; nil if there is nothing to tell.
  ///
  /// Lets the next #VE come.
  public func virtualizationInformation() -> VEInfo? {
    let answer = call(.veInfoGet)
    guard answer.rax == 0 else { return nil }
    return VEInfo(
      exitReason: UInt32(truncatingIfNeeded: answer.rcx), qualification: answer.rdx, linearAddress: answer.r8,
      guestAddress: answer.r9, instructionLength: UInt32(truncatingIfNeeded: answer.r10),
      instructionInformation: UInt32(truncatingIfNeeded: answer.r10 >> 32))
  }

  /// TDG.VM.RD.
  public func readTD(_ field: FieldID) -> (status: TDXStatus, value: UInt64) {
    let answer = persist(.vmRead, rdx: field.rawValue)
    return (TDXStatus(rawValue: answer.rax), answer.r8)
  }

  /// TDG.VM.WR of the bits in `mask`.
  public func writeTD(_ field: FieldID, _ value: UInt64, mask: UInt64) -> TDXStatus {
    TDXStatus(rawValue: persist(.vmWrite, rdx: field.rawValue, r8: value, r9: mask).rax)
  }

  /// TDG.VP.RD.
  public func readVP(_ field: FieldID) -> (status: TDXStatus, value: UInt64) {
    let answer = persist(.vpRead, rdx: field.rawValue)
    return (TDXStatus(rawValue: answer.rax), answer.r8)
  }

  /// TDG.VP.WR of the bits in `mask`.
  public func writeVP(_ field: FieldID, _ value: UInt64, mask: UInt64) -> TDXStatus {
    TDXStatus(rawValue: persist(.vpWrite, rdx: field.rawValue, r8: value, r9: mask).rax)
  }

  /// TDG.SYS.RD.
  public func readSystem(_ field: FieldID) -> (status: TDXStatus, value: UInt64) {
    let answer = persist(.sysRead, rdx: field.rawValue)
    return (TDXStatus(rawValue: answer.rax), answer.r8)
  }

  /// TDG.MR.REPORT: writes a report to the 1024 bytes at `report`, over the 64 at `data`; both aligned to their size.
  func report(to report: PhysicalAddress, over data: PhysicalAddress) -> TDXStatus {
    TDXStatus(rawValue: persist(.mrReport, rcx: report.rawValue, rdx: data.rawValue).rax)
  }

  /// TDG.MEM.PAGE.ACCEPT.
  public func accept(_ page: PageOperand) -> TDXStatus {
    TDXStatus(rawValue: persist(.pageAccept, rcx: page.rawValue).rax)
  }

  /// TDG.MEM.PAGE.ATTR.WR: gives L2 `vm` these attributes of the page, and no other VM anything.
  ///
  /// Flushes nothing (bit 15 of the mask is left 0): who takes rights away flushes all vCPUs.
  public func writeAttributes(_ page: PageOperand, vm: UInt8, _ attributes: GPAAttributes) -> TDXStatus {
    let answer = persist(
      .pageAttrWrite, rcx: page.rawValue, rdx: attributes.union(.valid).packed(lane: Int(vm)),
      r8: GPAAttributes.full.packed(lane: Int(vm)))
    return TDXStatus(rawValue: answer.rax)
  }
}
