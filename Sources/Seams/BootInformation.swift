// BootInformation: what the platform tells the kernel about the machine before anything runs.
import X86

/// A run of physical addresses and what the platform says is there.
public struct MemoryRegion: Equatable, Sendable {
  /// What a region may be used for.
  public enum Kind: UInt8, Sendable {
    /// Not memory, or not ours.
    case reserved
    /// Memory that the kernel may use.
    case usable
  }
  /// The first address.
  public var start: PhysicalAddress
  /// Bytes in the region; `start + bytes` doesn't wrap.
  public var bytes: UInt64
  /// What it is.
  public var kind: Kind

  /// A region; nil if it is empty or runs past the end of the address space.
  public init?(start: PhysicalAddress, bytes: UInt64, kind: Kind) {
    guard bytes > 0, !start.rawValue.addingReportingOverflow(bytes).overflow else { return nil }
    self.start = start
    self.bytes = bytes
    self.kind = kind
  }

  /// The first address after the region.
  public var end: PhysicalAddress { PhysicalAddress(start.rawValue &+ bytes) }
}

/// The regions a platform reports, at most 64, in any order and possibly overlapping.
public struct MemoryMap: Sendable {
  /// How many regions are kept.
  public static var capacity: Int { 64 }
  private var regions: InlineArray<64, MemoryRegion?>
  /// Regions kept.
  public private(set) var count = 0
  /// Regions that did not fit or made no sense, left out.
  public private(set) var omitted = 0

  /// A map of no regions.
  public init() { regions = InlineArray(repeating: nil) }

  /// Adds a region; nil (a malformed one) and whatever does not fit is counted as left out.
  ///
  /// When room runs out the map could hide a reserved region that overlaps a usable one, so a caller that finds
  /// `omitted` above 0 should treat the map as incomplete.
  public mutating func add(_ region: MemoryRegion?) {
    guard let region, count < Self.capacity else {
      omitted &+= 1
      return
    }
    regions[count] = region
    count &+= 1
  }

  /// Region `index`, nil beyond `count`.
  public subscript(_ index: Int) -> MemoryRegion? {
    index >= 0 && index < count ? regions[index] : nil
  }
}

/// The kernel's command line, at most 256 bytes; what is longer is cut and marked.
public struct CommandLine: Sendable {
  /// How many bytes are kept.
  public static var capacity: Int { 256 }
  private var bytes = InlineArray<256, UInt8>(repeating: 0)
  /// Bytes kept.
  public private(set) var count = 0
  /// Whether bytes were lost.
  public private(set) var isCut = false

  /// An empty command line.
  public init() {}

  /// Adds a byte at the end.
  public mutating func append(_ byte: UInt8) {
    guard count < Self.capacity else {
      isCut = true
      return
    }
    bytes[count] = byte
    count &+= 1
  }

  /// Byte `index`, 0 beyond the end.
  public subscript(_ index: Int) -> UInt8 { index >= 0 && index < count ? bytes[index] : 0 }
}

/// What a platform hands over at boot.
public struct BootInformation: Sendable {
  /// The memory map.
  public var memory = MemoryMap()
  /// The command line.
  public var commandLine = CommandLine()
  /// Where the ACPI root pointer lies, nil if the platform has none.
  public var rootPointer: PhysicalAddress?
  /// Where the MADT itself lies, for a platform that is given no other table.
  public var processorTable: PhysicalAddress?
  /// The most CPUs that the platform can start, the boot CPU included.
  public var processorLimit = Int.max
  /// The CPUs, where the platform itself lists them; ACPI is not asked then.
  public var processors: ProcessorList?
  /// Nothing known.
  public init() {}
}

/// Why a platform can't say what machine it is.
public enum BootInformationError: Error, Equatable, Sendable {
  /// The record lacks its magic number or is of an unknown version.
  case notRecognised
  /// The record has no memory map.
  case noMemoryMap
  /// The host names more CPUs than the machine has.
  case tooManyProcessors
  /// Memory that the kernel was promised can't be had.
  case memoryRefused
}
