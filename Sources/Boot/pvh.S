// pvh.S: the PVH entry: 32-bit protected mode to 64-bit Swift at the kernel's own addresses.
//
// The loader (Xen "PVH" boot protocol, docs/misc/pvh.pandoc of Xen 4.11 and later) enters here with
// paging off, flat segments, interrupts off and EBX = physical address of hvm_start_info.
// Everything in .boot.* is linked at its physical address and is given back after boot.

#include "entry.h"

#define KERNEL_STACK_BYTES 32768

  .section .boot.text, "ax", @progbits
  // XEN_ELFNOTE_PHYS32_ENTRY (18): where the loader jumps to.
  // Linked to the entry: an image without this entry has no note either.
  .section .note.Xen, "ao", @note, .boot.text
  .balign 4
  .long 4, 8, 18
  .asciz "Xen"
  .quad apus_pvh_entry

  .section .boot.text, "ax", @progbits
  .code32
  .globl apus_pvh_entry
apus_pvh_entry:
  cli
  cld
  rdtsc
  movl %eax, boot_entry_tsc
  movl %edx, boot_entry_tsc + 4
  movl %ebx, boot_start_info

  lgdt boot_gdt_pointer
  movl %cr4, %eax
  orl $(1 << 5), %eax                // CR4.PAE
  movl %eax, %cr4
  movl $boot_pml4, %eax
  movl %eax, %cr3
  movl $0x80000001, %eax             // NX is required: every long-mode CPU since 2004 has it.
  cpuid
  movl %edx, %esi
  movl $0xC0000080, %ecx             // EFER
  rdmsr
  orl $(1 << 8), %eax                // LME
  btl $20, %esi
  jnc 1f
  orl $(1 << 11), %eax               // NXE
1: wrmsr
  movl %cr0, %eax
  andl $~((1 << 29) | (1 << 30)), %eax   // caches on: CD and NW clear
  orl $((1 << 31) | (1 << 16) | 1), %eax // PG, WP, PE
  movl %eax, %cr0
  ljmp $0x08, $boot_long_mode

  .code64
boot_long_mode:
  movl $0x10, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss
  xorl %eax, %eax
  movl %eax, %fs
  movl %eax, %gs
  movabsq $apus_long_entry, %rax
  jmpq *%rax

  .section .boot.data, "aw", @progbits
  .balign 8
boot_entry_tsc: .quad 0
boot_start_info: .quad 0
boot_gdt:
  .quad 0
  .quad 0x00AF9B000000FFFF           // 64-bit code
  .quad 0x00CF93000000FFFF           // data
boot_gdt_end:
boot_gdt_pointer:
  .word boot_gdt_end - boot_gdt - 1
  .long boot_gdt

  BOOT_PAGE_TABLES boot_pml4

  .section .text.apus_long_entry, "ax", @progbits
  .globl apus_long_entry
apus_long_entry:
  movl $boot_entry_tsc, %ecx
  movq (%rcx), %rax
  movq %rax, apus_entry_tsc(%rip)
  movl $boot_start_info, %ecx
  movq (%rcx), %rax
  movq %rax, apus_start_info(%rip)
  CALL_MAIN

  // The guard page below the boot stack is left out of the kernel's own page tables.
  .section .stack, "aw", @nobits
  .balign 4096
  .globl apus_boot_stack_guard
apus_boot_stack_guard:
  .skip 4096
  .globl apus_boot_stack
apus_boot_stack:
  .skip KERNEL_STACK_BYTES
#if defined(APUS_VTPM)
  // The boot CPU serves calls above the frames of its boot, and a TPM's commands are deep (ci/stack-need).
  .skip KERNEL_STACK_BYTES
#endif
  .globl apus_boot_stack_top
apus_boot_stack_top:

  .section .bss.apus_boot_cpu_block, "aw", @nobits
  .balign 4096
  .globl apus_boot_cpu_block
apus_boot_cpu_block:
  .skip 4096

  .section .data.ro_after_init, "aw", @progbits
  .balign 8
  .globl apus_entry_tsc
apus_entry_tsc: .quad 0
  .globl apus_start_info
apus_start_info: .quad 0
