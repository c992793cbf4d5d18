// VMCB: where the fields of a virtual machine control block lie.

import SNP

/// Byte offsets in the 4096-byte VMCB (APM volume 2, appendix B, tables B-1 and B-2).
public enum VMCB {
  /// Size in bytes.
  public static let byteCount = 4096
  /// Intercepts of CR reads and writes, four bytes.
  public static let interceptCR = 0x000
  /// Intercepts of exceptions, four bytes.
  public static let interceptExceptions = 0x008
  /// Intercepts of instructions, 8 bytes.
  public static let interceptInstructions = 0x00C
  /// I/O permission map, physical.
  public static let ioMap = 0x040
  /// MSR permission map, physical.
  public static let msrMap = 0x048
  /// TSC offset.
  public static let tscOffset = 0x050
  /// ASID, four bytes, and TLB control.
  public static let asid = 0x058
  /// V_TPR, V_IRQ and the like.
  public static let virtualInterrupt = 0x060
  /// Interrupt shadow, bit 0.
  public static let interruptShadow = 0x068
  /// EXITCODE.
  public static let exitCode = 0x070
  /// EXITINFO1.
  public static let exitInfo1 = 0x078
  /// EXITINFO2.
  public static let exitInfo2 = 0x080
  /// EXITINTINFO.
  public static let exitIntInfo = 0x088
  /// Nested paging enable, bit 0.
  public static let nestedPaging = 0x090
  /// EVENTINJ.
  public static let eventInjection = 0x0A8
  /// Nested CR3.
  public static let nestedCR3 = 0x0B0
  /// nRIP, which QEMU does not give.
  public static let nextRIP = 0x0C8

  /// The state save area; inside it fields lie as in a VMSA (reference B.6.1).
  public static let saveArea = 0x400
  /// ES.
  public static let es = saveArea + VMSAField.es
  /// CS.
  public static let cs = saveArea + VMSAField.cs
  /// SS.
  public static let ss = saveArea + VMSAField.ss
  /// DS.
  public static let ds = saveArea + VMSAField.ds
  /// FS.
  public static let fs = saveArea + VMSAField.fs
  /// GS.
  public static let gs = saveArea + VMSAField.gs
  /// GDTR.
  public static let gdtr = saveArea + VMSAField.gdtr
  /// LDTR.
  public static let ldtr = saveArea + VMSAField.ldtr
  /// IDTR.
  public static let idtr = saveArea + VMSAField.idtr
  /// TR.
  public static let tr = saveArea + VMSAField.tr
  /// The word that holds CPL in bits 31:24.
  public static let cplWord = saveArea + 0xC8
  /// EFER.
  public static let efer = saveArea + VMSAField.efer
  /// CR4.
  public static let cr4 = saveArea + VMSAField.cr4
  /// CR3.
  public static let cr3 = saveArea + VMSAField.cr3
  /// CR0.
  public static let cr0 = saveArea + VMSAField.cr0
  /// DR7.
  public static let dr7 = saveArea + VMSAField.dr7
  /// DR6.
  public static let dr6 = saveArea + VMSAField.dr6
  /// RFLAGS.
  public static let rflags = saveArea + VMSAField.rflags
  /// RIP.
  public static let rip = saveArea + VMSAField.rip
  /// RSP.
  public static let rsp = saveArea + VMSAField.rsp
  /// RAX.
  public static let rax = saveArea + VMSAField.rax
  /// CR2.
  public static let cr2 = saveArea + VMSAField.cr2
  /// PAT.
  public static let pat = saveArea + VMSAField.pat
}
