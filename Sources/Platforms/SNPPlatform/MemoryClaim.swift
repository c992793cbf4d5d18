// MemoryClaim: makes the kernel's range memory of this VM: private, validated, in the largest pieces there are.
import SNP
public import Seams
public import X86

/// Why memory can't be had.
public enum ClaimError: Error, Equatable, Sendable {
  /// The host refused a page-state change or answered wrongly.
  case pageState
  /// PVALIDATE failed, or found a page validated already: then two addresses lead to one page, or the host replays.
  case validation
}

/// Page states and PVALIDATE of the kernel's own pages.
public struct MemoryClaim<Hardware: SNPHardware>: Sendable {
  private let ghcb: GHCB<Hardware>
  private var hardware: Hardware { ghcb.hardware }
  /// Bytes of a large page.
  public static var largeBytes: UInt64 { 0x20_0000 }

  /// Claims on the CPU that `ghcb` belongs to.
  public init(_ ghcb: GHCB<Hardware>) { self.ghcb = ghcb }

  /// Validates `bytes` from `start`, both multiples of 4 KiB: 2 MiB at a time where the host's entries allow it.
  ///
  /// With `isShared` the host has the pages and is asked for them first (IGVM ENVIRONMENT_INFO bit 0).
  public func validate(_ start: PhysicalAddress, bytes: UInt64, isShared: Bool) throws(ClaimError) {
    var done: UInt64 = 0
    while done < bytes {
      let page = start.advanced(by: done)
      if page.rawValue % Self.largeBytes == 0, bytes &- done >= Self.largeBytes {
        if isShared { try change(page, count: 512, .makePrivate) }
        try validateLarge(page)
        done &+= Self.largeBytes
      } else {
        if isShared { try change(page, count: 1, .makePrivate) }
        try validateSmall(page)
        done &+= Frame.bytes
      }
    }
  }

  private func validateLarge(_ page: PhysicalAddress) throws(ClaimError) {
    let result = hardware.pvalidate(page, .size2M, validate: true)
    if result.status == .failSizeMismatch {
      for index in 0..<UInt64(512) { try validateSmall(page.advanced(by: index &* Frame.bytes)) }
      return
    }
    guard result.status == .success, !result.wasUnchanged else { throw .validation }
  }

  private func validateSmall(_ page: PhysicalAddress) throws(ClaimError) {
    let result = hardware.pvalidate(page, .size4K, validate: true)
    guard result.status == .success, !result.wasUnchanged else { throw .validation }
  }

  /// Gives a page that was never validated to the host, for both to use.
  public func share(_ page: PhysicalAddress) throws(ClaimError) { try change(page, count: 1, .makeShared) }

  // By MSR, a page at a time: works before there is a GHCB, and needs no buffer (reference B.4).
  private func change(
    _ page: PhysicalAddress, count: UInt64, _ operation: PageStateOperation
  ) throws(ClaimError) {
    for index in 0..<count {
      let number = page.rawValue >> 12 &+ index
      let answer = ghcb.message(.pageState(page: number, operation: operation))
      guard answer.code == .pageStateResponse, answer.upper == 0 else { throw .pageState }
    }
  }
}
