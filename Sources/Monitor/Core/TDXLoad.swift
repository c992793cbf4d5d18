// TDXLoad: an IGVM file into a TD, as a host loads it.

import Bits
import IGVM
import Measurement
import Model
import TDX

extension TDXMachine {
  /// Loads `file` and closes the measurement; the TD can run afterwards.
  ///
  /// Pages in the order of the file; shared ones are only written (tdx.md D.6). Parameters are filled in at the end, since
  /// they are not measured. MRTD is computed when the TD first asks for it: `again` calls its argument with the same file.
  public func load(
    _ file: borrowing Span<UInt8>,
    again: @escaping ((borrowing Span<UInt8>) -> MeasurementRegister) -> MeasurementRegister
  ) throws(LoadError) {
    do throws(Violation) {
      try Verifier.validate(file, strict: false)
    } catch {
      throw .format(error)
    }
    var found: PlatformMask?
    do throws(Violation) {
      found = try MeasurementPlan.mask(of: .tdx, in: file)
    } catch {
      throw .format(error)
    }
    guard let mask = found else { throw .platform }
    let areas = try importPages(file, mask)
    try fillParameters(file, mask, areas)
    domain.finalizeMeasurement(
      DeferredRegister {
        // A file that was loaded has no fault in its walk.
        again { ((try? MRTD.measure($0, mask: mask)) ?? .zero).bytes }
      })
  }

  /// Where a parameter area went.
  private struct PlacedArea {
    let index: UInt32
    let gpa: UInt64
    var byteCount: UInt64
  }

  private func importPages(
    _ file: borrowing Span<UInt8>, _ mask: PlatformMask
  ) throws(LoadError) -> [PlacedArea] {
    var areas: [PlacedArea] = []
    do throws(Violation) {
      var plan = try MeasurementPlan(file, mask: mask)
      while let step = try plan.next(file) {
        switch step.kind {
        case .context: continue
        case .page(_, _, let isShared):
          let failure = place(step, file, isShared: isShared)
          if let failure { throw failure.asViolation }
        case .parameter(let area, let page):
          if page == 0 {
            areas.append(PlacedArea(index: area, gpa: step.gpa, byteCount: 0))
          }
          if !areas.isEmpty { areas[areas.count - 1].byteCount += PageData.pageSize }
          let failure = place(step, file, isShared: false)
          if let failure { throw failure.asViolation }
        }
      }
    } catch {
      throw LoadError(error)
    }
    return areas
  }

  /// Puts one page in place; nil if all went well.
  private func place(_ step: LaunchStep, _ file: borrowing Span<UInt8>, isShared: Bool) -> PlaceFailure? {
    let page = GuestPage(containing: step.gpa)
    // Outside the guest's memory there is only the page of the reset vector.
    if memory[page] == nil, page == GuestPage(containing: InitialState.rip),
      let new = hardware.allocatePage()
    {
      _ = memory.add(page, new)
    }
    guard let system = memory[page] else { return .noMemory(step.gpa) }
    if let data = step.data {
      ImagePage.copy(file, data, to: system, &hardware)
    } else {
      hardware.zero(system)
    }
    if isShared {
      guard domain.sept.leaf(page) == nil else { return .twice(step.gpa) }
      domain.shared[page] = .page(system)
      return nil
    }
    if domain.sept.walk(page, to: 0).level == 1, !domain.addTable(page) { return .noMemory(step.gpa) }
    return domain.addPage(page, system) ? nil : .twice(step.gpa)
  }

  private func fillParameters(
    _ file: borrowing Span<UInt8>, _ mask: PlatformMask, _ areas: [PlacedArea]
  ) throws(LoadError) {
    var refused: HeaderType?
    do throws(Violation) {
      var reader = try HeaderReader(file)
      while let located = try reader.next(file) {
        guard case .parameter(let parameter) = located.header,
          let area = areas.first(where: { $0.index == parameter.areaIndex })
        else { continue }
        let bytes = parameterBytes(parameter.kind)
        guard UInt64(parameter.byteOffset) + UInt64(bytes.count) <= area.byteCount else {
          refused = parameter.kind
          break
        }
        for index in bytes.indices {
          let address = area.gpa &+ UInt64(parameter.byteOffset) &+ UInt64(index)
          var view = words
          _ = view.setLittle(address, UInt64(bytes[index]), count: 1)
        }
      }
    } catch {
      throw .format(error)
    }
    if let refused { throw .parameter(refused) }
  }

  /// What the host says about itself; empty for what it has nothing to say about.
  private func parameterBytes(_ kind: HeaderType) -> [UInt8] {
    var machine = GuestMachine(
      apicIDs: (0..<processors.count).map { apicID($0) }, byteCount: UInt64(memory.pageCount) << 12)
    machine.lies = HostileScript.lies(options.hostile, seed: options.seed)
    return ParameterAreas.value(kind, machine) ?? []
  }
}

/// Why a page could not be put in place.
private enum PlaceFailure {
  case noMemory(UInt64)
  case twice(UInt64)

  /// As an error of the walk, which throws only those; `LoadError` turns it back.
  var asViolation: Violation {
    switch self {
    case .noMemory(let gpa): Violation(.dataRange, at: .max, gpa)
    case .twice(let gpa): Violation(.dataRange, at: .max - 1, gpa)
    }
  }
}

extension LoadError {
  fileprivate init(_ violation: Violation) {
    switch violation.offset {
    case .max: self = .noMemory(gpa: violation.value)
    case .max - 1: self = .pageTwice(gpa: violation.value)
    default: self = .format(violation)
    }
  }
}
