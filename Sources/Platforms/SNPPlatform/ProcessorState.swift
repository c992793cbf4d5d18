// ProcessorState: the VMSA with which another CPU of the kernel begins at VMPL0.
import SNP
public import Seams
public import X86

/// Writes VMSAs of the kernel's own CPUs.
public enum ProcessorState {
  /// Attributes of a segment as a VMSA packs them: bits 7:0 the access byte, 11:8 AVL, L, D, G (reference B.6.1).
  private static var codeAttributes: UInt16 { 0xA9B }
  private static var dataAttributes: UInt16 { 0xC93 }
  // A 64-bit TSS, busy.
  private static var taskAttributes: UInt16 { 0x8B }

  /// Fills the page at `page` with `registers` for VMPL0 under `features`; the page is private and nobody else's.
  public static func write(
    _ registers: StartRegisters, features: SEVFeatures, virtualTOM: UInt64, to page: PhysicalAddress,
    memory: some PhysicalMemory
  ) {
    memory.zero(page, count: Frame.bytes)
    func put(_ offset: Int, _ value: UInt64) {
      memory.store(value, at: page.advanced(by: UInt64(truncatingIfNeeded: offset)))
    }
    func segment(_ offset: Int, _ selector: UInt16, _ attributes: UInt16, _ limit: UInt32, _ base: UInt64) {
      put(offset, UInt64(selector) | UInt64(attributes) << 16 | UInt64(limit) << 32)
      put(offset + 8, base)
    }
    segment(VMSAField.cs, Selector.code, codeAttributes, .max, 0)
    let flat: [4 of Int] = [VMSAField.ds, VMSAField.es, VMSAField.ss, VMSAField.fs]
    for index in flat.indices {
      segment(flat[index], Selector.data, dataAttributes, .max, 0)
    }
    segment(VMSAField.gs, Selector.data, dataAttributes, .max, registers.gsBase)
    segment(VMSAField.gdtr, 0, 0, registers.gdt.limit, registers.gdt.base)
    segment(VMSAField.idtr, 0, 0, registers.idt.limit, registers.idt.base)
    segment(VMSAField.ldtr, 0, 0x82, 0xFFFF, 0)
    segment(
      VMSAField.tr, Selector.taskState, taskAttributes, registers.taskState.limit, registers.taskState.base)
    put(VMSAField.efer, registers.efer | VMSAField.eferSVME)
    put(VMSAField.cr4, registers.cr4)
    put(VMSAField.cr3, registers.cr3)
    put(VMSAField.cr0, registers.cr0)
    put(VMSAField.dr7, 0x400)
    put(VMSAField.dr6, 0xFFFF_0FF0)
    put(VMSAField.rflags, 2)
    put(VMSAField.rip, registers.rip)
    put(VMSAField.rsp, registers.rsp)
    put(VMSAField.rdi, registers.rdi)
    put(VMSAField.pat, 0x0007_0406_0007_0406)
    put(VMSAField.sevFeatures, features.rawValue)
    put(VMSAField.virtualTOM, virtualTOM)
    put(VMSAField.xcr0, 1)
    put(VMSAField.mxcsr, 0x1F80 | UInt64(0x5555) << 32)
    put(VMSAField.fcw, 0x37F)
  }
}
