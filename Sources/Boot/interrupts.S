// interrupts.S: the first instructions of every exception and interrupt, and the loading of the tables.
//
// Nothing here touches x87, MMX or SSE state, and every register comes back as it was.
#include "include/CPUBlock.h"

#define STUB_BYTES 16

  // Stub N pushes a zero where the CPU pushes no error code, then N, and jumps to its kind's entry.
  .section .text.apus_interrupt_stubs, "ax", @progbits
  .balign STUB_BYTES
  .globl apus_interrupt_stubs
apus_interrupt_stubs:
  .set vector, 0
  .rept 256
  .balign STUB_BYTES
  .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
  .else
  pushq $0
  .endif
  pushq $vector
  .if vector < 32
  jmp exception_entry
  .else
  jmp interrupt_entry
  .endif
  .set vector, vector + 1
  .endr

  // Exceptions save everything: the frame is what a report shows (struct apus_exception_frame).
exception_entry:
  pushq %rax
  pushq %rbx
  pushq %rcx
  pushq %rdx
  pushq %rsi
  pushq %rdi
  pushq %rbp
  pushq %r8
  pushq %r9
  pushq %r10
  pushq %r11
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  cld
  movq %rsp, %rdi
  xorl %ebp, %ebp                    // a walk goes on from the saved registers
  movq %rsp, %rbx
  andq $-16, %rsp
  call apus_exception
  movq %rbx, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %r11
  popq %r10
  popq %r9
  popq %r8
  popq %rbp
  popq %rdi
  popq %rsi
  popq %rdx
  popq %rcx
  popq %rbx
  popq %rax
  addq $16, %rsp
  iretq

  // Interrupts save what a call may change; the callee saves the rest. The CPU aligned the stack to 16 before
  // it pushed 5 words; with 2 from the stub and 9 here the call is aligned again.
interrupt_entry:
  pushq %rax
  pushq %rcx
  pushq %rdx
  pushq %rsi
  pushq %rdi
  pushq %r8
  pushq %r9
  pushq %r10
  pushq %r11
  cld
  incq %gs:APUS_CPU_INTERRUPT_COUNT
  movl 72(%rsp), %edi
  call apus_interrupt_entry
  popq %r11
  popq %r10
  popq %r9
  popq %r8
  popq %rdi
  popq %rsi
  popq %rdx
  popq %rcx
  popq %rax
  addq $16, %rsp
  iretq

  // apus_load_tables(gdt, gdt limit, idt, idt limit)
  .section .text.apus_load_tables, "ax", @progbits
  .globl apus_load_tables
apus_load_tables:
  subq $24, %rsp
  movw %si, 6(%rsp)
  movq %rdi, 8(%rsp)
  lgdt 6(%rsp)
  movw %cx, 6(%rsp)
  movq %rdx, 8(%rsp)
  lidt 6(%rsp)
  addq $24, %rsp
  movl $0x10, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss
  popq %rax                          // far return: CS from the new table
  pushq $0x08
  pushq %rax
  movl $0x18, %eax
  ltr %ax
  lretq

  .section .data.ro_after_init, "aw", @progbits
  .balign 64
  .globl apus_interrupt_table
apus_interrupt_table:
  .skip 4096
