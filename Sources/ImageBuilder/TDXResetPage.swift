// TDXResetPage: the measured page at the end of 4 GiB where every processor of a TD starts.

/// The reset page: start-up code and the constants that it reads.
///
/// Every processor starts at 0xFFFFFFF0 in 32-bit protected mode without a stack (TDX module 1.5 ABI, TD VCPU initial
/// state; reference tdx.md D.4, E.3 steps 1 to 3). The code loads the GDT below, CR4, CR3 and CR0, reaches 64-bit
/// mode without touching EFER, and then:
/// - processor 0 (ESI) continues at the kernel's entry with RSP, and RDI = the launch information page;
/// - the others spin on their start record in the mailbox, or park for ever if they have none.
///
/// The page itself is never written: what changes lies in the mailbox. A start record is 64 bytes:
/// {state u32, parked u32, RIP u64, RSP u64, RDI u64, CR3 u64 (0 = keep)}; the states are those of `Seams`'s StartState:
/// 0 wait, 1 go, 2 started, 4 revoked. The processor turns go into started by compare-exchange before it touches anything
/// else; one that finds revoked sets `parked` to 1 and stays here for ever. A CR3 given there must map this page one to one, executable.
enum TDXResetPage {
  /// Where the page lies, bytes.
  static let gpa: UInt64 = 0xFFFF_F000
  /// The bytes of a start record.
  static let startRecordSize: UInt64 = 64
  /// Where the code starts in the page, bytes.
  static let codeOffset = 0x100

  /// The 4096 bytes of the page.
  static func encoded(
    root: UInt64, entry: UInt64, stackTop: UInt64, launchInformation: UInt64, mailbox: BoardLayout.Area
  ) -> [UInt8] {
    var page: [UInt8] = []
    func append(_ value: UInt64, bytes: Int = 8) {
      for index in 0..<bytes { page.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
    }
    for word in [root, entry, stackTop, launchInformation, mailbox.gpa] { append(word) }
    append(mailbox.byteCount / startRecordSize)
    // The GDT: null, 64-bit code, data; then its limit and address for LGDT.
    for descriptor in [0, 0x00AF_9B00_0000_FFFF, 0x00CF_9300_0000_FFFF] as [UInt64] { append(descriptor) }
    append(23, bytes: 2)
    append(gpa + 0x30, bytes: 4)
    page.append(contentsOf: repeatElement(0, count: codeOffset - page.count))
    page.append(contentsOf: code)
    page.append(contentsOf: repeatElement(0, count: 0xFF0 - page.count))
    page.append(contentsOf: resetVector)
    page.append(contentsOf: repeatElement(0, count: 4096 - page.count))
    return page
  }

  /// Tests/Golden/tdx-reset.S, assembled; `ci/igvm` compares the two.
  private static let code: [UInt8] = [
    0xFA, 0x0F, 0x01, 0x15, 0x48, 0xF0, 0xFF, 0xFF, 0xA1, 0x00, 0xF0, 0xFF, 0xFF, 0x0F, 0x22, 0xD8,
    0xB8, 0x60, 0x00, 0x00, 0x00, 0x0F, 0x22, 0xE0, 0xB8, 0x33, 0x00, 0x01, 0x80, 0x0F, 0x22, 0xC0,
    0xEA, 0x27, 0xF1, 0xFF, 0xFF, 0x08, 0x00, 0xB8, 0x10, 0x00, 0x00, 0x00, 0x8E, 0xD8, 0x8E, 0xC0,
    0x8E, 0xE0, 0x8E, 0xE8, 0x8E, 0xD0, 0xBD, 0x00, 0xF0, 0xFF, 0xFF, 0x85, 0xF6, 0x75, 0x0B, 0x48,
    0x8B, 0x65, 0x10, 0x48, 0x8B, 0x7D, 0x18, 0xFF, 0x65, 0x08, 0x3B, 0x75, 0x28, 0x73, 0x21, 0x48,
    0x8B, 0x55, 0x20, 0x89, 0xF1, 0xC1, 0xE1, 0x06, 0x48, 0x01, 0xCA, 0xF3, 0x90, 0x8B, 0x02, 0x83,
    0xF8, 0x01, 0x74, 0x10, 0x83, 0xF8, 0x04, 0x75, 0xF2, 0xC7, 0x42, 0x04, 0x01, 0x00, 0x00, 0x00,
    0xF3, 0x90, 0xEB, 0xFC, 0xB9, 0x02, 0x00, 0x00, 0x00, 0xF0, 0x0F, 0xB1, 0x0A, 0x75, 0xDC, 0x48,
    0x8B, 0x42, 0x20, 0x48, 0x85, 0xC0, 0x74, 0x03, 0x0F, 0x22, 0xD8, 0x48, 0x8B, 0x62, 0x10, 0x48,
    0x8B, 0x7A, 0x18, 0xFF, 0x62, 0x08,
  ]

  /// The jump at 0xFFFFFFF0 to the code.
  private static let resetVector: [UInt8] = [0xE9, 0x0B, 0xF1, 0xFF, 0xFF]
}
