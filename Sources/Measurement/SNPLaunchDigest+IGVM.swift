// SNPLaunchDigest+IGVM: the launch digest of a file, step by step.
import Crypto
import IGVM
import SNP

/// The points on which loaders and tools measure differently (reference §11, "Two reference tools disagree").
public struct SNPMeasurementRules: Equatable, Sendable {
  /// How a page without file data is imported.
  public enum ZeroPage: Sendable {
    /// As a NORMAL page of zeros: QEMU with KVM, Hyper-V.
    case normal
    /// As a ZERO page: QEMU's OVMF metadata pages, and the loader called Vanadium.
    case native
  }

  /// How a parameter area of several pages is counted.
  public enum ParameterArea: Sendable {
    /// Each page: what loaders do.
    case everyPage
    /// Only the first page: what COCONUT's `igvmmeasure` does.
    case firstPage
  }

  /// How a page without file data is imported.
  public var zeroPage: ZeroPage
  /// How a parameter area of several pages is counted.
  public var parameterArea: ParameterArea

  /// The rules that QEMU with KVM follows, unless told otherwise.
  public init(zeroPage: ZeroPage = .normal, parameterArea: ParameterArea = .everyPage) {
    self.zeroPage = zeroPage
    self.parameterArea = parameterArea
  }
}

/// One step of a launch digest: the page and what the digest became.
public struct SNPDigestStep: Sendable {
  /// The import.
  public let step: LaunchStep
  /// The type under which the platform measures it.
  public let type: LaunchPageKind
  /// The digest of its content; zeros if that is not measured.
  public let contents: Digest384
  /// The launch digest after it.
  public let digest: Digest384
}

extension SNPLaunchDigest {
  /// The launch digest of `file` for the SNP platform `mask`; `each` is called after every step.
  public static func measure(
    _ file: borrowing Span<UInt8>, mask: PlatformMask, rules: SNPMeasurementRules = .init(),
    each: (SNPDigestStep) -> Void = { _ in }
  ) throws(Violation) -> Digest384 {
    var plan = try MeasurementPlan(file, mask: mask)
    var digest = SNPLaunchDigest()
    while let step = try plan.next(file) {
      guard let type = pageType(step, rules) else { continue }
      var contents = Digest384.zero
      if type.measuresContents {
        contents = step.data.map { Digest384(SHA384.hash(file.extracting($0))) } ?? .zeroPage
      }
      digest.add(type, contents: contents, gpa: step.gpa)
      each(.init(step: step, type: type, contents: contents, digest: digest.value))
    }
    return digest.value
  }

  /// The type under which a page is measured; nil if the platform never sees it.
  static func pageType(_ step: LaunchStep, _ rules: SNPMeasurementRules) -> LaunchPageKind? {
    switch step.kind {
    case .context: return .vmsa
    case .parameter(_, let page): return rules.parameterArea == .firstPage && page > 0 ? nil : .unmeasured
    case .page(_, _, isShared: true): return nil
    case .page(.secrets, _, _): return .secrets
    case .page(.cpuid, _, _), .page(.cpuidXF, _, _): return .cpuid
    case .page(_, isMeasured: false, _): return .unmeasured
    case .page: return step.data == nil && rules.zeroPage == .native ? .zero : .normal
    }
  }
}
