// entry.S: the self-test guest's entry, TDCALL with all registers, and faults as return values.
  .text
  .globl start, secondary_start, tdcall, probe, vectors, ipi_gate
start:
  cld
  call selftest_main
1: pause
  jmp 1b
secondary_start:
  cld
  call secondary_main
1: pause
  jmp 1b

  // tdcall(struct registers *): RAX, RCX, RDX, RBX, (RSP), RBP, RSI, RDI, R8 to R15 in and out.
tdcall:
  pushq %rbx
  pushq %rbp
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  pushq %rdi
  movq 0(%rdi), %rax
  movq 8(%rdi), %rcx
  movq 16(%rdi), %rdx
  movq 24(%rdi), %rbx
  movq 40(%rdi), %rbp
  movq 48(%rdi), %rsi
  movq 64(%rdi), %r8
  movq 72(%rdi), %r9
  movq 80(%rdi), %r10
  movq 88(%rdi), %r11
  movq 96(%rdi), %r12
  movq 104(%rdi), %r13
  movq 112(%rdi), %r14
  movq 120(%rdi), %r15
  movq 56(%rdi), %rdi
  .byte 0x66, 0x0F, 0x01, 0xCC
  xchgq %rdi, (%rsp)
  movq %rax, 0(%rdi)
  movq %rcx, 8(%rdi)
  movq %rdx, 16(%rdi)
  movq %rbx, 24(%rdi)
  movq %rbp, 40(%rdi)
  movq %rsi, 48(%rdi)
  movq %r8, 64(%rdi)
  movq %r9, 72(%rdi)
  movq %r10, 80(%rdi)
  movq %r11, 88(%rdi)
  movq %r12, 96(%rdi)
  movq %r13, 104(%rdi)
  movq %r14, 112(%rdi)
  movq %r15, 120(%rdi)
  popq %rax
  movq %rax, 56(%rdi)
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbp
  popq %rbx
  ret

#include "probe.h"

  // ReportFatalError with the vector as its code.
unexpected:
  popq %r12
  movl $0x1C00, %ecx
  xorl %eax, %eax
  xorl %r10d, %r10d
  movl $0x10003, %r11d
  .byte 0x66, 0x0F, 0x01, 0xCC
1: pause
  jmp 1b

  .balign 16
vectors:
  .set vector, 0
  .rept 32
  .balign 16
  .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21)
  .else
  pushq $0
  .endif
  .if vector == 2
  // NMIs come whenever the host likes.
  addq $8, %rsp
  iretq
  .else
  pushq $vector
  jmp fault
  .endif
  .set vector, vector + 1
  .endr
  // An interrupt counts, and ends itself: x2APIC EOI is native in a TD.
ipi_gate:
  pushq %rax
  pushq %rcx
  pushq %rdx
  movl $0x80B, %ecx
  xorl %eax, %eax
  xorl %edx, %edx
  wrmsr
  lock incq interrupt_count
  popq %rdx
  popq %rcx
  popq %rax
  iretq

  // hlt_open: lets interrupts in and halts by TDVMCALL: STI's shadow covers the call.
  .globl hlt_open
hlt_open:
  pushq %r12
  xorl %eax, %eax
  movl $0x1C00, %ecx
  xorl %r10d, %r10d
  movl $12, %r11d
  xorl %r12d, %r12d
  sti
  .byte 0x66, 0x0F, 0x01, 0xCC
  nop
  cli
  popq %r12
  ret

  // Single instructions for `probe`.
  .globl i_in, i_hlt, i_wbinvd, i_vmcall, i_vmmcall, i_seamcall, i_ud2, i_cpuid2, i_cpuid40, i_rdmsr1b, i_rdmsr6e0, i_wrmsr10
  .globl i_vmxe, i_cr4bad, i_load, i_mceoff, i_cpuid0, i_lmsw, i_clts
i_in: inb $0x60, %al
  ret
i_hlt: hlt
  ret
i_wbinvd: wbinvd
  ret
i_vmcall: .byte 0x0F, 0x01, 0xC1
  ret
i_vmmcall: .byte 0x0F, 0x01, 0xD9
  ret
i_seamcall: .byte 0x66, 0x0F, 0x01, 0xCF
  ret
i_ud2: ud2
  ret
i_cpuid0: xorl %eax, %eax
  jmp 1f
i_cpuid2: movl $2, %eax
  jmp 1f
i_cpuid40: movl $0x40000000, %eax
1: xorl %ecx, %ecx
  cpuid
  ret
i_rdmsr1b: movl $0x1B, %ecx
  rdmsr
  ret
i_rdmsr6e0: movl $0x6E0, %ecx
  rdmsr
  ret
i_wrmsr10: movl $0x10, %ecx
  wrmsr
  ret
i_vmxe: movq %cr4, %rax
  orl $0x2000, %eax
  movq %rax, %cr4
  ret
i_mceoff: movq %cr4, %rax
  andl $~0x40, %eax
  movq %rax, %cr4
  ret
i_cr4bad: movq %cr4, %rax
  btsq $40, %rax
  movq %rax, %cr4
  ret
i_lmsw: movl $0xA, %eax
  lmsw %ax
  ret
i_clts: clts
  ret
i_load: movq load_address, %rax
  movq (%rax), %rax
  ret

  .data
  .balign 8
  .globl fault_vector, fault_error, fault_rip, fault_cr2, interrupt_count, load_address
fault_vector: .quad 0
fault_error: .quad 0
fault_rip: .quad 0
fault_cr2: .quad 0
probe_stack: .quad 0
is_probing: .quad 0
interrupt_count: .quad 0
load_address: .quad 0
