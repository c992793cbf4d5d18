// GuestPaging: a guest's own page tables, walked as its CPU would.

import X86

/// Where a linear address leads, and with which rights.
public struct LinearTranslation: Equatable, Sendable {
  /// The guest-physical address in bytes, without C-bit or shared bit.
  public var address: UInt64
  /// Whether the leaf has the C-bit (SNP), or has the shared bit (TDX); true without paging under
  /// SNP, where everything is private (svm-monitor.md §2).
  public var hasMarkBit: Bool
  /// Whether every level allows writes.
  public var isWritable: Bool
  /// Whether every level allows CPL 3.
  public var isUser: Bool
  /// Whether no level forbids instruction fetches.
  public var isExecutable: Bool
  /// How many bytes the leaf maps.
  public var pageByteCount: UInt64
}

/// A guest's page fault: the error code and the linear address for CR2.
public struct GuestPageFault: Error, Equatable, Sendable {
  /// Bit 0 present, 1 write, 2 user, 3 reserved, 4 fetch (SDM 3A, 4.7).
  public var errorCode: UInt32
  /// The linear address.
  public var address: UInt64

  /// A fault at `address`.
  public init(errorCode: UInt32, address: UInt64) {
    self.errorCode = errorCode
    self.address = address
  }
}

/// What an access wants.
public enum LinearAccess: Equatable, Sendable {
  /// A data read.
  case read
  /// A data write.
  case write
  /// An instruction fetch.
  case fetch
}

/// The paging mode of a stopped vCPU (SDM 3A, chapter 4; APM volume 2, chapter 5).
///
/// A walk never sets A or D: hardware would, but nothing that the monitor does by it depends on them.
public struct GuestPaging: Equatable, Sendable {
  /// CR0.
  public var cr0: UInt64
  /// CR3, mark bit included.
  public var cr3: UInt64
  /// CR4.
  public var cr4: UInt64
  /// EFER.
  public var efer: UInt64
  /// A word with only the C-bit or the shared bit.
  public var markBit: UInt64

  /// The mode that these registers select.
  public init(cr0: UInt64, cr3: UInt64, cr4: UInt64, efer: UInt64, markBit: UInt64) {
    self.cr0 = cr0
    self.cr3 = cr3
    self.cr4 = cr4
    self.efer = efer
    self.markBit = markBit
  }

  /// The mode of a stopped vCPU.
  public init(_ cpu: borrowing some CPUState & ~Copyable, markBit: UInt64) {
    self.init(
      cr0: cpu.vmcb(VMCB.cr0), cr3: cpu.vmcb(VMCB.cr3), cr4: cpu.vmcb(VMCB.cr4),
      efer: cpu.vmcb(VMCB.efer), markBit: markBit)
  }

  private var isPaged: Bool { cr0 & CR0.paging != 0 }
  private var isLong: Bool { efer & 1 << 10 != 0 }
  private var isPAE: Bool { cr4 & CR4.physicalAddressExtension != 0 }
  private var levelCount: Int { isLong ? (cr4 & 1 << 12 != 0 ? 5 : 4) : (isPAE ? 3 : 2) }

  /// Walks the tables; throws the not-present or reserved-bit fault of a data read at CPL 0.
  ///
  /// At most 5 table words are read.
  public func translate<View: GuestView & ~Copyable>(
    _ linear: UInt64, _ view: borrowing View
  ) throws(GuestPageFault) -> LinearTranslation {
    guard isPaged else {
      return LinearTranslation(
        address: linear & 0xFFFF_FFFF, hasMarkBit: true, isWritable: true, isUser: true,
        isExecutable: true, pageByteCount: 4096)
    }
    let absent = GuestPageFault(errorCode: 0, address: linear)
    var found = LinearTranslation(
      address: 0, hasMarkBit: false, isWritable: true, isUser: true, isExecutable: true,
      pageByteCount: 0)
    let isWide = isLong || isPAE
    var table = cr3 & ~markBit & PageTableEntry.addressMask
    // PAE's root is 32-byte aligned and lies below 4 GiB (SDM 3A, 4.4.1).
    if !isLong { table = isPAE ? cr3 & 0xFFFF_FFE0 : cr3 & 0xFFFF_F000 }
    let low: UInt64 = isLong ? linear : linear & 0xFFFF_FFFF
    var level = levelCount
    while level > 0 {
      let bits: UInt64 = isWide ? 9 : 10
      let shift = 12 &+ bits &* UInt64(level &- 1)
      let index = (low >> shift) & ((1 << bits) &- 1)
      let place = table &+ index &* (isWide ? 8 : 4)
      guard let entry = view.little(place, count: isWide ? 8 : 4), entry & PageTableEntry.present != 0
      else { throw absent }
      let isRoot = !isLong && isPAE && level == 3
      if !isRoot {
        if entry & PageTableEntry.writable == 0 { found.isWritable = false }
        if entry & 1 << 2 == 0 { found.isUser = false }
        if entry & PageTableEntry.noExecute != 0, efer & EFER.noExecuteEnable != 0 {
          found.isExecutable = false
        }
      }
      let isLarge = entry & PageTableEntry.pageSize != 0 && level > 1 && !isRoot
      if isLarge, level > (isLong ? 3 : 2) { throw GuestPageFault(errorCode: 1 | 8, address: linear) }
      if level == 1 || isLarge {
        found.pageByteCount = 1 << shift
        let frame = isWide ? entry & ~markBit & PageTableEntry.addressMask : largeFrame(entry, isLarge)
        found.address = (frame & ~(found.pageByteCount &- 1)) | (low & (found.pageByteCount &- 1))
        found.hasMarkBit = isWide && entry & markBit != 0
        return found
      }
      table = isWide ? entry & ~markBit & PageTableEntry.addressMask : entry & 0xFFFF_F000
      level &-= 1
    }
    throw absent
  }

