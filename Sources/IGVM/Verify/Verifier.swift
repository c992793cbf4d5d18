// Verifier: holds a file to every rule and reports each breach with its place.
import Bits

/// Judges the headers of one file, in order, then the file as a whole.
///
/// Time is O(n log n) and memory O(n) in the number of headers; parameter areas and relocation regions are
/// limited in number, so that no file can make a look-up slow.
public struct Verifier {
  /// The most parameter areas, and the most relocation headers, that a file may have.
  public static let maximumRegionCount = 4096
  /// The largest parameter area accepted, bytes: it bounds the pages that one insert imports.
  public static let maximumAreaSize: UInt64 = 16 << 20

  /// A range of guest memory that a header imports.
  struct ImportedRange {
    let start: UInt64
    let end: UInt64
    let mask: PlatformMask
    let offset: UInt64
  }

  /// A parameter area that was declared.
  struct Area {
    let index: UInt32
    let size: UInt64
    var isInserted = false
  }

  /// A relocation header: its range and the processor that it names.
  struct Region {
    let mask: PlatformMask
    let start: UInt64
    let end: UInt64
    let isPageTables: Bool
    let vpIndex: UInt16
    let vtl: UInt8
    let offset: UInt64
    var hasContext = false
  }

  /// A processor of a platform that has a context.
  struct Context {
    let mask: PlatformMask
    let vpIndex: UInt16
    let vtl: UInt8
    let offset: UInt64
  }

  let fixed: FixedHeader
  var platforms: [SupportedPlatform] = []
  var declared = PlatformMask.none
  var policies = PlatformMask.none
  var idBlocks = PlatformMask.none
  var corimDocuments = PlatformMask.none
  var corimSignatures = PlatformMask.none
  var areas: [Area] = []
  var regions: [Region] = []
  var ranges: [ImportedRange] = []
  var contexts: [Context] = []

  /// A verifier for the file that `fixed` is the head of.
  public init(fixed: FixedHeader) { self.fixed = fixed }

  /// Checks a whole file and reports every breach; a file that cannot be read to its end gives the breach that
  /// stopped the reader, last.
  public static func check(_ file: borrowing Span<UInt8>, report: (Violation) -> Void) {
    do throws(Violation) {
      var reader = try HeaderReader(file)
      var verifier = Verifier(fixed: reader.fixed)
      while let located = try reader.next(file) { verifier.check(located, file, report) }
      verifier.finish(report)
    } catch {
      report(error)
    }
  }

  /// Checks a whole file; throws the first breach of the format's rules or, if `strict`, of ours.
  ///
  /// What a loader calls before it imports anything.
  public static func validate(_ file: borrowing Span<UInt8>, strict: Bool = true) throws(Violation) {
    var first: Violation?
    check(file) { violation in
      let counts = violation.rule.origin == .format || (strict && violation.rule.origin == .strict)
      if counts, first == nil { first = violation }
    }
    if let first { throw first }
  }

  /// Checks one header against the rules and the headers before it.
  public mutating func check(
    _ located: LocatedHeader, _ file: borrowing Span<UInt8>, _ report: (Violation) -> Void
  ) {
    let at = UInt64(located.offset)
    if let dirty = located.dirtyPadding { report(.init(.paddingNotZero, at: UInt64(dirty), UInt64(dirty))) }
    switch located.header {
    case .supportedPlatform(let header): check(header, at, report)
    case .guestPolicy(let header): check(header, at, report)
    case .relocatableRegion(let header): check(header, at, report)
    case .pageTableRelocationRegion(let header): check(header, at, report)
    case .corimDocument(let header): check(header, isSignature: false, at, report)
    case .corimSignature(let header): check(header, isSignature: true, at, report)
    case .ccaPolicy(let header): check(header, at, report)
    case .parameterArea(let header): check(header, at, report)
    case .pageData(let header): check(header, at, report)
    case .parameterInsert(let header): check(header, at, report)
    case .vpContext(let header): check(header, file, at, report)
    case .requiredMemory(let header): check(header, at, report)
    case .parameter(let header): check(header, at, report)
    case .snpIDBlock(let header): check(header, at, report)
    case .errorRange(let header): check(header, at, report)
    case .vbsMeasurement(let header): checkMask(header.mask, at, report)
    case .skipped(let type): report(.init(.optionalSkipped, at: at, UInt64(type.rawValue)))
    }
  }

  /// Checks what only the whole file shows: that platforms exist, and that no two imports meet.
  public mutating func finish(_ report: (Violation) -> Void) {
    if platforms.isEmpty { report(.init(.platformMissing, at: UInt64(fixed.variableHeaderOffset))) }
    for platform in platforms where platform.platform == .snp || platform.platform == .tdx {
      if !policies.contains(platform.mask) {
        report(.init(.policyMissing, at: UInt64(fixed.variableHeaderOffset), UInt64(platform.mask.rawValue)))
      }
    }
    for region in regions where !region.hasContext && region.namesContext {
      report(.init(.relocationWithoutContext, at: region.offset, UInt64(region.vpIndex)))
    }
    reportRepeatedContexts(report)
    reportOverlaps(report)
  }

  /// The platform declared for exactly `mask`.
  func platform(_ mask: PlatformMask) -> PlatformType? {
    platforms.first { $0.mask == mask }?.platform
  }

  /// The mask of a header: not empty, only declared bits.
  func checkMask(_ mask: PlatformMask, _ at: UInt64, _ report: (Violation) -> Void) {
    if mask == .none { report(.init(.maskEmpty, at: at)) }
    if !declared.contains(mask) { report(.init(.maskUndeclared, at: at, UInt64(mask.rawValue))) }
  }

  /// File data: none, or wholly between the headers and the end of the file.
  func checkData(_ fileOffset: UInt32, _ byteCount: UInt64, _ at: UInt64, _ report: (Violation) -> Void) {
    guard fileOffset != 0 else { return }
    let (end, overflow) = UInt64(fileOffset).addingReportingOverflow(byteCount)
    if overflow || end > UInt64(fixed.totalFileSize) || Int(fileOffset) < fixed.dataOffset {
      report(.init(.dataRange, at: at, UInt64(fileOffset)))
    }
  }

  /// Books an import of `byteCount` bytes at `gpa` for the overlap check; reports one that wraps.
  mutating func book(
    _ gpa: UInt64, _ byteCount: UInt64, _ mask: PlatformMask, _ at: UInt64, _ report: (Violation) -> Void
  ) {
    guard byteCount > 0 else { return }
    let (last, overflow) = gpa.addingReportingOverflow(byteCount - 1)
    if overflow {
      report(.init(.gpaOverflow, at: at, gpa))
    } else {
      ranges.append(.init(start: gpa, end: last, mask: mask, offset: at))
    }
  }
}
