// PageTableEntry: one 64-bit entry of a four-level page table, and what a mapping may do.

/// Rights and caching of a mapping in the kernel's own address space.
public struct PagePermissions: OptionSet, Equatable, Sendable {
  /// The set as bits.
  public let rawValue: UInt8
  /// A set of the given bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// Stores are allowed.
  public static let write = Self(rawValue: 1)
  /// Instruction fetches are allowed.
  public static let execute = Self(rawValue: 2)
  /// Device memory: PCD and PWT, strong uncacheable under the power-on PAT.
  public static let device = Self(rawValue: 4)
  /// Shared with the host, where memory is private otherwise.
  public static let shared = Self(rawValue: 8)

  /// Whether the mapping would be writable and executable at once; no mapping of ours may be.
  public var breaksWriteXorExecute: Bool { contains(.write) && contains(.execute) }
}

/// The address bits by which a mapping in a confidential VM says what it is; no bits on a plain machine.
///
/// SNP: the C-bit is set for private memory (APM 2, 15.34.1), or the bit at vTOM for shared memory. TDX: the shared
/// bit (GPAW - 1) is set for shared memory.
public struct PrivacyBits: Equatable, Sendable {
  /// Set in every entry that leads to private memory, tables and CR3 included.
  public let privateMask: UInt64
  /// Set in every entry that leads to shared memory.
  public let sharedMask: UInt64
  /// These bits; only bits 51:32 count, so that an address keeps its low part.
  public init(privateMask: UInt64 = 0, sharedMask: UInt64 = 0) {
    let possible: UInt64 = 0x000F_FFFF_0000_0000
    self.privateMask = privateMask & possible
    self.sharedMask = sharedMask & possible
  }
  /// Both masks, which no address has.
  public var mask: UInt64 { privateMask | sharedMask }
}

/// The sizes a leaf can have.
public enum PageSize: UInt64, Sendable {
  /// A leaf of level 1.
  case size4K = 0x1000
  /// A leaf of level 2.
  case size2M = 0x20_0000
  /// A leaf of level 3.
  case size1G = 0x4000_0000

  /// Bytes that one leaf maps.
  public var bytes: UInt64 { rawValue }
  /// The level of the table that holds the leaf, 1 to 3.
  public var level: Int {
    switch self {
    case .size4K: 1
    case .size2M: 2
    case .size1G: 3
    }
  }
}

/// One entry, as in the SDM 3A, tables 4-15 to 4-20.
public struct PageTableEntry: Equatable, Sendable, RawRepresentable {
  /// The entry's bits.
  public var rawValue: UInt64
  /// The entry with the given bits.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Bit 0: the entry translates.
  public static var present: UInt64 { 1 << 0 }
  /// Bit 1: stores allowed.
  public static var writable: UInt64 { 1 << 1 }
  /// Bit 3: page-level write-through.
  public static var writeThrough: UInt64 { 1 << 3 }
  /// Bit 4: page-level cache disable.
  public static var cacheDisable: UInt64 { 1 << 4 }
  /// Bit 5: accessed.
  public static var accessed: UInt64 { 1 << 5 }
  /// Bit 6: dirty (leaves).
  public static var dirty: UInt64 { 1 << 6 }
  /// Bit 7: a leaf above level 1.
  public static var pageSize: UInt64 { 1 << 7 }
  /// Bit 63: no instruction fetch.
  public static var noExecute: UInt64 { 1 << 63 }
  /// Bits 51:12: the address of the table or page.
  public static var addressMask: UInt64 { 0x000F_FFFF_FFFF_F000 }

  /// An entry that translates nothing.
  public static var empty: Self { Self(rawValue: 0) }

  /// An entry that points to the next table; rights are decided by the leaf.
  public static func table(_ address: PhysicalAddress, _ privacy: PrivacyBits = PrivacyBits()) -> Self {
    Self(rawValue: (address.rawValue & addressMask) | privacy.privateMask | present | writable | accessed)
  }

  /// A leaf, with accessed and dirty set ahead so that no walk ever writes our tables.
  public static func leaf(
    _ address: PhysicalAddress, size: PageSize, _ permissions: PagePermissions,
    _ privacy: PrivacyBits = PrivacyBits()
  ) -> Self {
    var bits = (address.rawValue & addressMask) | present | accessed
    bits |= permissions.contains(.shared) ? privacy.sharedMask : privacy.privateMask
    if permissions.contains(.write) { bits |= writable | dirty }
    if !permissions.contains(.execute) { bits |= noExecute }
    if permissions.contains(.device) { bits |= writeThrough | cacheDisable }
    if size != .size4K { bits |= pageSize }
    return Self(rawValue: bits)
  }

  /// Whether the entry translates.
  public var isPresent: Bool { rawValue & Self.present != 0 }
  /// Whether the entry, in a table of `level` 2 or 3, is a leaf.
  public func isLeaf(level: Int) -> Bool { level == 1 || (level <= 3 && rawValue & Self.pageSize != 0) }
  /// The address of the next table or of the page, privacy bits included.
  public var address: PhysicalAddress { PhysicalAddress(rawValue & Self.addressMask) }
  /// The address of the next table or of the page.
  public func address(_ privacy: PrivacyBits) -> PhysicalAddress {
    PhysicalAddress(rawValue & Self.addressMask & ~privacy.mask)
  }
  /// What a leaf allows.
  public var permissions: PagePermissions {
    var set: PagePermissions = []
    if rawValue & Self.writable != 0 { set.insert(.write) }
    if rawValue & Self.noExecute == 0 { set.insert(.execute) }
    if rawValue & Self.cacheDisable != 0 { set.insert(.device) }
    return set
  }
}

extension VirtualAddress {
  /// The index into a table, 0 to 511, for a table of `level` 1 to 4 (SDM 3A, figure 4-8).
  public func tableIndex(level: Int) -> Int {
    Int(truncatingIfNeeded: (rawValue >> UInt64(12 + 9 * (level - 1))) & 511)
  }
}