  /// The frame of a 4-byte entry; 4 MiB leaves keep address bits 39:32 in 20:13 (SDM 3A, table 4-4).
  private func largeFrame(_ entry: UInt64, _ isLarge: Bool) -> UInt64 {
    isLarge ? (entry & 0xFFC0_0000) | (entry >> 13 & 0xFF) << 32 : entry & 0xFFFF_F000
  }

  /// Walks the tables and checks the rights that `access` at `cpl` needs (SDM 3A, 4.6; SMAP and
  /// protection keys are not checked: only supervisor accesses of the monitor come here).
  public func translate<View: GuestView & ~Copyable>(
    _ linear: UInt64, for access: LinearAccess, cpl: UInt8, _ view: borrowing View
  ) throws(GuestPageFault) -> LinearTranslation {
    var code: UInt32 = cpl == 3 ? 4 : 0
    if access == .write { code |= 2 }
    if access == .fetch, efer & EFER.noExecuteEnable != 0 { code |= 16 }
    let found: LinearTranslation
    do throws(GuestPageFault) {
      found = try translate(linear, view)
    } catch {
      throw GuestPageFault(errorCode: error.errorCode | code, address: linear)
    }
    let protection = GuestPageFault(errorCode: code | 1, address: linear)
    if cpl == 3, !found.isUser { throw protection }
    if access == .write, !found.isWritable, cpl == 3 || cr0 & CR0.writeProtect != 0 { throw protection }
    if access == .fetch, !found.isExecutable { throw protection }
    return found
  }

  /// Up to 15 bytes of the instruction at `linear`, as many as lie in mapped memory.
  public func fetch<View: GuestView & ~Copyable>(
    _ linear: UInt64, _ view: borrowing View
  ) -> InstructionBytes {
    var bytes = InstructionBytes()
    var page: LinearTranslation?
    var word: UInt64?
    for index in 0..<UInt64(InstructionBytes.capacity) {
      let place = linear &+ index
      if page == nil || place & 0xFFF == 0 { page = try? translate(place, view) }
      if word == nil || place & 7 == 0 {
        guard let page else { break }
        word = view.word((page.address & ~0xFFF) | (place & 0xFF8))
      }
      guard let word else { break }
      bytes.append(UInt8(truncatingIfNeeded: word >> ((place & 7) &* 8)))
    }
    return bytes
  }
}

/// The bytes at RIP, at most 15 (SDM 2, 2.3.11).
public struct InstructionBytes: Equatable, Sendable {
  /// The longest instruction.
  public static let capacity = 15
  private var storage = InlineArray<15, UInt8>(repeating: 0)
  /// How many are known.
  public private(set) var count = 0

  /// No bytes.
  public init() {}

  /// The first 15 bytes of `bytes`.
  public init(_ bytes: [UInt8]) { for byte in bytes { append(byte) } }

  /// Adds a byte; a sixteenth is dropped.
  public mutating func append(_ byte: UInt8) {
    guard count < Self.capacity else { return }
    storage[count] = byte
    count &+= 1
  }

  /// The byte at `index`; nil beyond the last.
  public subscript(index: Int) -> UInt8? {
    index >= 0 && index < count ? storage[index] : nil
  }

  /// Two sequences are the same if their known bytes are.
  public static func == (left: Self, right: Self) -> Bool {
    guard left.count == right.count else { return false }
    for index in 0..<left.count where left.storage[index] != right.storage[index] { return false }
    return true
  }
}
