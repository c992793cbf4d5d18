// NestedTable: one nested page table, filled page by page from what the model allows.

public import Model

/// What a nested table says about a guest page.
public struct NestedRights: OptionSet, Hashable, Sendable {
  /// The bits.
  public let rawValue: UInt8
  /// Rights of these bits; readable always.
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// May be written.
  public static let write = NestedRights(rawValue: 1)
  /// May be executed.
  public static let execute = NestedRights(rawValue: 2)
  /// Writable and executable.
  public static let full: NestedRights = [.write, .execute]
}

/// A nested page table (APM 2, 15.25) of four levels, or five for guest addresses of more than 48 bits; leaves of 4 KiB and 2 MiB.
///
/// Every leaf is a user page, because all nested walks are user accesses. Tables come from the monitor's memory and are
/// kept; a leaf of 2 MiB is split when a part of it changes.
public struct NestedTable: Sendable {
  /// The page of the root, for nCR3.
  public let root: SystemPage
  private let levels: Int

  private static let present: UInt64 = 1
  private static let writable: UInt64 = 2
  private static let user: UInt64 = 4
  private static let table: UInt64 = 7
  private static let large: UInt64 = 0x80
  private static let noExecute: UInt64 = 1 << 63
  private static let address: UInt64 = 0x000F_FFFF_FFFF_F000

  /// An empty table; nil if there is no page for its root.
  public init?<Hardware: MonitorHardware>(_ hardware: Hardware) {
    guard let page = hardware.allocatePage() else { return nil }
    root = page
    levels = hardware.nestedLevels
  }

  private static func leaf(_ page: SystemPage, _ rights: NestedRights) -> UInt64 {
    page.address | present | user | (rights.contains(.write) ? writable : 0)
      | (rights.contains(.execute) ? 0 : noExecute)
  }

  /// The slot of `page` at `level` (1 for 4 KiB, 2 for 2 MiB); missing tables are made if `makes`.
  private func slot<Hardware: MonitorHardware>(
    _ page: UInt64, level target: Int, makes: Bool, _ hardware: inout Hardware
  ) -> (SystemPage, Int)? {
    var table = root
    var level = levels
    while true {
      let offset = 8 &* Int(truncatingIfNeeded: page >> UInt64(9 &* (level &- 1)) & 511)
      if level == target { return (table, offset) }
      var entry = hardware.load(table, offset)
      if entry & Self.present == 0 {
        guard makes, let new = hardware.allocatePage() else { return nil }
        entry = new.address | Self.table
        hardware.store(table, offset, entry)
      } else if entry & Self.large != 0 {
        guard let new = hardware.allocatePage() else { return nil }
        let small = entry & ~Self.large
        for index in 0..<512 { hardware.store(new, 8 &* index, small &+ UInt64(index) << 12) }
        entry = new.address | Self.table
        hardware.store(table, offset, entry)
      }
      table = SystemPage(containing: entry & Self.address)
      level &-= 1
    }
  }

  /// Maps the 4 KiB page numbered `page`, C-bit or shared bit included; false if memory for tables is exhausted.
  public func map<Hardware: MonitorHardware>(
    _ page: UInt64, to system: SystemPage, _ rights: NestedRights, _ hardware: inout Hardware
  ) -> Bool {
    guard let (table, offset) = slot(page, level: 1, makes: true, &hardware) else { return false }
    hardware.store(table, offset, Self.leaf(system, rights))
    return true
  }

  /// Maps 2 MiB from `page`, both aligned; a table that was there is lost to the monitor's memory.
  public func map2M<Hardware: MonitorHardware>(
    _ page: UInt64, to system: SystemPage, _ rights: NestedRights, _ hardware: inout Hardware
  ) -> Bool {
    guard let (table, offset) = slot(page, level: 2, makes: true, &hardware) else { return false }
    let old = hardware.load(table, offset)
    guard old & Self.present == 0 || old & Self.large != 0 else {
      // Keep the table that is there: fill it.
      for index in 0..<UInt64(512) {
        guard map(page &+ index, to: system.advanced(by: index), rights, &hardware) else { return false }
      }
      return true
    }
    hardware.store(table, offset, Self.leaf(system, rights) | Self.large)
    return true
  }

  /// Makes another root of four levels lead to the same tables for the first 4 TiB and to nothing above: the private half.
  public func copyLowest<Hardware: MonitorHardware>(to other: SystemPage, _ hardware: inout Hardware) {
    for index in 0..<8 { hardware.store(other, 8 &* index, hardware.load(root, 8 &* index)) }
  }

  /// Takes the mapping of one 4 KiB page away.
  public func unmap<Hardware: MonitorHardware>(_ page: UInt64, _ hardware: inout Hardware) {
    guard let (table, offset) = slot(page, level: 1, makes: false, &hardware) else { return }
    hardware.store(table, offset, 0)
  }
}
