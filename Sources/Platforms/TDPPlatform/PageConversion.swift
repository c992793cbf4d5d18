// PageConversion: turns private memory into shared memory and back (MapGPA), without believing the host about progress.
public import Seams
import TDX
import X86

/// Why memory could not be converted.
public enum ConversionFailure: Error, Equatable, Sendable {
  /// The range is empty, not of whole pages, wraps, or reaches the shared bit.
  case malformed
  /// The host said no; the status is its own.
  case refused(HostCallError)
  /// The host asked to go on from an address that is not ahead of us in the range, or made no progress four times.
  case noProgress(UInt64)
  /// What came back could not be accepted.
  case acceptance(AcceptanceFailure)
}

/// Conversions of whole pages.
public struct PageConversion<Hardware: TDXHardware>: Sendable {
  private let host: HostCalls<Hardware>
  private let acceptance: PageAcceptance<Hardware>
  private let sharedMask: UInt64

  /// How often the host may name the address where it stands already.
  public static var patience: Int { 3 }

  /// Conversions of addresses below `sharedMask`.
  public init(_ hardware: Hardware, sharedMask: UInt64) {
    host = HostCalls(hardware)
    // What comes back from the host was never accepted since; one that is would be somebody else's page.
    acceptance = PageAcceptance(hardware, sharedMask: sharedMask, policy: .refuse)
    self.sharedMask = sharedMask
  }

  /// Makes `byteCount` bytes from `start` shared; their contents are lost.
  ///
  /// The caller has removed its private mappings and flushed them on every CPU.
  public func makeShared(_ start: UInt64, byteCount: UInt64) throws(ConversionFailure) {
    try map(start, byteCount, bit: sharedMask)
  }

  /// Makes `byteCount` bytes from `start` private again and accepts them; they read as zero, whatever the host wrote.
  ///
  /// An L2's aliases are lost and must be made again.
  public func makePrivate(
    _ start: UInt64, byteCount: UInt64, _ memory: some PhysicalMemory
  ) throws(ConversionFailure) {
    try map(start, byteCount, bit: 0)
    do throws(AcceptanceFailure) {
      _ = try acceptance.accept(start, byteCount: byteCount, memory)
    } catch {
      throw .acceptance(error)
    }
  }

  /// Has the host make `byteCount` bytes from `start` private; they are not accepted.
  public func takeBack(_ start: UInt64, byteCount: UInt64) throws(ConversionFailure) {
    try map(start, byteCount, bit: 0)
  }

  private func map(_ start: UInt64, _ byteCount: UInt64, bit: UInt64) throws(ConversionFailure) {
    let (end, overflow) = start.addingReportingOverflow(byteCount)
    guard !overflow, byteCount > 0, start % Frame.bytes == 0, byteCount % Frame.bytes == 0, end <= sharedMask
    else { throw .malformed }
    var next = start
    var standstill = 0
    while true {
      let (status, address) = try ask(next | bit, end &- next)
      if status == .success { return }
      guard status == .retry else { throw .refused(.host(status)) }
      let named = address & ~sharedMask
      guard address & sharedMask == bit || address & sharedMask == 0, named >= next, named < end,
        named % Frame.bytes == 0
      else { throw .noProgress(address) }
      standstill = named == next ? standstill &+ 1 : 0
      guard standstill <= Self.patience else { throw .noProgress(address) }
      next = named
    }
  }

  private func ask(_ start: UInt64, _ byteCount: UInt64) throws(ConversionFailure) -> (TDVMCALLStatus, UInt64)
  {
    do throws(HostCallError) {
      return try host.mapGPA(start, byteCount)
    } catch {
      throw .refused(error)
    }
  }
}
