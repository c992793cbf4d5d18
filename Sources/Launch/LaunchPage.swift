// LaunchPage: the launch information page as a kernel reads it before it can allocate anything.

/// A copy of the page, decoded field by field; the layout is `LaunchInformation`'s.
public struct LaunchPage: Sendable {
  private let words: InlineArray<512, UInt64>
  /// How many areas there are, at most `LaunchInformation.maximumAreaCount`.
  public let areaCount: Int

  /// Copies the page, `word` by word: it is given the byte offset, 0 to 4088.
  public init(_ word: (Int) -> UInt64) throws(LaunchInformation.DecodeError) {
    var words = InlineArray<512, UInt64>(repeating: 0)
    for index in words.indices { words[index] = word(8 &* index) }
    self.words = words
    areaCount = Int(words[6] >> 48)
    guard words[0] == LaunchInformation.magic else { throw .magic }
    guard UInt32(truncatingIfNeeded: words[1]) == LaunchInformation.version else { throw .version }
    guard areaCount <= LaunchInformation.maximumAreaCount else { throw .tooManyAreas }
  }

  /// The IGVM number of the platform.
  public var platform: UInt32 { UInt32(truncatingIfNeeded: words[1] >> 32) }
  /// The processors that the memory range was sized for.
  public var processorCount: UInt32 { UInt32(truncatingIfNeeded: words[2] >> 32) }
  /// Where the kernel's memory range starts, bytes.
  public var rangeStart: UInt64 { words[3] }
  /// Its size, bytes.
  public var rangeByteCount: UInt64 { words[4] }
  /// Addresses from here up are shared with the host; 0 = no such boundary.
  public var sharedGPABoundary: UInt64 { words[5] }
  /// The number of the page-table bit that means "encrypted" and is set in the tables; 0 = none.
  public var encryptionBit: UInt32 { UInt32(truncatingIfNeeded: words[6]) }
  /// The I/O port of the console.
  public var consolePort: UInt16 { UInt16(truncatingIfNeeded: words[6] >> 32) }
  /// The guest memory that the range was sized for, bytes.
  public var guestByteCount: UInt64 { words[7] }

  /// Area `index`, nil beyond `areaCount`.
  public func area(at index: Int) -> LaunchArea? {
    guard index >= 0, index < areaCount else { return nil }
    let first = LaunchInformation.areasOffset / 8 &+ 3 &* index
    return LaunchArea(
      AreaKind(rawValue: UInt32(truncatingIfNeeded: words[first])), gpa: words[first &+ 1],
      byteCount: words[first &+ 2])
  }

  /// The first area of a kind.
  public func area(_ kind: AreaKind) -> LaunchArea? {
    for index in 0..<areaCount {
      if let area = area(at: index), area.kind == kind { return area }
    }
    return nil
  }
}
