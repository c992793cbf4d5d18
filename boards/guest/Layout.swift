// Layout: where the test guest keeps what its vCPUs need, in guest-physical memory.

/// 64 KiB for each vCPU from 8 MiB on, and pages to play with from 16 MiB on.
enum Layout {
  static func block(_ index: Int) -> UInt64 { 0x80_0000 &+ UInt64(index & 63) &* 0x1_0000 }
  /// The vCPU's saved state, never on a 2 MiB boundary (reference snp-svsm.md C.1, 20).
  static func vmsa(_ index: Int) -> UInt64 { block(index) &+ 0x1000 }
  static func callingArea(_ index: Int) -> UInt64 { block(index) &+ 0x2000 }
  static func ghcb(_ index: Int) -> UInt64 { block(index) &+ 0x3000 }
  /// What a vCPU tells the first one.
  static func mailbox(_ index: Int) -> UInt64 { block(index) &+ 0x4000 }
  /// A page for lists.
  static func list(_ index: Int) -> UInt64 { block(index) &+ 0x5000 }
  /// Spare pages of the block: a second saved state, a second calling area.
  static func spare(_ index: Int, _ number: UInt64) -> UInt64 { block(index) &+ 0x6000 &+ number &* 0x1000 }
  /// Pages that start out invalid.
  static func test(_ number: UInt64) -> UInt64 { 0x100_0000 &+ number &* 0x1000 }
  /// Pages that all vCPUs fight over.
  static func arena(_ number: UInt64) -> UInt64 { 0x120_0000 &+ number &* 0x1000 }
  /// 2 MiB of their own.
  static let large: UInt64 = 0x140_0000
  /// Pages of one long list.
  static func long(_ number: UInt64) -> UInt64 { 0x180_0000 &+ number &* 0x1000 }
  /// Where the alias of shared memory starts.
  static let alias: UInt64 = 1 << 32
}
