// PageAcceptance: takes memory from the host (TDG.MEM.PAGE.ACCEPT), 2 MiB at a time where that goes.
public import Seams
public import TDX
import X86

/// What to do about a page that we never accepted and that the module says is accepted.
///
/// Somebody placed it there at launch, or it is ours under another name. Its contents are never used.
public enum AlreadyAcceptedPolicy: Sendable {
  /// Clear it, count it and go on.
  case clear
  /// Give up.
  case refuse
}

/// Why memory could not be accepted.
public enum AcceptanceFailure: Error, Equatable, Sendable {
  /// The range is empty, not of whole pages, wraps, or has the shared bit or bits beyond it.
  case malformed
  /// The page was accepted before and the policy is to give up.
  case alreadyAccepted(UInt64)
  /// The module said no to the page at this address.
  case refused(UInt64, TDXStatus)
}

/// What was accepted.
public struct AcceptanceCount: Equatable, Sendable {
  /// Pages of 2 MiB.
  public var large: UInt64 = 0
  /// Pages of 4 KiB.
  public var small: UInt64 = 0
  /// Pages of 4 KiB that had been accepted before and were cleared.
  public var cleared: UInt64 = 0
  /// Nothing.
  public init() {}
}

/// Accepts ranges; the caller keeps account of what it has accepted and asks for nothing twice.
public struct PageAcceptance<Hardware: TDXHardware>: Sendable {
  private let calls: ModuleCalls<Hardware>
  private let sharedMask: UInt64
  private let policy: AlreadyAcceptedPolicy

  private static var largeBytes: UInt64 { PageSize.size2M.bytes }

  /// Acceptance of addresses below `sharedMask`.
  public init(_ hardware: Hardware, sharedMask: UInt64, policy: AlreadyAcceptedPolicy) {
    calls = ModuleCalls(hardware)
    self.sharedMask = sharedMask
    self.policy = policy
  }

  /// Accepts `byteCount` bytes from `start`; what was accepted reads as zero afterwards.
  ///
  /// `memory` is where pages that were accepted before are cleared. A failure leaves what came before it accepted.
  public func accept(
    _ start: UInt64, byteCount: UInt64, _ memory: some PhysicalMemory
  ) throws(AcceptanceFailure) -> AcceptanceCount {
    let (end, overflow) = start.addingReportingOverflow(byteCount)
    guard !overflow, byteCount > 0, start % Frame.bytes == 0, byteCount % Frame.bytes == 0, end <= sharedMask
    else { throw .malformed }
    var count = AcceptanceCount()
    var next = start
    while next < end {
      if next % Self.largeBytes == 0, end &- next >= Self.largeBytes,
        try acceptLarge(next, memory, &count)
      {
        next &+= Self.largeBytes
        continue
      }
      // After a mismatch all 512 pages of the 2 MiB follow one by one: the address is no longer aligned.
      try acceptSmall(next, memory, &count)
      next &+= Frame.bytes
    }
    return count
  }

  // Whether the 2 MiB are done; false if the module has them as 4 KiB pages.
  private func acceptLarge(
    _ address: UInt64, _ memory: some PhysicalMemory, _ count: inout AcceptanceCount
  ) throws(AcceptanceFailure) -> Bool {
    let status = calls.accept(PageOperand(address: address, level: 1))
    switch status.upper {
    case TDXStatus.success.upper:
      count.large &+= 1
      return true
    case TDXStatus.pageSizeMismatch.upper: return false
    case TDXStatus.pageAlreadyAccepted.upper:
      try clear(address, Self.largeBytes, memory, &count)
      return true
    default: throw .refused(address, status)
    }
  }

  private func acceptSmall(
    _ address: UInt64, _ memory: some PhysicalMemory, _ count: inout AcceptanceCount
  ) throws(AcceptanceFailure) {
    let status = calls.accept(PageOperand(address: address, level: 0))
    switch status.upper {
    case TDXStatus.success.upper: count.small &+= 1
    case TDXStatus.pageAlreadyAccepted.upper: try clear(address, Frame.bytes, memory, &count)
    default: throw .refused(address, status)
    }
  }

  private func clear(
    _ address: UInt64, _ byteCount: UInt64, _ memory: some PhysicalMemory, _ count: inout AcceptanceCount
  ) throws(AcceptanceFailure) {
    guard policy == .clear else { throw .alreadyAccepted(address) }
    memory.zero(PhysicalAddress(address), count: byteCount)
    count.cleared &+= byteCount / Frame.bytes
  }
}
