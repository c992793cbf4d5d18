// TDHostCall: a TDVMCALL as an honest host decodes it.

import TDX

/// What a TDVMCALL asks of the host, with its operands checked.
///
/// Rule: tdx.md C.1, C.2. Everything here comes from an untrusting guest's point of view as well: the host
/// may answer anything.
public enum TDHostCall: Equatable, Sendable {
  /// GetTdVmCallInfo leaf 0 or 1.
  case getInfo(leaf: UInt64)
  /// MapGPA: `byteCount` bytes from `address`, shared or private.
  case mapGPA(address: UInt64, byteCount: UInt64, isShared: Bool)
  /// GetQuote: a shared buffer.
  case getQuote(address: UInt64, byteCount: UInt64)
  /// ReportFatalError with its code and the address of a text, if any.
  case fatalError(code: UInt64, text: UInt64?)
  /// SetupEventNotifyInterrupt.
  case notifyInterrupt(UInt8)
  /// CPUID.
  case cpuid(leaf: UInt32, subleaf: UInt32)
  /// HLT; `isBlocked` if RFLAGS.IF is 0.
  case hlt(isBlocked: Bool)
  /// A port read of 1, 2 or 4 bytes.
  case portRead(port: UInt16, byteCount: UInt8)
  /// A port write.
  case portWrite(port: UInt16, byteCount: UInt8, UInt32)
  /// RDMSR.
  case rdmsr(UInt32)
  /// WRMSR.
  case wrmsr(UInt32, UInt64)
  /// An MMIO read of 1, 2, 4 or 8 bytes.
  case mmioRead(address: UInt64, byteCount: UInt8)
  /// An MMIO write.
  case mmioWrite(address: UInt64, byteCount: UInt8, UInt64)
  /// WBINVD or WBNOINVD.
  case wbinvd
  /// A vendor's hypercall: R10 is not 0.
  case vendor(UInt64)

  /// Decodes the registers that the host sees; throws the status for R10.
  public init(
    _ registers: GeneralRegisters, _ configuration: TDConfiguration
  ) throws(TDHostCallRefusal) {
    guard registers.r10 == 0 else {
      self = .vendor(registers.r10)
      return
    }
    let invalid = TDHostCallRefusal.status(.invalidOperand)
    let (r12, r13, r14, r15) = (registers.r12, registers.r13, registers.r14, registers.r15)
    switch TDVMCALLFunction(rawValue: registers.r11) {
    case .getInfo:
      guard r12 <= 1 else { throw invalid }
      self = .getInfo(leaf: r12)
    case .mapGPA: self = try Self.mapGPA(r12, r13, configuration)
    case .getQuote:
      guard r12 & 0xFFF == 0, r13 & 0xFFF == 0, r13 > 0 else { throw .status(.alignmentError) }
      guard Self.isShared(r12, r13, configuration) else { throw invalid }
      self = .getQuote(address: r12, byteCount: r13)
    case .reportFatalError:
      self = .fatalError(code: r12 & 0x7FFF_FFFF_FFFF_FFFF, text: r12 >> 63 == 1 ? r13 : nil)
    case .setupEventNotifyInterrupt:
      guard let vector = UInt8(exactly: r12), vector >= 32 else { throw invalid }
      self = .notifyInterrupt(vector)
    case .cpuid:
      self = .cpuid(leaf: UInt32(truncatingIfNeeded: r12), subleaf: UInt32(truncatingIfNeeded: r13))
    case .hlt: self = .hlt(isBlocked: r12 & 1 == 1)
    case .io:
      guard r12 == 1 || r12 == 2 || r12 == 4, r13 <= 1, let port = UInt16(exactly: r14) else {
        throw invalid
      }
      let count = UInt8(truncatingIfNeeded: r12)
      self =
        r13 == 0
        ? .portRead(port: port, byteCount: count)
        : .portWrite(port: port, byteCount: count, UInt32(truncatingIfNeeded: r15))
    case .rdmsr: self = .rdmsr(UInt32(truncatingIfNeeded: r12))
    case .wrmsr: self = .wrmsr(UInt32(truncatingIfNeeded: r12), r13)
    case .mmio:
      guard r12 == 1 || r12 == 2 || r12 == 4 || r12 == 8, r13 <= 1,
        Self.isShared(r14, r12, configuration)
      else { throw invalid }
      let address = r14 & ~configuration.sharedMask
      let count = UInt8(truncatingIfNeeded: r12)
      self =
        r13 == 0
        ? .mmioRead(address: address, byteCount: count)
        : .mmioWrite(address: address, byteCount: count, r15)
    case .wbinvd:
      guard r12 <= 1 else { throw invalid }
      self = .wbinvd
    default: throw .status(.functionUnsupported)
    }
  }

  private static func mapGPA(
    _ start: UInt64, _ count: UInt64, _ configuration: TDConfiguration
  ) throws(TDHostCallRefusal) -> TDHostCall {
    guard start & 0xFFF == 0, count & 0xFFF == 0 else { throw .status(.alignmentError) }
    let isShared = start & configuration.sharedMask != 0
    let address = start & ~configuration.sharedMask
    let (end, isOverflow) = address.addingReportingOverflow(count)
    guard !isOverflow, count > 0, configuration.isValid(start), end <= configuration.sharedMask else {
      throw .status(.invalidOperand)
    }
    return .mapGPA(address: address, byteCount: count, isShared: isShared)
  }

  /// Whether all of a range lies in the shared half.
  private static func isShared(
    _ address: UInt64, _ count: UInt64, _ configuration: TDConfiguration
  ) -> Bool {
    let (last, isOverflow) = address.addingReportingOverflow(count &- 1)
    guard !isOverflow, count > 0, configuration.isValid(address), configuration.isValid(last) else {
      return false
    }
    return address & last & configuration.sharedMask != 0
  }
}

/// Why a host call is refused.
public enum TDHostCallRefusal: Error, Equatable, Sendable {
  /// The status for R10.
  case status(TDVMCALLStatus)
}
