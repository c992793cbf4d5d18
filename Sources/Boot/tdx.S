// tdx.S: the entry of an L1 under TDX from its reset page, and TDCALL.
//
// The reset page (ImageBuilder, TDXResetPage) leaves vCPU 0 in 64-bit mode on the builder's tables: RDI = launch
// information page, RSI = 0, interrupts off, EFER as the module made it and never written. No exception can be taken
// before Swift loads the IDT, so nothing here is an instruction that raises #VE (tdx.md D.1): no port, no CPUID beyond the
// module's own leaves, no MSR that is not native.
#include "include/CPUBlock.h"
#include "entry.h"

  // Linked where it is loaded, as the builder maps segments; given back after boot.
  .section .tdx.text, "ax", @progbits
  .globl apus_tdx_entry
apus_tdx_entry:
  cli
  cld
  rdtsc
  shlq $32, %rdx
  orq %rax, %rdx
  movl $tdx_pml4, %eax
  movq %rax, %cr3
  movabsq $apus_tdx_long_entry, %rax
  jmpq *%rax

  // Private all of it, shared none.
  .section .tdx.data, "aw", @progbits
  BOOT_PAGE_TABLES tdx_pml4

  .section .text.apus_tdx_long_entry, "ax", @progbits
  .globl apus_tdx_long_entry
apus_tdx_long_entry:
  movq %rdx, apus_entry_tsc(%rip)
  movq %rdi, apus_start_info(%rip)
  CALL_MAIN

  // apus_tdcall(uint64_t registers[16]), in encoding order; RSP and RBP do not go in.
  //
  // RBP comes back as the call left it, the caller's own from the stack: TDG.VP.ENTER does not restore it. What the host
  // may have put into scratch registers is cleared before anything else runs.
  .section .text.apus_tdcall, "ax", @progbits
  .globl apus_tdcall, apus_tdcall_open
apus_tdcall_open:
  movl $1, %esi
  jmp 1f
apus_tdcall:
  xorl %esi, %esi
1:
  pushq %rbx
  pushq %rbp
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  pushq %rdi
  testl %esi, %esi
  movq 8(%rdi), %rcx
  movq 16(%rdi), %rdx
  movq 24(%rdi), %rbx
  movq 48(%rdi), %rsi
  movq 64(%rdi), %r8
  movq 72(%rdi), %r9
  movq 80(%rdi), %r10
  movq 88(%rdi), %r11
  movq 96(%rdi), %r12
  movq 104(%rdi), %r13
  movq 112(%rdi), %r14
  movq 120(%rdi), %r15
  movq (%rdi), %rax
  movq 56(%rdi), %rdi
  jz 2f
  sti
2:
  .byte 0x66, 0x0F, 0x01, 0xCC       // TDCALL
  pushq %rax
  movq 8(%rsp), %rax
  movq %rcx, 8(%rax)
  movq %rdx, 16(%rax)
  movq %rbx, 24(%rax)
  movq %rbp, 40(%rax)
  movq %rsi, 48(%rax)
  movq %rdi, 56(%rax)
  movq %r8, 64(%rax)
  movq %r9, 72(%rax)
  movq %r10, 80(%rax)
  movq %r11, 88(%rax)
  movq %r12, 96(%rax)
  movq %r13, 104(%rax)
  movq %r14, 112(%rax)
  movq %r15, 120(%rax)
  popq %rcx
  movq %rcx, (%rax)
  popq %rdi
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbp
  popq %rbx
  xorl %eax, %eax
  xorl %ecx, %ecx
  xorl %edx, %edx
  xorl %esi, %esi
  xorl %edi, %edi
  xorl %r8d, %r8d
  xorl %r9d, %r9d
  xorl %r10d, %r10d
  xorl %r11d, %r11d
  ret
