// SecureEPT: the private memory of a TD, and what its L2 virtual machines may do with it.

import TDX

/// The secure EPT of a TD as arrays over its windows of pages: 8 bytes per 4 KiB page and 2 per L2.
///
/// Two levels are kept, 4 KiB and 2 MiB; tables above exist always. Storage is fixed at `init`.
public struct SecureEPT: ~Copyable {
  /// The guest pages that the table covers.
  public let windows: PageWindows
  /// How many L2 virtual machines have aliases.
  public let l2Count: Int
  private var pages: [SEPTEntry]
  private var regions: [SEPTEntry]
  /// Attributes by VM and page: bits 6:0 rights, 14 blocked until accepted, 15 aliased.
  private var aliases: [UInt16]
  private var regionAliases: [UInt16]
  /// Bit n: VM n has a table for 4 KiB aliases of the region.
  private var l2Tables: [UInt8]

  /// An empty table.
  public init(windows: PageWindows, l2Count: Int) {
    self.windows = windows
    self.l2Count = min(max(0, l2Count), 3)
    let count = windows.pageCount
    pages = [SEPTEntry](repeating: SEPTEntry(), count: count)
    regions = [SEPTEntry](repeating: SEPTEntry(), count: count / 512)
    aliases = [UInt16](repeating: 0, count: count * self.l2Count)
    regionAliases = [UInt16](repeating: 0, count: count / 512 * self.l2Count)
    l2Tables = [UInt8](repeating: 0, count: count / 512)
  }

  /// Walks to `level` (0, 1 or 2) and answers the entry found there, or where the walk stopped.
  public func walk(_ page: GuestPage, to level: UInt8) -> SEPTWalk {
    var table = SEPTEntry()
    table.state = .table
    guard let index = windows.index(page) else { return SEPTWalk(level: 2, entry: SEPTEntry()) }
    if level >= 2 { return SEPTWalk(level: 2, entry: table) }
    let region = regions[index / 512]
    if level == 1 || !region.state.isTable { return SEPTWalk(level: 1, entry: region) }
    return SEPTWalk(level: 0, entry: pages[index])
  }

  /// The leaf that maps `page`, at whatever level, and the 4 KiB system page inside it; nil if none.
  public func leaf(_ page: GuestPage) -> (walk: SEPTWalk, page: SystemPage)? {
    let walk = walk(page, to: 0)
    guard walk.isLeaf else { return nil }
    return (walk, walk.entry.page.advanced(by: walk.level == 1 ? page.rawValue & 511 : 0))
  }

  /// Changes the entry of `page` at `level` 0 or 1.
  mutating func update(_ page: GuestPage, level: UInt8, _ change: (inout SEPTEntry) -> Void) {
    guard let index = windows.index(page) else { return }
    if level == 1 { change(&regions[index / 512]) } else { change(&pages[index]) }
  }

  private func aliasIndex(_ page: GuestPage, level: UInt8, vm: Int) -> Int? {
    guard vm >= 1, vm <= l2Count, let index = windows.index(page) else { return nil }
    return level == 1
      ? (vm - 1) * regions.count + index / 512 : (vm - 1) * pages.count + index
  }

  /// The raw alias word of `vm` for the leaf of `page` at `level`; 0 if there is none.
  func alias(_ page: GuestPage, level: UInt8, vm: Int) -> UInt16 {
    guard let index = aliasIndex(page, level: level, vm: vm) else { return 0 }
    return level == 1 ? regionAliases[index] : aliases[index]
  }

  /// Sets the raw alias word.
  mutating func setAlias(_ page: GuestPage, level: UInt8, vm: Int, _ word: UInt16) {
    guard let index = aliasIndex(page, level: level, vm: vm) else { return }
    if level == 1 { regionAliases[index] = word } else { aliases[index] = word }
  }

  /// Alias word, bit 14: the alias exists but the page is not accepted.
  static let aliasBlocked: UInt16 = 1 << 14

  /// The attributes that `vm` has on `page`, and whether they can be used yet; nil without alias.
  public func attributes(
    _ page: GuestPage, vm: Int
  ) -> (attributes: GPAAttributes, isBlocked: Bool)? {
    let walk = walk(page, to: 0)
    guard walk.isLeaf else { return nil }
    let word = alias(page, level: walk.level, vm: vm)
    guard word & GPAAttributes.valid.rawValue != 0 else { return nil }
    return (GPAAttributes(rawValue: word & 0x7F), word & Self.aliasBlocked != 0)
  }

  /// Whether `vm` has the table that an alias at `level` needs; a 2 MiB alias needs none here.
  public func hasL2Table(_ page: GuestPage, level: UInt8, vm: Int) -> Bool {
    guard let index = windows.index(page) else { return false }
    return level == 1 || l2Tables[index / 512] & (1 << UInt8(vm & 3)) != 0
  }

  mutating func setL2Table(_ page: GuestPage, vm: Int) {
    guard let index = windows.index(page), vm >= 1, vm <= l2Count else { return }
    l2Tables[index / 512] |= 1 << UInt8(vm)
  }

  /// Makes all aliases of a leaf usable, once it is accepted (tdx.md A.4 leaf 6, step 7).
  mutating func unblockAliases(_ page: GuestPage, level: UInt8) {
    for vm in stride(from: 1, through: l2Count, by: 1) {
      let word = alias(page, level: level, vm: vm)
      setAlias(page, level: level, vm: vm, word & ~Self.aliasBlocked)
    }
  }

  /// Drops all aliases of a leaf: conversion loses them (tdx.md B.4).
  mutating func dropAliases(_ page: GuestPage, level: UInt8) {
    for vm in stride(from: 1, through: l2Count, by: 1) {
      setAlias(page, level: level, vm: vm, 0)
    }
  }
}
