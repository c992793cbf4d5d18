// CPUIDPage: the CPUID leaves that an SNP guest asks its firmware to vouch for.

/// The SNP CPUID page (SEV-SNP firmware ABI 56860, §7.1; reference §16.3): at most 64 entries of 48 bytes.
struct CPUIDPage {
  /// A leaf and sub-leaf; the loader or firmware fills in the values.
  struct Entry {
    let leaf: UInt32
    let subleaf: UInt32
  }

  /// The entries in order.
  let entries: [Entry]

  /// The leaves that Linux, OVMF and the kernel itself read: basic, extended, topology and XSAVE.
  static let request = CPUIDPage(
    entries: [
      (0x0, 0), (0x1, 0), (0x2, 0), (0x4, 0), (0x4, 1), (0x4, 2), (0x4, 3), (0x5, 0), (0x6, 0), (0x7, 0),
      (0x7, 1),
      (0xB, 0), (0xB, 1), (0xD, 0), (0xD, 1), (0xF, 0), (0x10, 0), (0x8000_0000, 0), (0x8000_0001, 0),
      (0x8000_0002, 0), (0x8000_0003, 0), (0x8000_0004, 0), (0x8000_0005, 0), (0x8000_0006, 0),
      (0x8000_0007, 0),
      (0x8000_0008, 0), (0x8000_000A, 0), (0x8000_0019, 0), (0x8000_001A, 0), (0x8000_001D, 0),
      (0x8000_001D, 1),
      (0x8000_001D, 2), (0x8000_001D, 3), (0x8000_001E, 0), (0x8000_001F, 0), (0x8000_0020, 0),
      (0x8000_0021, 0),
    ].map { Entry(leaf: $0.0, subleaf: $0.1) })

  /// The 4096 bytes of the page, with all values zero.
  func encoded() -> [UInt8] {
    var page = FieldPage()
    page.set(UInt32(truncatingIfNeeded: entries.count), at: 0)
    for (index, entry) in entries.prefix(64).enumerated() {
      page.set(entry.leaf, at: 16 + 48 * index)
      page.set(entry.subleaf, at: 20 + 48 * index)
      // XSAVE leaves are asked for with x87 enabled (XCR0 = 1).
      if entry.leaf == 0xD { page.set(UInt64(1), at: 24 + 48 * index) }
    }
    return page.bytes
  }
}
