// GuestState: the guest's start-up VMSA: 64-bit, 32-bit protected mode or real mode, as its image asks.
public import SNP
import X86

/// How a guest begins.
public enum GuestStart: Equatable, Sendable {
  /// 64-bit code at `entry` on page tables at `root` (the encryption bit included).
  case long64(entry: UInt64, root: UInt64)
  /// 32-bit flat code at `entry`, no paging.
  case protected32(entry: UInt32)
  /// The reset state of a CPU whose first instruction is at `entry`, below 4 GiB (OVMF: 0xFFFFFFF0).
  case real(entry: UInt32)
}

/// Fills start-up states (reference B.6.3).
public enum GuestState {
  /// The guest's features: the kernel's without what only the kernel's level needs.
  ///
  /// Restricted injection and debug swap stay behind (reference A.1; COCONUT does the same); vTOM goes on.
  public static func features(of kernel: SEVFeatures) -> SEVFeatures {
    kernel.subtracting([.restrictedInjection, .debugSwap])
  }

  /// A word of the state: offset in the page, value.
  public struct Word: Equatable, Sendable {
    /// Bytes from the page's start.
    public let offset: Int
    /// The value.
    public let value: UInt64
    init(_ offset: Int, _ value: UInt64) {
      self.offset = offset
      self.value = value
    }
  }

  /// The words of a state at `level`; all others are 0.
  ///
  /// RDI and RSI are the first two arguments.
  public static func words(
    _ start: GuestStart, level: VMPL, features: SEVFeatures, rdi: UInt64 = 0, rsi: UInt64 = 0,
    _ put: (Word) -> Void
  ) {
    func segment(_ offset: Int, _ selector: UInt16, _ attributes: UInt16, _ limit: UInt32, _ base: UInt64 = 0)
    {
      put(Word(offset, UInt64(selector) | UInt64(attributes) << 16 | UInt64(limit) << 32))
      put(Word(offset + 8, base))
    }
    func data(_ selector: UInt16, _ attributes: UInt16, _ limit: UInt32) {
      segment(VMSAField.ds, selector, attributes, limit)
      segment(VMSAField.es, selector, attributes, limit)
      segment(VMSAField.ss, selector, attributes, limit)
      segment(VMSAField.fs, selector, attributes, limit)
      segment(VMSAField.gs, selector, attributes, limit)
    }
    switch start {
    case .long64(let entry, let root):
      segment(VMSAField.cs, 0x08, 0xA9B, .max)
      data(0x10, 0xC93, .max)
      put(Word(VMSAField.rip, entry))
      put(Word(VMSAField.cr3, root))
      put(Word(VMSAField.cr0, CR0.paging | CR0.writeProtect | CR0.numericError | CR0.extensionType | 1))
      put(Word(VMSAField.cr4, CR4.physicalAddressExtension | CR4.machineCheck))
      put(
        Word(
          VMSAField.efer,
          VMSAField.eferSVME | EFER.longModeEnable | EFER.longModeActive | EFER.noExecuteEnable))
    case .protected32(let entry):
      segment(VMSAField.cs, 0x08, 0xC9B, .max)
      data(0x10, 0xC93, .max)
      put(Word(VMSAField.rip, UInt64(entry)))
      put(Word(VMSAField.cr0, CR0.numericError | CR0.extensionType | 1))
      put(Word(VMSAField.cr4, CR4.machineCheck))
      put(Word(VMSAField.efer, VMSAField.eferSVME))
    case .real(let entry):
      segment(VMSAField.cs, 0xF000, 0x9B, 0xFFFF, UInt64(entry) & 0xFFFF_0000)
      data(0, 0x93, 0xFFFF)
      put(Word(VMSAField.rip, UInt64(entry) & 0xFFFF))
      put(Word(VMSAField.cr0, 0x6000_0010))
      put(Word(VMSAField.efer, VMSAField.eferSVME))
    }
    segment(VMSAField.gdtr, 0, 0, 0xFFFF)
    segment(VMSAField.idtr, 0, 0, 0xFFFF)
    segment(VMSAField.ldtr, 0, 0x82, 0xFFFF)
    segment(VMSAField.tr, 0, 0x8B, 0xFFFF)
    put(Word(VMSAField.vmpl & ~7, UInt64(level.rawValue) << UInt64(8 * (VMSAField.vmpl & 7))))
    put(Word(VMSAField.dr7, 0x400))
    put(Word(VMSAField.dr6, 0xFFFF_0FF0))
    put(Word(VMSAField.rflags, 2))
    put(Word(VMSAField.pat, 0x0007_0406_0007_0406))
    put(Word(VMSAField.rdi, rdi))
    put(Word(VMSAField.rsi, rsi))
    put(Word(VMSAField.sevFeatures, features.rawValue))
    put(Word(VMSAField.xcr0, 1))
    put(Word(VMSAField.mxcsr, 0x1F80 | UInt64(0x5555) << 32))
    put(Word(VMSAField.fcw, 0x40))
  }
}
