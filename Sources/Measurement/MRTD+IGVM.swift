// MRTD+IGVM: the MRTD of a file, step by step.
import IGVM

/// One step of an MRTD: the page, and whether its content counted.
public struct MRTDStep: Sendable {
  /// The import.
  public let step: LaunchStep
  /// Whether 16 extends followed the add.
  public let isExtended: Bool
}

extension MRTD {
  /// The MRTD of `file` for the TDX platform `mask`; `each` is called after every page, with the stream so far.
  ///
  /// A page that is not measured is only added; a shared page leaves no record (reference §14).
  public static func measure(
    _ file: borrowing Span<UInt8>, mask: PlatformMask, each: (MRTDStep, MRTD) -> Void = { _, _ in }
  ) throws(Violation) -> Digest384 {
    var plan = try MeasurementPlan(file, mask: mask)
    var stream = MRTD()
    let zeros = [UInt8](repeating: 0, count: 4096)
    while let step = try plan.next(file) {
      var isExtended = false
      switch step.kind {
      case .context, .page(_, _, isShared: true):
        continue
      case .parameter, .page(_, isMeasured: false, _):
        stream.addPage(gpa: step.gpa)
      case .page:
        stream.addPage(gpa: step.gpa)
        if let data = step.data {
          stream.extendPage(gpa: step.gpa, file.extracting(data))
        } else {
          stream.extendPage(gpa: step.gpa, zeros.span)
        }
        isExtended = true
      }
      each(.init(step: step, isExtended: isExtended), stream)
    }
    return stream.value
  }
}
