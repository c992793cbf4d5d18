// TDXLauncher: places an image into a TD as a host builds one.

import IGVM
import Measurement
import Model
import TDX

/// The SEAMCALLs that build a TD from an image (tdx.md H; igvm.md §14).
public enum TDXLauncher {
  /// The attributes that a file's policy asks for: debug, SEPT_VE_DISABLE, migratable (igvm.md §6).
  public static func attributes(policy: UInt64) -> TDAttributes {
    var attributes: TDAttributes = []
    if policy & GuestPolicy.tdxDebug != 0 { attributes.insert(.debug) }
    if policy & GuestPolicy.tdxSEPTVEDisable != 0 { attributes.insert(.septVEDisable) }
    if policy & 4 != 0 { attributes.insert(.migratable) }
    return attributes
  }

  /// Adds every page in file order, extends the measured ones at once, finalizes, and augments the rest.
  ///
  /// The rest of memory is pending: 2 MiB entries where a whole range is free. A page that the file leaves
  /// shared, and the legacy hole, are mapped shared. A TD has no start state: it begins at the reset vector.
  public static func launch<Memory: PageMemory & ~Copyable>(
    _ file: borrowing Span<UInt8>, _ plan: ImagePlan, _ description: GuestMachine,
    into domain: inout TrustDomain, _ bytes: inout Memory
  ) throws(Refusal) {
    var sharedPages: [GuestPage] = []
    do throws(Violation) {
      var walk = try MeasurementPlan(file, mask: plan.mask)
      while let step = try walk.next(file) {
        let page = GuestPage(containing: step.gpa)
        guard let system = plan.backing.system(page) else {
          throw Violation(.gpaOverflow, at: UInt64(step.headerOffset), step.gpa)
        }
        for offset in stride(from: 0, to: 4096, by: 8) {
          bytes.store(system, offset, plan.word(step, offset, file))
        }
        var isMeasured = false
        switch step.kind {
        case .context: throw Violation(.vpPlatform, at: UInt64(step.headerOffset), step.gpa)
        case .page(_, _, isShared: true):
          domain.shared[page] = .page(system)
          sharedPages.append(page)
          continue
        case .page(_, let measured, _): isMeasured = measured
        case .parameter: break
        }
        // Tables are added on the way; a second one for the same range is refused, which is well.
        _ = domain.addTable(page)
        guard domain.addPage(page, system) else {
          throw Violation(.pagesOverlap, at: UInt64(step.headerOffset), step.gpa)
        }
        guard isMeasured else { continue }
        for offset in stride(from: 0, to: 4096, by: 256) {
          guard domain.extend(page, offset: offset, bytes) else {
            throw Violation(.pagesOverlap, at: UInt64(step.headerOffset), step.gpa)
          }
        }
      }
    } catch {
      throw Refusal(error)
    }
    domain.finalizeMeasurement()
    augmentRest(plan, description, except: sharedPages, &domain)
  }

  private static func augmentRest(
    _ plan: ImagePlan, _ description: GuestMachine, except sharedPages: [GuestPage],
    _ domain: inout TrustDomain
  ) {
    let last = description.byteCount / 4096
    var number: UInt64 = 0
    while number < last {
      let page = GuestPage(rawValue: number)
      let system = plan.backing.ram.advanced(by: number)
      // The first range holds the legacy hole; a range that the image touched has a table already.
      let isMixed = sharedPages.contains { $0.base2M == page.base2M }
      if number & 511 == 0, number >= 512, !isMixed, system.is2MAligned,
        domain.augment(page, system, level: 1)
      {
        number &+= 512
        continue
      }
      if number & 511 == 0 { _ = domain.addTable(page) }
      if number >= 0xA0, number < 0x100 {
        domain.shared[page] = .page(system)
      } else if !isMixed || !sharedPages.contains(page) {
        _ = domain.augment(page, system)
      }
      number &+= 1
    }
  }
}
