// vmrun.S: into a guest and back.
#include "include/MonitorLayout.h"

  // mon_vmrun(registers, vmcb): runs the guest of the VMCB at address `vmcb` until it exits. `registers` are 16
  // words in encoding order, of which RAX and RSP lie in the VMCB instead.
  //
  // What VMLOAD loads stays the guest's afterwards: the monitor uses no FS, GS, TR, LDTR and none of those MSRs.
  //
  // GIF is clear from CLGI to STGI, so a physical interrupt is taken either in the guest, which exits, or after STGI
  // with IF clear, that is not before the monitor lets it in. IF must be 1 at VMRUN for the former (V_INTR_MASKING).
  .set VMCB_CR4, 0x548
  // PSE, PGE, SMEP and SMAP: no page of ours is a user page, and all are mapped for good.
  .set SYNCHRONIZED_CR4, 1 << 4 | 1 << 7 | 1 << 20 | 1 << 21
  .section .text.mon_vmrun, "ax", @progbits
  .globl mon_vmrun
mon_vmrun:
  pushq %rbx
  pushq %rbp
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  pushq %rdi
  // QEMU flushes once more in VMRUN and once more at the exit if these bits of the guest's CR4 differ from ours.
  movq VMCB_CR4(%rsi), %rcx
  movq %cr4, %rdx
  xorq %rdx, %rcx
  andl $SYNCHRONIZED_CR4, %ecx
  jz 1f
  xorq %rcx, %rdx
  movq %rdx, %cr4
1: movq %rsi, %rax
  clgi
  sti
  vmload %rax
  movq 8*1(%rdi), %rcx
  movq 8*2(%rdi), %rdx
  movq 8*3(%rdi), %rbx
  movq 8*5(%rdi), %rbp
  movq 8*6(%rdi), %rsi
  movq 8*8(%rdi), %r8
  movq 8*9(%rdi), %r9
  movq 8*10(%rdi), %r10
  movq 8*11(%rdi), %r11
  movq 8*12(%rdi), %r12
  movq 8*13(%rdi), %r13
  movq 8*14(%rdi), %r14
  movq 8*15(%rdi), %r15
  movq 8*7(%rdi), %rdi
  vmrun %rax
  cli
  vmsave %rax
  pushq %rdi
  movq 8(%rsp), %rdi
  movq %rcx, 8*1(%rdi)
  movq %rdx, 8*2(%rdi)
  movq %rbx, 8*3(%rdi)
  movq %rbp, 8*5(%rdi)
  movq %rsi, 8*6(%rdi)
  movq %r8, 8*8(%rdi)
  movq %r9, 8*9(%rdi)
  movq %r10, 8*10(%rdi)
  movq %r11, 8*11(%rdi)
  movq %r12, 8*12(%rdi)
  movq %r13, 8*13(%rdi)
  movq %r14, 8*14(%rdi)
  movq %r15, 8*15(%rdi)
  popq %rcx
  movq %rcx, 8*7(%rdi)
  popq %rdi
  cld
  stgi
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbp
  popq %rbx
  ret
