// L2Start: the state in which an L2 vCPU begins: 64-bit code on the guest's own page tables.
import Seams
import TDX
import X86

/// Where a guest vCPU begins, and what it is told.
struct L2Start: Equatable, Sendable {
  /// The first instruction.
  var entry: UInt64
  /// CR3.
  var root: UInt64
  /// RDI.
  var index: UInt64
  /// RSI.
  var callingArea: UInt64

  /// MSRs that the L2 reads and writes without an exit: those that the module or hardware switches, and those that L1
  /// never uses (reference tdx.md B.1, D.3).
  static let passedMSRs: InlineArray<14, UInt32> = [
    0x808, 0x174, 0x175, 0x176, 0x277, 0xC000_0081, 0xC000_0082, 0xC000_0084, 0xC000_0100, 0xC000_0101,
    0xC000_0102,
    0xC000_0103, 0x48, 0xDA0,
  ]
  /// And those it only reads: TSC, EFER, and what the virtual-APIC page shows of the priority.
  static let readMSRs: InlineArray<3, UInt32> = [0x10, 0xC000_0080, 0x80A]
  /// And those it only writes: EOI and self-IPI; TPR it does both with (B.7).
  static let writtenMSRs: InlineArray<2, UInt32> = [0x80B, 0x83F]

  /// The words of the bitmap in which those lie; all others stay all ones, as the module made them.
  private static let words: InlineArray<16, Int> = [
    0x00, 0x01, 0x05, 0x09, 0x20, 0x36, 0x82, 0x84, 0x100, 0x101, 0x105, 0x109, 0x120, 0x136, 0x182, 0x184,
  ]

  /// Writes controls and state of this vCPU's L2; false if the module refuses a field.
  ///
  /// Rule: reference B.3. All four mask and shadow fields are written before the first entry; VMXE is L1's and reads
  /// as 0; the L2's shared half is the host's, its TDCALLs are L1's.
  func prepare<Hardware: TDXHardware>(_ fields: L2Fields<Hardware>, virtualAPIC: UInt64) -> Bool {
    var isGood = fields.writeControls(1)
    func put(_ field: VMCSEncoding, _ value: UInt64, mask: UInt64? = nil) {
      isGood = fields.write(field, value, mask: mask) && isGood
    }
    put(.virtualAPICAddress, virtualAPIC)
    put(.cr0Mask, Self.ownedCR0)
    put(.cr4Mask, Self.ownedCR4)
    put(.cr0Shadow, Self.cr0 & Self.ownedCR0)
    put(.cr4Shadow, 0)
    put(.cr0, Self.cr0, mask: Self.writableCR0)
    put(.cr4, CR4.physicalAddressExtension, mask: Self.writableCR4)
    put(.cr3, root)
    put(.efer, EFER.longModeEnable | EFER.longModeActive | 1, mask: 0x501)
    put(.entryControls, Self.longModeGuest, mask: Self.longModeGuest)
    put(.selector(1), 0x08)
    put(.rights(1), 0xA09B)
    for number in [0, 2, 3, 4, 5] as [UInt16] { put(.selector(number), 0x10) }
    isGood = fields.writeDeadline(.max) && isGood
    return writeBitmap(fields) && isGood
  }

  // Words are written once each, with the holes of all their MSRs.
  private func writeBitmap<Hardware: TDXHardware>(_ fields: L2Fields<Hardware>) -> Bool {
    var isGood = true
    for place in Self.words.indices {
      let index = Self.words[place]
      var word = UInt64.max
      for number in Self.passedMSRs.indices {
        word &= Self.hole(Self.passedMSRs[number], index, isWrite: false)
        word &= Self.hole(Self.passedMSRs[number], index, isWrite: true)
      }
      for number in Self.readMSRs.indices { word &= Self.hole(Self.readMSRs[number], index, isWrite: false) }
      for number in Self.writtenMSRs.indices {
        word &= Self.hole(Self.writtenMSRs[number], index, isWrite: true)
      }
      isGood = fields.writeBitmap(index, word) && isGood
    }
    return isGood
  }

  /// Word `index` of a bitmap with a hole for `msr`, if it lies there (reference B.2).
  static func hole(_ msr: UInt32, _ index: Int, isWrite: Bool) -> UInt64 {
    let base = (msr >= 0xC000_0000 ? 0x80 : 0) + (isWrite ? 0x100 : 0)
    return index == base + Int((msr & 0x1FFF) / 64) ? ~(1 << UInt64(msr & 63)) : .max
  }

  /// The general registers and where it begins.
  var state: L2EnterState {
    var state = L2EnterState()
    state.registers.rdi = index
    state.registers.rsi = callingArea
    state.rip = entry
    state.rflags = 2
    return state
  }

  /// PG and PE are L1's, which keeps LMA in step with them (G.66).
  static var ownedCR0: UInt64 { CR0.paging | 1 }
  /// VMXE, which an L2 would see set.
  static var ownedCR4: UInt64 { 1 << 13 }
  private static var cr0: UInt64 { CR0.paging | CR0.writeProtect | CR0.extensionType | 1 }
  static var writableCR0: UInt64 { 0x8005_001F }
  static var writableCR4: UInt64 { 0x03FF_1FBF }
  /// IA-32e mode guest, bit 9 of the entry controls.
  static var longModeGuest: UInt64 { 1 << 9 }
}
