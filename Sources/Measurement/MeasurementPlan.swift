// MeasurementPlan: the imports that a file asks for on one platform, in the order in which they are measured.
import IGVM

/// One page that the loader hands to the platform.
public struct LaunchStep: Equatable, Sendable {
  /// What kind of page it is.
  public enum Kind: Equatable, Sendable {
    /// PAGE_DATA: its type, whether its content is measured, and whether it stays visible to the host.
    case page(PageDataType, isMeasured: Bool, isShared: Bool)
    /// One page of a parameter area: the area, and the number of the page in it.
    case parameter(areaIndex: UInt32, page: UInt32)
    /// The start state of a processor.
    case context(vpIndex: UInt16)
  }

  /// The guest-physical address, bytes.
  public let gpa: UInt64
  /// What kind of page it is.
  public let kind: Kind
  /// Where its 4096 bytes lie in the file; nil = zeros.
  public let data: Range<Int>?
  /// The header that asks for it, bytes from the start of the file.
  public let headerOffset: Int
}

/// Walks a file and yields each import for one platform.
///
/// The loader and the calculator use the same walk, so that what is loaded and what is measured cannot differ. The
/// file must have passed `Verifier.validate`; a file that has not can give wrong digests or an error, never a trap,
/// and at most 2^21 headers and 4096 pages for each parameter area.
public struct MeasurementPlan: Sendable {
  private var reader: HeaderReader
  private let mask: PlatformMask
  private var areas: [(index: UInt32, size: UInt64, fileOffset: UInt32)] = []
  private var pending: PendingInsert?

  /// What is left of a parameter insert.
  private struct PendingInsert: Sendable {
    let insert: ParameterInsert
    let fileOffset: UInt32
    let pages: UInt32
    let headerOffset: Int
    var page: UInt32 = 0
  }

  /// The plan of `file` for the platform whose mask bit is `mask`.
  public init(_ file: borrowing Span<UInt8>, mask: PlatformMask) throws(Violation) {
    reader = try HeaderReader(file)
    self.mask = mask
  }

  /// The mask of the platform `type` in `file`; nil if the file does not declare it.
  public static func mask(
    of type: PlatformType, in file: borrowing Span<UInt8>
  ) throws(Violation) -> PlatformMask? {
    var reader = try HeaderReader(file)
    while let located = try reader.next(file) {
      guard case .supportedPlatform(let platform) = located.header else { break }
      if platform.platform == type { return platform.mask }
    }
    return nil
  }

  /// The next import, nil at the end.
  public mutating func next(_ file: borrowing Span<UInt8>) throws(Violation) -> LaunchStep? {
    while true {
      if let step = nextParameterPage() { return step }
      guard let located = try reader.next(file) else { return nil }
      guard located.header.mask.intersects(mask) else { continue }
      switch located.header {
      case .pageData(let page):
        return LaunchStep(
          gpa: page.gpa, kind: .page(page.type, isMeasured: page.isMeasured, isShared: page.isShared),
          data: try range(page.fileOffset, located, file), headerOffset: located.offset)
      case .vpContext(let context):
        return LaunchStep(
          gpa: context.gpa, kind: .context(vpIndex: context.vpIndex),
          data: try range(context.fileOffset, located, file), headerOffset: located.offset)
      case .parameterArea(let area):
        guard areas.count < Verifier.maximumRegionCount else {
          throw Violation(.tooManyRegions, at: UInt64(located.offset), UInt64(areas.count))
        }
        areas.append((area.index, area.byteCount, area.fileOffset))
      case .parameterInsert(let insert):
        try begin(insert, located)
      default:
        continue
      }
    }
  }

  private mutating func begin(_ insert: ParameterInsert, _ located: LocatedHeader) throws(Violation) {
    let at = UInt64(located.offset)
    guard let area = areas.first(where: { $0.index == insert.areaIndex }) else {
      throw Violation(.areaUnknown, at: at, UInt64(insert.areaIndex))
    }
    guard area.size <= Verifier.maximumAreaSize else { throw Violation(.areaTooLarge, at: at, area.size) }
    pending = PendingInsert(
      insert: insert, fileOffset: area.fileOffset, pages: UInt32(area.size / PageData.pageSize),
      headerOffset: located.offset)
  }

  private mutating func nextParameterPage() -> LaunchStep? {
    guard let current = pending, current.page < current.pages else {
      pending = nil
      return nil
    }
    pending?.page += 1
    let into = UInt64(current.page) * PageData.pageSize
    let start = Int(current.fileOffset) + Int(into)
    return LaunchStep(
      gpa: current.insert.gpa &+ into,
      kind: .parameter(areaIndex: current.insert.areaIndex, page: current.page),
      data: current.fileOffset == 0 ? nil : start..<(start + Int(PageData.pageSize)),
      headerOffset: current.headerOffset)
  }

  /// The place of a page's data, checked against the file.
  private func range(
    _ fileOffset: UInt32, _ located: LocatedHeader, _ file: borrowing Span<UInt8>
  ) throws(Violation) -> Range<Int>? {
    guard fileOffset != 0 else { return nil }
    let start = Int(fileOffset)
    guard start + Int(PageData.pageSize) <= file.count else {
      throw Violation(.dataRange, at: UInt64(located.offset), UInt64(fileOffset))
    }
    return start..<(start + Int(PageData.pageSize))
  }
}
