// trampoline.S: how another CPU gets from real mode to the kernel. Copied to a page below 1 MiB that never changes after.
//
// Page 0 (this code) is found by the start-up vector. The mailbox is another page there. A CPU reads the
// mailbox's list of APIC ids, and the first thing it writes is its own record, by one compare-exchange go -> started.
// Whoever may not start parks here for ever, with paging off.
#include "include/CPUBlock.h"

#define COUNT 0
#define ROOT 4
#define RECORDS 128
#define RECORD_BYTES 32
#define STATE 4
#define BLOCK 8
#define PARKED 16
#define GO 1
#define STARTED 2

  .section .rodata.apus_trampoline, "a", @progbits
  .balign 4096
  .globl apus_trampoline_start
apus_trampoline_start:
  .code16
  cli
  cld
  movw %cs, %ax
  movw %ax, %ds
  movzwl %ax, %ebx
  shll $4, %ebx                      // EBX = address of this page
  // The GDT pointer and the far pointers hold addresses of this page: the boot CPU fills them in when it
  // copies the page.
  lgdtl trampoline_gdt_pointer - apus_trampoline_start
  movl %cr0, %eax
  andl $~((1 << 29) | (1 << 30)), %eax
  orl $1, %eax
  movl %eax, %cr0
  ljmpl *(trampoline_far32 - apus_trampoline_start)

  .code32
trampoline_32:
  movl $0x10, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss

  // Who am I: the x2APIC id where CPUID leaf 0xB says so, else the 8-bit id of leaf 1. EBX is kept in EBP.
  movl %ebx, %ebp
  xorl %eax, %eax
  cpuid
  cmpl $0xB, %eax
  jb 1f
  movl $0xB, %eax
  xorl %ecx, %ecx
  cpuid
  testl %ebx, %ebx
  jnz 2f
1: movl $1, %eax
  cpuid
  shrl $24, %ebx
  movl %ebx, %edx
2:                                   // EDX = my APIC id

  // Find my record.
  movl (apus_trampoline_mailbox - apus_trampoline_start)(%ebp), %esi
  movl COUNT(%esi), %ecx
  leal RECORDS(%esi), %edi
3: testl %ecx, %ecx
  jz park
  cmpl %edx, (%edi)
  je 4f
  addl $RECORD_BYTES, %edi
  decl %ecx
  jmp 3b

  // Take the call, or park.
4: movl $GO, %eax
  movl $STARTED, %ecx
  lock cmpxchgl %ecx, STATE(%edi)
  je 5f
  movl $1, PARKED(%edi)
  jmp park

5: movl $(1 << 5), %eax              // CR4.PAE
  movl %eax, %cr4
  movl ROOT(%esi), %eax
  movl %eax, %cr3
  movl $0xC0000080, %ecx
  rdmsr
  orl $((1 << 8) | (1 << 11)), %eax  // LME, NXE
  wrmsr
  movl %cr0, %eax
  orl $((1 << 31) | (1 << 16)), %eax // PG, WP
  movl %eax, %cr0
  ljmpl *(trampoline_far64 - apus_trampoline_start)(%ebp)

park:
  cli
6: hlt
  jmp 6b

  .code64
trampoline_64:
  movq BLOCK(%rdi), %rdi
  movabsq $apus_processor_entry, %rax
  jmpq *%rax

  .balign 8
trampoline_gdt:
  .quad 0
  .quad 0x00CF9B000000FFFF           // 0x08: 32-bit code
  .quad 0x00CF93000000FFFF           // 0x10: data
  .quad 0x00AF9B000000FFFF           // 0x18: 64-bit code
trampoline_gdt_pointer:
  .word 31
  .globl apus_trampoline_gdt_base, apus_trampoline_far32, apus_trampoline_far64
apus_trampoline_gdt_base:
  .long trampoline_gdt - apus_trampoline_start   // + page, by the boot CPU
apus_trampoline_far32:
trampoline_far32:
  .long trampoline_32 - apus_trampoline_start    // + page
  .word 0x08
apus_trampoline_far64:
trampoline_far64:
  .long trampoline_64 - apus_trampoline_start    // + page
  .word 0x18
  .balign 4
  .globl apus_trampoline_mailbox
apus_trampoline_mailbox:
  .long 0                            // the mailbox page, by the boot CPU
  .globl apus_trampoline_end
apus_trampoline_end:

  // Where a CPU begins that is given its registers: RDI = my record. It takes the call, or parks.
  .section .text.apus_record_entry, "ax", @progbits
  .globl apus_record_entry
apus_record_entry:
  movl $GO, %eax
  movl $STARTED, %ecx
  lock cmpxchgl %ecx, STATE(%rdi)
  jne 1f
  movq BLOCK(%rdi), %rdi
  jmp apus_processor_entry
1: movl $1, PARKED(%rdi)
2: cli
  hlt
  jmp 2b

  // At the kernel's own addresses: RDI = my block.
  .section .text.apus_processor_entry, "ax", @progbits
  .globl apus_processor_entry
apus_processor_entry:
  movq APUS_CPU_STACK_TOP(%rdi), %rsp
  movq APUS_CPU_ROOT(%rdi), %rax
  movq %rax, %cr3                    // drops the trampoline's identity mapping
  xorl %ebp, %ebp
  movq %rdi, %rax
  movq %rdi, %rdx
  shrq $32, %rdx
  movl $0xC0000101, %ecx             // GS base
  wrmsr
  call apus_processor_main
1: cli
  hlt
  jmp 1b
