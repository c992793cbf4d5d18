// StartState: the registers with which a boot processor starts, as a VMSA or a native context.
import IGVM

/// A page of bytes with little-endian fields, such as a VMSA.
struct FieldPage {
  /// The 4096 bytes.
  private(set) var bytes = [UInt8](repeating: 0, count: 4096)

  /// Stores an integer at `offset`, which is a constant of a layout.
  mutating func set<T: FixedWidthInteger & UnsignedInteger>(_ value: T, at offset: Int) {
    for index in 0..<(T.bitWidth / 8) where offset + index < bytes.count {
      bytes[offset + index] = UInt8(truncatingIfNeeded: value >> T(truncatingIfNeeded: 8 * index))
    }
  }

  /// Stores a segment of a VMSA.
  mutating func setSegment(
    _ offset: Int, selector: UInt16, attributes: UInt16, limit: UInt32, base: UInt64 = 0
  ) {
    set(selector, at: offset)
    set(attributes, at: offset + 2)
    set(limit, at: offset + 4)
    set(base, at: offset + 8)
  }
}

/// Where and how a kernel starts.
struct StartState {
  /// How.
  var mode: BoardLayout.StartMode
  /// The first instruction.
  var rip: UInt64
  /// The top of the stack; 0 = none.
  var stackTop: UInt64
  /// The launch information page.
  var launchInformation: UInt64
  /// CR3; loaded in every mode, used at once only in `long64`.
  var root: UInt64

  private var isLong: Bool { mode == .long64 }
  private var cr0: UInt64 { isLong ? 0x8001_0031 : 0x31 }
  // LME without LMA in 32-bit modes: setting CR0.PG is enough to enter long mode.
  private var efer: UInt64 { isLong ? 0xD00 : 0x900 }
  private var codeAttributes: UInt16 { isLong ? 0xA09B : 0xC09B }

  /// The VMSA of an SNP guest (reference §8.1, §16.3): SVME is set because the guest's EFER must have it.
  func vmsa(features: UInt64, virtualTOM: UInt64) -> [UInt8] {
    var page = FieldPage()
    let data = VMSALayout.attributes(0xC093)
    page.setSegment(
      VMSALayout.cs, selector: 8, attributes: VMSALayout.attributes(codeAttributes), limit: .max)
    for segment in [VMSALayout.es, VMSALayout.ss, VMSALayout.ds, VMSALayout.fs, VMSALayout.gs] {
      page.setSegment(segment, selector: 0x10, attributes: data, limit: .max)
    }
    page.setSegment(VMSALayout.ldtr, selector: 0, attributes: 0x82, limit: 0xFFFF)
    page.setSegment(VMSALayout.tr, selector: 0, attributes: 0x8B, limit: 0xFFFF)
    page.set(0x1000 | efer, at: VMSALayout.efer)
    page.set(cr0, at: VMSALayout.cr0)
    page.set(root, at: VMSALayout.cr3)
    page.set(UInt64(0x60), at: VMSALayout.cr4)
    page.set(UInt64(0x400), at: VMSALayout.dr7)
    page.set(UInt64(0xFFFF_0FF0), at: VMSALayout.dr6)
    page.set(UInt64(2), at: VMSALayout.rflags)
    page.set(rip, at: VMSALayout.rip)
    page.set(stackTop, at: VMSALayout.rsp)
    page.set(launchInformation, at: VMSALayout.rdi)
    page.set(UInt64(0x0007_0406_0007_0406), at: VMSALayout.pat)
    page.set(features, at: VMSALayout.sevFeatures)
    page.set(virtualTOM, at: VMSALayout.virtualTOM)
    page.set(UInt64(1), at: VMSALayout.xcr0)
    page.set(UInt32(0x1F80), at: VMSALayout.mxcsr)
    page.set(UInt16(0x37F), at: VMSALayout.x87ControlWord)
    return page.bytes
  }

  /// The context of a processor without isolation (reference §8.2).
  func nativeContext() -> [UInt8] {
    var context = NativeContext(
      code: .init(selector: 8, attributes: codeAttributes), data: .init(selector: 0x10, attributes: 0xC093),
      cr0: cr0, cr3: isLong ? root : 0, cr4: isLong ? 0x20 : 0, efer: isLong ? efer : 0)
    context.rip = rip
    context.general[4] = stackTop
    context.general[7] = launchInformation
    return context.encoded()
  }
}
