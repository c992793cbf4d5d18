// TDReporter: reports of this TD over data of the kernel's (TDG.MR.REPORT), in a page of its own.
public import Seams
public import TDX
public import X86

/// Why there is no report.
public enum TDReportFailure: Error, Equatable, Sendable {
  /// The module kept asking to call again.
  case busy(TDXStatus)
  /// It refused: a mistake of ours, or a status that no guest should see.
  case refused(TDXStatus)
  /// It called the report done, and what lies there is none over this data.
  case malformed
}

/// TDG.MR.REPORT through one page: the report in its first 1024 bytes, the data behind it.
///
/// The page is the reporter's alone for as long as it lives, so the buffers stay until the module is done with them
/// (G.43). Not reentrant: one CPU uses it, and a report is made without waiting for anything.
///
/// Source: reference tdx.md A.4 leaf 4, D.7; private addresses only, as the versions of the module differ on others
/// (part I).
public struct TDReporter<Hardware: TDXHardware, Memory: PhysicalMemory & Sendable>: Sendable {
  private let calls: ModuleCalls<Hardware>
  private let memory: Memory
  private let report: PhysicalAddress
  private let data: PhysicalAddress

  /// Reports through `page`, which is private, accepted and within `memory`; nil if its address is no page below
  /// `sharedMask` or lies beyond `memory`.
  public init?(_ hardware: Hardware, page: PhysicalAddress, sharedMask: UInt64, _ memory: Memory) {
    let (end, overflow) = page.rawValue.addingReportingOverflow(Frame.bytes)
    guard !overflow, page.rawValue % Frame.bytes == 0, end <= sharedMask, end <= memory.limit.rawValue
    else { return nil }
    calls = ModuleCalls(hardware)
    self.memory = memory
    report = page
    data = page.advanced(by: UInt64(TDReport.byteCount))
  }

  /// A report over `value` as REPORTDATA: 1024 bytes.
  public func make(over value: InlineArray<64, UInt8>) throws(TDReportFailure) -> [UInt8] {
    // No earlier report can pass for this one.
    memory.zero(report, count: Frame.bytes)
    for index in value.indices { memory.store(value[index], at: data.advanced(by: UInt64(index))) }
    let status = calls.report(to: report, over: data)
    switch status.statusClass {
    case .success: break
    case .retry: throw .busy(status)
    // Nothing is both done and incomplete here: A.4 lists success alone.
    case .information, .callerError, .notForGuests: throw .refused(status)
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(TDReport.byteCount)
    for offset in 0..<UInt64(TDReport.byteCount) {
      bytes.append(memory.load(UInt8.self, at: report.advanced(by: offset)))
    }
    var isEchoed = true
    for index in value.indices {
      isEchoed = isEchoed && bytes[TDReport.reportDataOffset &+ index] == value[index]
    }
    guard bytes[TDReport.typeOffset] == TDReport.type, isEchoed else { throw .malformed }
    return bytes
  }
}
