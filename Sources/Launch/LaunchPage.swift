// LaunchPage: reads the launch information where it lies, allocating nothing: for a kernel before it has a heap.

/// The bytes of one page, wherever they are.
public protocol LaunchSource {
  /// The little-endian 64-bit word at `offset`, a multiple of 8 below 4096.
  func word(at offset: Int) -> UInt64
}

/// The launch information page in place; layout in `LaunchInformation`.
///
/// The page is measured, so it is what the builder wrote; it is checked all the same, because a kernel may be started
/// with another argument.
public struct LaunchPage<Source: LaunchSource> {
  private let source: Source
  /// The IGVM number of the platform.
  public let platform: UInt32
  /// How many areas are listed.
  public let areaCount: Int

  /// The page in `source`.
  public init(_ source: Source) throws(LaunchInformation.DecodeError) {
    self.source = source
    guard source.word(at: 0) == LaunchInformation.magic else { throw .magic }
    let head = source.word(at: 8)
    guard UInt32(truncatingIfNeeded: head) == LaunchInformation.version else { throw .version }
    platform = UInt32(truncatingIfNeeded: head >> 32)
    areaCount = Int(source.word(at: 0x30) >> 48)
    guard areaCount <= LaunchInformation.maximumAreaCount else { throw .tooManyAreas }
  }

  /// The hypervisor that the image was built for.
  public var hypervisor: UInt32 { UInt32(truncatingIfNeeded: source.word(at: 0x10)) }
  /// The processors that the memory range was sized for.
  public var processorCount: UInt32 { UInt32(truncatingIfNeeded: source.word(at: 0x10) >> 32) }
  /// Where the kernel's memory range starts, bytes.
  public var rangeStart: UInt64 { source.word(at: 0x18) }
  /// Its size, bytes.
  public var rangeByteCount: UInt64 { source.word(at: 0x20) }
  /// Addresses from here up are shared with the host; 0 = no such boundary.
  public var sharedGPABoundary: UInt64 { source.word(at: 0x28) }
  /// The I/O port of the console.
  public var consolePort: UInt16 { UInt16(truncatingIfNeeded: source.word(at: 0x30) >> 32) }
  /// The guest memory that the range was sized for, bytes.
  public var guestByteCount: UInt64 { source.word(at: 0x38) }

  /// Area `index`, nil beyond `areaCount`.
  public subscript(_ index: Int) -> LaunchArea? {
    guard index >= 0, index < areaCount else { return nil }
    let offset = LaunchInformation.areasOffset + 24 * index
    return LaunchArea(
      AreaKind(rawValue: UInt32(truncatingIfNeeded: source.word(at: offset))),
      gpa: source.word(at: offset + 8), byteCount: source.word(at: offset + 16))
  }

  /// The first area of a kind.
  public func area(_ kind: AreaKind) -> LaunchArea? {
    for index in 0..<areaCount {
      if let area = self[index], area.kind == kind { return area }
    }
    return nil
  }

  /// Byte `index` of the kernel's command line; nil at its end.
  public func commandLineByte(_ index: Int) -> UInt8? {
    guard index >= 0, index < LaunchInformation.maximumCommandLineByteCount else { return nil }
    let offset = LaunchInformation.commandLineOffset + index
    let byte = UInt8(truncatingIfNeeded: source.word(at: offset & ~7) >> UInt64(8 * (offset & 7)))
    return byte == 0 ? nil : byte
  }
}
