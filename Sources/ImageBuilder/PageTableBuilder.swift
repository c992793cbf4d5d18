// PageTableBuilder: the four-level page tables that a kernel starts on.

/// Builds 4 KiB mappings in a pool of pages at a fixed place (AMD64 APM volume 2, §5.3).
struct PageTableBuilder {
  /// Entry bits.
  private enum Bit {
    static let present: UInt64 = 1 << 0
    static let writable: UInt64 = 1 << 1
    static let noExecute: UInt64 = 1 << 63
    static let address: UInt64 = 0x000F_FFFF_FFFF_F000
  }

  private let base: UInt64
  private let capacity: Int
  private let encryption: UInt64
  private var tables: [[UInt64]]

  /// Tables in `capacity` pages from `base` (bytes); `encryptionBit`, if any, is set in every entry.
  init(base: UInt64, capacity: Int, encryptionBit: Int?) {
    self.base = base
    self.capacity = capacity
    encryption = encryptionBit.map { 1 << UInt64($0) } ?? 0
    tables = [[UInt64](repeating: 0, count: 512)]
  }

  /// CR3.
  var root: UInt64 { base | encryption }

  /// Maps one page; mapping it again in the same way is allowed, in another way is not.
  mutating func map(
    _ virtual: UInt64, to gpa: UInt64, isWritable: Bool, isExecutable: Bool
  ) throws(ImageError) {
    guard virtual >> 47 == 0 || virtual >> 47 == 0x1FFFF else {
      throw ImageError(
        .address, "the virtual address \(hex(virtual)) is not canonical",
        fix: "link the kernel in the low or the high half of 48 bits")
    }
    var table = 0
    for shift in [UInt64(39), 30, 21] {
      let index = Int((virtual >> shift) & 511)
      let entry = tables[table][index]
      if entry & Bit.present != 0 {
        table = Int(((entry & Bit.address & ~encryption) - base) / 4096)
        continue
      }
      guard tables.count < capacity else {
        throw ImageError(
          .capacity, "the page tables need more than \(capacity) pages",
          fix: "enlarge the layout's area pageTables")
      }
      tables.append([UInt64](repeating: 0, count: 512))
      let next = tables.count - 1
      tables[table][index] = base + UInt64(next) * 4096 | encryption | Bit.present | Bit.writable
      table = next
    }
    let index = Int((virtual >> 12) & 511)
    var entry = gpa | encryption | Bit.present
    if isWritable { entry |= Bit.writable }
    if !isExecutable { entry |= Bit.noExecute }
    let old = tables[table][index]
    guard old == 0 || old == entry else {
      throw ImageError(
        .overlap, "the virtual page \(hex(virtual)) is mapped twice",
        fix: "keep the kernel's segments and the layout's areas apart")
    }
    tables[table][index] = entry
  }

  /// The tables in order, the root first, each as 4096 bytes.
  var pages: [ArraySlice<UInt8>] {
    tables.map { table in
      var bytes: [UInt8] = []
      bytes.reserveCapacity(4096)
      for entry in table {
        for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: entry >> UInt64(8 * shift))) }
      }
      return bytes[...]
    }
  }
}
