// HostCalls: the calls to the untrusted host (TDG.VP.VMCALL), each with its operands and what may be believed of the answer.
public import Seams
public import TDX

/// Why a host call brought nothing.
public enum HostCallError: Error, Equatable, Sendable {
  /// The module refused the call itself: a mistake of ours.
  case module(TDXStatus)
  /// The host said no, or something that is not in the book.
  case host(TDVMCALLStatus)
}

/// The host calls of the guest-host communication interface (reference tdx.md C).
///
/// Every answer is the host's word: a caller uses it as data that anybody may have made up. Only R10 to R15 go out and
/// come back; what a call does not define as a result is dropped here, so that no caller can come to use it.
public struct HostCalls<Hardware: TDXHardware>: Sendable {
  private let hardware: Hardware

  /// Calls by `hardware`.
  public init(_ hardware: Hardware) { self.hardware = hardware }

  // The registers R11 to R15 of an answer; the call went through and R10 said so.
  private struct Answer {
    var status: TDVMCALLStatus
    var r11: UInt64
    var r12: UInt64
    var r13: UInt64
    var r14: UInt64
    var r15: UInt64
  }

  private func ask(
    _ function: TDVMCALLFunction, _ r12: UInt64 = 0, _ r13: UInt64 = 0, _ r14: UInt64 = 0, _ r15: UInt64 = 0,
    lettingInterruptsIn: Bool = false
  ) throws(HostCallError) -> Answer {
    var registers = GeneralRegisters()
    registers.rax = UInt64(TDGLeaf.vpVMCALL.rawValue)
    registers.rcx = TDVMCALLMask.r10ToR15.rawValue
    registers.r11 = function.rawValue
    registers.r12 = r12
    registers.r13 = r13
    registers.r14 = r14
    registers.r15 = r15
    if lettingInterruptsIn {
      hardware.enableInterruptsAndTDCall(&registers)
    } else {
      hardware.tdcall(&registers)
    }
    guard registers.rax == 0 else { throw .module(TDXStatus(rawValue: registers.rax)) }
    return Answer(
      status: TDVMCALLStatus(rawValue: registers.r10), r11: registers.r11, r12: registers.r12,
      r13: registers.r13, r14: registers.r14, r15: registers.r15)
  }

  private func demand(
    _ function: TDVMCALLFunction, _ r12: UInt64 = 0, _ r13: UInt64 = 0, _ r14: UInt64 = 0, _ r15: UInt64 = 0
  ) throws(HostCallError) -> Answer {
    let answer = try ask(function, r12, r13, r14, r15)
    guard answer.status == .success else { throw .host(answer.status) }
    return answer
  }

  /// Reads `byteCount` (1, 2 or 4) bytes from `port`.
  public func portRead(_ port: UInt16, byteCount: UInt8) throws(HostCallError) -> UInt32 {
    let value = try demand(.io, UInt64(byteCount), 0, UInt64(port)).r11
    return UInt32(truncatingIfNeeded: value) & Self.mask(byteCount)
  }

  /// Writes the low `byteCount` (1, 2 or 4) bytes of `value` to `port`.
  public func portWrite(_ port: UInt16, byteCount: UInt8, _ value: UInt32) throws(HostCallError) {
    _ = try demand(.io, UInt64(byteCount), 1, UInt64(port), UInt64(value & Self.mask(byteCount)))
  }

  private static func mask(_ byteCount: UInt8) -> UInt32 {
    byteCount >= 4 ? .max : (1 << (8 &* UInt32(byteCount))) &- 1
  }

  /// Reads an MSR that the host emulates.
  public func readMSR(_ number: UInt32) throws(HostCallError) -> UInt64 {
    try demand(.rdmsr, UInt64(number)).r11
  }

  /// Writes an MSR that the host emulates.
  public func writeMSR(_ number: UInt32, _ value: UInt64) throws(HostCallError) {
    _ = try demand(.wrmsr, UInt64(number), value)
  }

  /// What the host says CPUID is; never to be believed outside the hypervisor's own leaves.
  public func cpuid(
    _ leaf: UInt32, _ subleaf: UInt32
  ) throws(HostCallError) -> (eax: UInt32, ebx: UInt32, ecx: UInt32, edx: UInt32) {
    let answer = try demand(.cpuid, UInt64(leaf), UInt64(subleaf))
    return (
      UInt32(truncatingIfNeeded: answer.r12), UInt32(truncatingIfNeeded: answer.r13),
      UInt32(truncatingIfNeeded: answer.r14), UInt32(truncatingIfNeeded: answer.r15)
    )
  }

  /// Lets interrupts in and halts until one comes; the host may return at once, or for no reason.
  ///
  /// STI and the call are one (reference C.4), and R12 = 0 says that interrupts are open, so that one that came before
  /// ends the halt.
  public func haltOpen() throws(HostCallError) {
    let answer = try ask(.hlt, 0, lettingInterruptsIn: true)
    guard answer.status == .success else { throw .host(answer.status) }
  }

  /// Halts with interrupts as they are; `isBlocked` says that they are off.
  public func halt(isBlocked: Bool) throws(HostCallError) { _ = try demand(.hlt, isBlocked ? 1 : 0) }

  /// Reads `byteCount` (1, 2, 4 or 8) bytes of the host's device at the shared address `address`.
  public func mmioRead(_ address: UInt64, byteCount: UInt8) throws(HostCallError) -> UInt64 {
    let value = try demand(.mmio, UInt64(byteCount), 0, address).r11
    return byteCount >= 8 ? value : value & ((1 << (8 &* UInt64(byteCount))) &- 1)
  }

  /// Writes `byteCount` (1, 2, 4 or 8) bytes to the host's device at the shared address `address`.
  public func mmioWrite(_ address: UInt64, byteCount: UInt8, _ value: UInt64) throws(HostCallError) {
    _ = try demand(.mmio, UInt64(byteCount), 1, address, value)
  }

  /// WBINVD, by the host.
  public func writeBackCaches() throws(HostCallError) { _ = try demand(.wbinvd, 0) }

  /// Asks for `byteCount` bytes from `start` (with the shared bit as wanted) to become what the bit says.
  ///
  /// The answer's status and, unless it is success, the address that the host names.
  func mapGPA(_ start: UInt64, _ byteCount: UInt64) throws(HostCallError) -> (TDVMCALLStatus, UInt64) {
    let answer = try ask(.mapGPA, start, byteCount)
    return (answer.status, answer.status == .success ? 0 : answer.r11)
  }

  /// Tells the host that the TD gives up, by a number alone: no text, and so no secret, leaves.
  ///
  /// A host may return all the same; the caller then stops by itself.
  public func reportFatalError(code: UInt32) {
    _ = try? ask(.reportFatalError, UInt64(code & 0x7FFF_FFFF))
  }
}
