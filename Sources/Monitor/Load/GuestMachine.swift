// GuestMachine: the machine that a guest is told about, and the memory behind it.

import Model

/// What a host decides before it loads an image.
public struct GuestMachine: Sendable {
  /// APIC identifiers, one per vCPU; the first is the boot processor.
  public var apicIDs: [UInt32]
  /// Guest memory in bytes from address 0, a multiple of 2 MiB, at most 2 GiB.
  public var byteCount: UInt64
  /// Whether memory that the image does not fill is shared at entry (environment bit 0).
  public var isMemoryShared: Bool
  /// Words for the guest, without a zero.
  public var commandLine: [UInt8]
  /// What the host says besides the truth; none is an honest host.
  public var lies: ParameterLies

  /// An honest machine.
  public init(
    apicIDs: [UInt32], byteCount: UInt64, isMemoryShared: Bool = false, commandLine: [UInt8] = []
  ) {
    self.apicIDs = apicIDs
    self.byteCount = byteCount
    self.isMemoryShared = isMemoryShared
    self.commandLine = commandLine
    lies = []
  }

  /// The most memory, bytes: device memory of q35 begins there.
  public static let maximumByteCount: UInt64 = 2 << 30
}

/// What a hostile host may write into IGVM parameters (script `lying-parameters`).
public struct ParameterLies: OptionSet, Sendable {
  /// The bits.
  public let rawValue: UInt8
  /// The lies `rawValue`.
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// A processor count far too large.
  public static let processorCount = ParameterLies(rawValue: 1)
  /// A memory map whose entries overlap and wrap.
  public static let memoryMap = ParameterLies(rawValue: 2)
  /// A MADT whose lengths run beyond its end.
  public static let madt = ParameterLies(rawValue: 4)
  /// Unknown bits in the environment word.
  public static let environment = ParameterLies(rawValue: 8)
}

/// Which system page stands behind each guest page.
///
/// RAM is one run; the pages far above it (reset page, launch VMSA) come from a small pool.
public struct GuestBacking: Sendable {
  /// The system page behind guest page 0.
  public let ram: SystemPage
  /// How many pages RAM has.
  public let ramPageCount: UInt64
  private let pool: SystemPage
  private var high = InlineArray<16, UInt64>(repeating: .max)
  private var highCount = 0

  /// How many pages above RAM there can be.
  public static let highCapacity = 16

  /// RAM at `ram`, and `highCapacity` pages from `pool` for what lies above.
  public init(ram: SystemPage, pageCount: UInt64, pool: SystemPage) {
    self.ram = ram
    ramPageCount = pageCount
    self.pool = pool
  }

  /// The system page behind `page`; nil if there is none.
  public func system(_ page: GuestPage) -> SystemPage? {
    if page.rawValue < ramPageCount { return ram.advanced(by: page.rawValue) }
    for index in 0..<highCount where high[index] == page.rawValue {
      return pool.advanced(by: UInt64(index))
    }
    return nil
  }

  /// Provides a page above RAM; nil when the pool is used up.
  public mutating func provide(_ page: GuestPage) -> SystemPage? {
    if let found = system(page) { return found }
    guard highCount < Self.highCapacity else { return nil }
    high[highCount] = page.rawValue
    highCount &+= 1
    return pool.advanced(by: UInt64(highCount &- 1))
  }

  /// The pages above RAM that were provided.
  public func forEachHighPage(_ body: (GuestPage) -> Void) {
    for index in 0..<highCount { body(GuestPage(rawValue: high[index])) }
  }

  /// The windows of guest pages that a model must cover: RAM, and 2 MiB around each page above.
  ///
  /// Nil if they need more than four.
  public var windows: PageWindows? {
    var windows = PageWindows(pageCount: Int(clamping: ramPageCount))
    for index in 0..<highCount {
      let page = GuestPage(rawValue: high[index])
      if windows.index(page) != nil { continue }
      guard windows.add(page, pageCount: 1) else { return nil }
    }
    return windows
  }
}
