// VMSACodec: moves a vCPU's registers between its VMSA page and the VMCB that runs it.

import Model
import SNP

/// The copy that hardware makes at VMRUN and at an exit, which under our monitor software must make.
///
/// Fields at 0x000 to 0x298 lie in the VMCB's save area at the same offsets (reference B.6.1); what the
/// VMCB reserves there (shadow-stack pointers, VMPL, XSS, GUEST_* words) stays in the VMSA.
public enum VMSACodec {
  /// Save-area words that are the same in both, by VMSA offset.
  ///
  /// CPL is a part of the word 0x0C8, whose VMPL byte has no place in a VMCB.
  private static func forEachSharedWord(_ body: (Int) -> Void) {
    for offset in stride(from: VMSAField.es, to: VMSAField.tr + 16, by: 8) { body(offset) }
    body(VMSAField.efer)
    for offset in stride(from: VMSAField.cr4, through: VMSAField.rip, by: 8) { body(offset) }
    body(VMSAField.rsp)
    for offset in stride(from: VMSAField.rax, through: VMSAField.cr2, by: 8) { body(offset) }
    for offset in stride(from: VMSAField.pat, through: VMSAField.debugControl, by: 8) { body(offset) }
  }

  /// The VMSA offset of a general register that a VMCB does not hold.
  public static func offset(_ register: GeneralRegister) -> Int {
    switch register {
    case .rax: VMSAField.rax
    case .rsp: VMSAField.rsp
    case .rcx: VMSAField.rcx
    case .rdx: VMSAField.rdx
    case .rbx: VMSAField.rbx
    case .rbp: VMSAField.rbp
    case .rsi: VMSAField.rsi
    case .rdi: VMSAField.rdi
    default: VMSAField.r8 + Int(register.rawValue - 8) * 8
    }
  }

  /// Loads the VMSA in `page` into `cpu`, as VMRUN does.
  public static func load<CPU: CPUState & ~Copyable, Memory: PageMemory & ~Copyable>(
    _ page: SystemPage, into cpu: inout CPU, _ memory: borrowing Memory
  ) {
    forEachSharedWord { offset in cpu.setVMCB(VMCB.saveArea + offset, memory.load(page, offset)) }
    cpu.setCPL(UInt8(truncatingIfNeeded: memory.load(page, 0xC8) >> 24))
    for register in GeneralRegister.allCases where register != .rax && register != .rsp {
      cpu.setStored(register, memory.load(page, offset(register)))
    }
    let control = VirtualInterruptControl(
      rawValue: memory.load(page, VMSAField.virtualInterruptControl))
    let shadow = cpu.vmcb(VMCB.interruptShadow) & ~1
    cpu.setVMCB(VMCB.interruptShadow, shadow | (control.isInShadow ? 1 : 0))
  }

  /// Stores `cpu` into the VMSA in `page`, as an exit does.
  ///
  /// Stricter than copying: EFER.SVME of the VMSA stays as it is, since only memory accesses change it
  /// (reference B.6.1).
  public static func store<CPU: CPUState & ~Copyable, Memory: PageMemory & ~Copyable>(
    _ cpu: borrowing CPU, into page: SystemPage, _ memory: inout Memory
  ) {
    let gate = memory.load(page, VMSAField.efer) & VMSAField.eferSVME
    for offset in stride(from: VMSAField.es, to: VMSAField.tr + 16, by: 8) {
      memory.store(page, offset, cpu.vmcb(VMCB.saveArea + offset))
    }
    let efer = cpu.vmcb(VMCB.efer) & ~VMSAField.eferSVME
    memory.store(page, VMSAField.efer, efer | gate)
    copy(VMSAField.cr4, VMSAField.rip, cpu, page, &memory)
    copy(VMSAField.rsp, VMSAField.rsp, cpu, page, &memory)
    copy(VMSAField.rax, VMSAField.cr2, cpu, page, &memory)
    copy(VMSAField.pat, VMSAField.debugControl, cpu, page, &memory)
    let levels = memory.load(page, 0xC8) & ~0xFF00_0000
    memory.store(page, 0xC8, levels | UInt64(cpu.cpl) << 24)
    for register in GeneralRegister.allCases where register != .rax && register != .rsp {
      memory.store(page, offset(register), cpu.stored(register))
    }
    let control = memory.load(page, VMSAField.virtualInterruptControl) & ~(1 << 10)
    memory.store(
      page, VMSAField.virtualInterruptControl, control | (cpu.vmcb(VMCB.interruptShadow) & 1) << 10)
  }

  private static func copy<CPU: CPUState & ~Copyable, Memory: PageMemory & ~Copyable>(
    _ first: Int, _ last: Int, _ cpu: borrowing CPU, _ page: SystemPage, _ memory: inout Memory
  ) {
    for offset in stride(from: first, through: last, by: 8) {
      memory.store(page, offset, cpu.vmcb(VMCB.saveArea + offset))
    }
  }
}
