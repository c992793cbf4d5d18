// LaunchInformation: the measured page through which the builder tells a kernel where everything lies.
import Bits

/// An area of guest-physical memory that the builder placed.
public struct LaunchArea: Equatable, Sendable {
  /// What it is for.
  public var kind: AreaKind
  /// Where it starts, bytes, a multiple of 4096.
  public var gpa: UInt64
  /// How long its content is, bytes.
  public var byteCount: UInt64

  /// An area with all its fields.
  public init(_ kind: AreaKind, gpa: UInt64, byteCount: UInt64) {
    self.kind = kind
    self.gpa = gpa
    self.byteCount = byteCount
  }
}

/// What is fixed at build time and measured, so that the kernel can trust it (design: "From ELF to measured image").
///
/// At entry RDI holds the page's guest-physical address, RSI the processor's index (0), RSP the top of the stack; the
/// page is mapped there one to one. Under TDX the reset page puts these in place.
///
/// | Offset | Size | Field |
/// |---|---|---|
/// | 0x00 | 8 | magic, "APUSLNCH" |
/// | 0x08 | 4 | version, 1 |
/// | 0x0C | 4 | platform: the IGVM number (0 native, 2 SNP, 3 TDX) |
/// | 0x10 | 4 | hypervisor: 0 unnamed, 1 QEMU, 2 Hyper-V, 3 the monitor |
/// | 0x14 | 4 | processors that the memory range was sized for |
/// | 0x18 | 8 | start of the kernel's memory range |
/// | 0x20 | 8 | its size in bytes |
/// | 0x28 | 8 | shared GPA boundary (vTOM), 0 = none |
/// | 0x30 | 4 | encryption bit set in the page tables, 0 = none |
/// | 0x34 | 2 | console I/O port |
/// | 0x36 | 2 | number of areas |
/// | 0x38 | 8 | guest memory that the range was sized for, bytes |
/// | 0x40 | 24 each | areas: {kind u32, reserved u32, start u64, bytes u64} |
/// | 0xF00 | 256 | the kernel's own command line, ended by a zero byte |
public struct LaunchInformation: Equatable, Sendable {
  /// "APUSLNCH", little-endian.
  public static let magic: UInt64 = 0x4843_4E4C_5355_5041
  /// The version that this code reads and writes.
  public static let version: UInt32 = 1
  /// The size of the page, bytes.
  public static let byteCount = 4096
  /// Where the areas start, bytes.
  public static let areasOffset = 0x40
  /// The most areas that fit.
  public static let maximumAreaCount = (commandLineOffset - areasOffset) / 24
  /// Where the kernel's command line starts, bytes.
  public static let commandLineOffset = 0xF00
  /// The longest command line without its zero, bytes.
  public static let maximumCommandLineByteCount = byteCount - commandLineOffset - 1

  /// The IGVM number of the platform.
  public var platform: UInt32
  /// The hypervisor that the image was built for.
  public var hypervisor: UInt32
  /// The processors that the memory range was sized for.
  public var processorCount: UInt32
  /// Where the kernel's memory range starts, bytes.
  public var rangeStart: UInt64
  /// Its size, bytes.
  public var rangeByteCount: UInt64
  /// Addresses from here up are shared with the host; 0 = no such boundary.
  public var sharedGPABoundary: UInt64
  /// The number of the page-table bit that means "encrypted" and is set in the tables; 0 = none is set.
  public var encryptionBit: UInt32
  /// The I/O port of the console.
  public var consolePort: UInt16
  /// The guest memory that the range was sized for, bytes.
  public var guestByteCount: UInt64
  /// The areas, in the order in which the builder placed them.
  public var areas: [LaunchArea]
  /// The kernel's own command line, without a zero byte.
  public var commandLine: [UInt8]

  /// Information with no areas yet.
  public init(platform: UInt32, hypervisor: UInt32) {
    self.platform = platform
    self.hypervisor = hypervisor
    processorCount = 0
    rangeStart = 0
    rangeByteCount = 0
    sharedGPABoundary = 0
    encryptionBit = 0
    consolePort = 0
    guestByteCount = 0
    areas = []
    commandLine = []
  }

  /// Why a page is not launch information.
  public enum DecodeError: Error, Equatable, Sendable {
    /// Fewer than 4096 bytes.
    case truncated
    /// The magic is another.
    case magic
    /// The version is another.
    case version
    /// More areas than fit in a page.
    case tooManyAreas
  }

  /// The first area of a kind.
  public func area(_ kind: AreaKind) -> LaunchArea? { areas.first { $0.kind == kind } }

  /// Reads the page at the start of `page`.
  public init(decoding page: borrowing Span<UInt8>) throws(DecodeError) {
    guard page.count >= Self.byteCount else { throw .truncated }
    var reader = ByteReader(limit: Self.byteCount)
    let version: UInt32
    let magic: UInt64
    let count: Int
    do throws(ByteError) {
      magic = try reader.little(UInt64.self, page)
      version = try reader.little(UInt32.self, page)
      platform = try reader.little(UInt32.self, page)
      hypervisor = try reader.little(UInt32.self, page)
      processorCount = try reader.little(UInt32.self, page)
      rangeStart = try reader.little(UInt64.self, page)
      rangeByteCount = try reader.little(UInt64.self, page)
      sharedGPABoundary = try reader.little(UInt64.self, page)
      encryptionBit = try reader.little(UInt32.self, page)
      consolePort = try reader.little(UInt16.self, page)
      count = Int(try reader.little(UInt16.self, page))
      guestByteCount = try reader.little(UInt64.self, page)
    } catch {
      throw .truncated
    }
    guard magic == Self.magic else { throw .magic }
    guard version == Self.version else { throw .version }
    guard count <= Self.maximumAreaCount else { throw .tooManyAreas }
    areas = []
    commandLine = []
    do throws(ByteError) {
      for _ in 0..<count {
        let kind = AreaKind(rawValue: try reader.little(UInt32.self, page))
        try reader.skip(4)
        let gpa = try reader.little(UInt64.self, page)
        areas.append(LaunchArea(kind, gpa: gpa, byteCount: try reader.little(UInt64.self, page)))
      }
    } catch {
      throw .truncated
    }
    for offset in Self.commandLineOffset..<Self.byteCount {
      guard page[offset] != 0 else { break }
      commandLine.append(page[offset])
    }
  }

  /// The 4096 bytes of the page; nil if there are more areas than fit, or the command line is too long or holds a zero.
  public func encoded() -> [UInt8]? {
    guard areas.count <= Self.maximumAreaCount, commandLine.count <= Self.maximumCommandLineByteCount,
      !commandLine.contains(0)
    else { return nil }
    var out: [UInt8] = []
    func append<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
      for index in 0..<(T.bitWidth / 8) {
        out.append(UInt8(truncatingIfNeeded: value >> T(truncatingIfNeeded: 8 * index)))
      }
    }
    append(Self.magic)
    for word in [Self.version, platform, hypervisor, processorCount] { append(word) }
    for word in [rangeStart, rangeByteCount, sharedGPABoundary] { append(word) }
    append(encryptionBit)
    append(consolePort)
    append(UInt16(truncatingIfNeeded: areas.count))
    append(guestByteCount)
    for area in areas {
      append(area.kind.rawValue)
      append(UInt32(0))
      append(area.gpa)
      append(area.byteCount)
    }
    out.append(contentsOf: repeatElement(0, count: Self.commandLineOffset - out.count))
    out.append(contentsOf: commandLine)
    out.append(contentsOf: repeatElement(0, count: Self.byteCount - out.count))
    return out
  }
}
