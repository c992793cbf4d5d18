// ImagePlan: an IGVM file checked as a host must, before any page of it is placed.

import IGVM
import Measurement
import Model

/// What a file wants on one platform: the result of the check, for the launchers.
public struct ImagePlan: Sendable {
  /// The platform's mask bit.
  public let mask: PlatformMask
  /// The guest policy, in the file's encoding.
  public let policy: UInt64
  /// The parameter areas, filled.
  public let areas: ParameterAreas
  /// The backing, with pages provided for everything that lies above RAM.
  public let backing: GuestBacking
  /// How many pages the file imports.
  public let pageCount: Int

  /// Checks `file` for `platform` on `machine`: format and strict rules, platform, policy, memory.
  public init(
    _ file: borrowing Span<UInt8>, _ platform: PlatformType, _ machine: GuestMachine, _ backing: GuestBacking
  ) throws(Refusal) {
    guard machine.byteCount <= GuestMachine.maximumByteCount, machine.byteCount & 0x1F_FFFF == 0,
      machine.byteCount >= 2 << 20, machine.byteCount / 4096 <= backing.ramPageCount
    else { throw Refusal("memory", "cannot give the guest bytes:", hex: machine.byteCount) }
    guard !machine.apicIDs.isEmpty, machine.apicIDs.count <= CPUSet.capacity else {
      throw Refusal("cpus", "must be 1 to 64, not", hex: UInt64(machine.apicIDs.count))
    }
    var found = backing
    var count = 0
    var policy: UInt64?
    do throws(Violation) {
      try Verifier.validate(file)
      guard let mask = try MeasurementPlan.mask(of: platform, in: file) else {
        throw Violation(.platformMissing, at: 0, UInt64(platform.rawValue))
      }
      self.mask = mask
      var reader = try HeaderReader(file)
      while let located = try reader.next(file) {
        guard located.header.mask.intersects(mask) else { continue }
        switch located.header {
        case .guestPolicy(let header): policy = header.policy
        case .relocatableRegion, .pageTableRelocationRegion, .errorRange, .vbsMeasurement:
          throw Violation(.loaderHeaderType, at: UInt64(located.offset), UInt64(located.header.type.rawValue))
        default: continue
        }
      }
    } catch {
      throw Refusal(error)
    }
    try Self.checkRequiredMemory(file, mask, machine)
    let pages: Int
    do throws(Violation) {
      var plan = try MeasurementPlan(file, mask: mask)
      while let step = try plan.next(file) {
        count += 1
        guard step.gpa < machine.byteCount || found.provide(GuestPage(containing: step.gpa)) != nil else {
          throw Violation(.gpaOverflow, at: UInt64(step.headerOffset), step.gpa)
        }
      }
      pages = count
    } catch {
      throw Refusal(error)
    }
    guard found.windows != nil else { throw Refusal("image", "has pages in too many places above memory") }
    guard let policy else { throw Refusal("image", "has no guest policy for this platform") }
    self.policy = policy
    areas = try ParameterAreas(file, mask: mask, machine)
    self.backing = found
    pageCount = pages
  }

  private static func checkRequiredMemory(
    _ file: borrowing Span<UInt8>, _ mask: PlatformMask, _ machine: GuestMachine
  ) throws(Refusal) {
    guard var reader = try? HeaderReader(file) else { return }
    while let located = try? reader.next(file) {
      guard case .requiredMemory(let range) = located.header, range.mask.intersects(mask) else { continue }
      let end = range.gpa.addingReportingOverflow(UInt64(range.byteCount))
      guard !end.overflow, end.partialValue <= machine.byteCount else {
        throw Refusal("memory", "is less than the image requires, up to", hex: end.partialValue)
      }
    }
  }
}
