// BoardLayout: where a board's image and the areas around it lie in guest-physical memory.
import IGVM
import Launch

/// The layout of one board, as `boards/B/layout.json` gives it.
///
/// JSON beside the board, and not a table in the tool, so that a new board is a new directory; the kernel does not
/// read it: what it must know comes in the measured launch information page.
public struct BoardLayout: Equatable, Sendable {
  /// The state in which the boot processor starts.
  public enum StartMode: Equatable, Sendable {
    /// 64-bit, on the builder's page tables, at the ELF entry.
    case long64
    /// 32-bit protected mode without paging (so that SNP treats every access as private), at the ELF entry.
    case protected32
    /// As `protected32`, at the entry of the ELF's PVH note.
    case pvh
  }

  /// An area at a fixed place.
  public struct Area: Equatable, Sendable {
    /// What it is for.
    public var kind: AreaKind
    /// Where it starts, bytes.
    public var gpa: UInt64
    /// Its size, bytes.
    public var byteCount: UInt64

    /// An area with all its fields.
    public init(_ kind: AreaKind, gpa: UInt64, byteCount: UInt64) {
      self.kind = kind
      self.gpa = gpa
      self.byteCount = byteCount
    }
  }

  /// The board's name.
  public var name: String
  /// The platform: native, SNP or TDX.
  public var platform: PlatformType
  /// How the boot processor starts.
  ///
  /// TDX starts in the reset page, which continues as `long64`.
  public var start: StartMode
  /// Where the kernel's memory range starts, bytes.
  public var rangeStart: UInt64
  /// Bytes of the range whatever the machine.
  public var fixedByteCount: UInt64
  /// Bytes of the range for each processor.
  public var byteCountPerProcessor: UInt64
  /// Bytes of the range for each 4 KiB of guest memory.
  public var byteCountPerGuestPage: UInt64
  /// SEV_FEATURES of the boot processor's VMSA.
  public var sevFeatures: UInt64
  /// The page-table bit to set as "encrypted"; nil = none.
  public var encryptionBit: Int?
  /// The areas, lowest first by convention.
  public var areas: [Area]

  /// A layout without areas.
  public init(name: String, platform: PlatformType, start: StartMode, rangeStart: UInt64) {
    self.name = name
    self.platform = platform
    self.start = start
    self.rangeStart = rangeStart
    fixedByteCount = 0
    byteCountPerProcessor = 0
    byteCountPerGuestPage = 0
    sevFeatures = VMSALayout.Features.snpActive
    encryptionBit = nil
    areas = []
  }

  /// The first area of a kind.
  public func area(_ kind: AreaKind) -> Area? { areas.first { $0.kind == kind } }

  /// The size of the kernel's memory range, bytes: fixed + processors × per processor + guest pages × per
  /// page, in whole pages.
  ///
  /// Nil if that does not fit 64 bits.
  public func rangeByteCount(processors: UInt64, guestByteCount: UInt64) -> UInt64? {
    let perProcessor = processors.multipliedReportingOverflow(by: byteCountPerProcessor)
    let perPage = (guestByteCount / 4096).multipliedReportingOverflow(by: byteCountPerGuestPage)
    let first = fixedByteCount.addingReportingOverflow(perProcessor.partialValue)
    let second = first.partialValue.addingReportingOverflow(perPage.partialValue)
    let overflows = perProcessor.overflow || perPage.overflow || first.overflow || second.overflow
    return overflows || second.partialValue > UInt64.max - 4096 ? nil : second.partialValue.roundedUpToPage
  }
}
