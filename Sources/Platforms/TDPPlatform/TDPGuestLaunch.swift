// TDPGuestLaunch: prepares the guest that the image carries: its pages, its header, and where each vCPU begins.
public import Seams
import TDX
public import X86

/// Why the guest can't be started.
public enum TDPGuestFailure: Error, Equatable, Sendable {
  /// Its image or its calling areas do not lie in its memory, or its header makes no sense.
  case malformed
  /// A page could not be accepted or given to the guest.
  case page(PhysicalAddress, PageFailure)
}

extension TDPGuestDriver {
  // "APSGUEST" (boards/guest/README.md).
  private static var magic: UInt64 { 0x5453_4555_4753_5041 }
  /// Below the image: one calling area for each vCPU, downwards.
  public static func callingArea(_ index: Int) -> PhysicalAddress {
    PhysicalAddress(0x1F_E000 &- UInt64(index & 63) << 12)
  }

  /// Gives the guest its image and a calling area for each vCPU, and has every vCPU begin at the image's first byte.
  ///
  /// The boot CPU, once, before any request loop runs.
  public func launch(_ plan: TDPGuestPlan, commandLine: [UInt8]) throws(TDPGuestFailure) {
    let lowest = Self.callingArea(processors.count &- 1).rawValue
    guard processors.count <= 64, plan.contains(lowest, bytes: plan.image.start.rawValue &- lowest) else {
      throw .malformed
    }
    // The loader placed the image's pages, measured; nobody else has written there.
    var page = plan.image.start
    while page < plan.image.end {
      try give(page)
      page = page.advanced(by: Frame.bytes)
    }
    for index in processors.indices { try makeCallingArea(Self.callingArea(index)) }
    let root = try fillHeader(plan, commandLine)
    for index in processors.indices {
      processors[index].start = L2Start(
        entry: plan.image.start.rawValue, root: root, index: UInt64(index),
        callingArea: Self.callingArea(index).rawValue)
    }
  }

  private func give(_ page: PhysicalAddress) throws(TDPGuestFailure) {
    do throws(PageFailure) { try grant(page, .small) } catch { throw .page(page, error) }
  }

  private func makeCallingArea(_ page: PhysicalAddress) throws(TDPGuestFailure) {
    do throws(PageFailure) {
      try validate(page, .small)
    } catch {
      // What somebody placed there before is not used.
      guard error == .unchanged else { throw .page(page, error) }
      window.zero(page, count: Frame.bytes)
    }
    try give(page)
  }

  // Answers CR3 of the guest's own tables.
  private func fillHeader(_ plan: TDPGuestPlan, _ commandLine: [UInt8]) throws(TDPGuestFailure) -> UInt64 {
    let image = plan.image.start
    func load(_ offset: UInt64) -> UInt64 { window.load(UInt64.self, at: image.advanced(by: offset)) }
    func store(_ offset: UInt64, _ value: UInt64) { window.store(value, at: image.advanced(by: offset)) }
    let root = load(0x18)
    guard load(0x10) == Self.magic, root % Frame.bytes == 0, root >= image.rawValue,
      root < plan.image.end.rawValue, plan.image.bytes >= 0x1000
    else { throw .malformed }
    store(0x30, 2)
    store(0x38, 0)
    store(0x40, UInt64(processors.count))
    store(0x48, plan.range.start.rawValue)
    store(0x50, plan.range.bytes)
    store(0x58, plan.endBelow4G)
    store(0x60, Self.callingArea(0).rawValue)
    store(0x68, 0)
    store(0x70, 0)
    for index in 0..<min(commandLine.count, 255) {
      window.store(commandLine[index], at: image.advanced(by: 0x100 &+ UInt64(index)))
    }
    for index in processors.indices {
      window.store(UInt32(truncatingIfNeeded: index), at: image.advanced(by: 0x200 &+ 4 &* UInt64(index)))
    }
    return root
  }
}
