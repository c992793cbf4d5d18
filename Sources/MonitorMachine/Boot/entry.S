// entry.S: the monitor's way from the PVH entry, and from a start-up IPI, to 64-bit Swift.
//
// Everything is linked where it is loaded, one to one, below 4 GiB. The loader (Xen's PVH protocol) enters in 32-bit
// protected mode with EBX = physical address of hvm_start_info; other CPUs enter the trampoline in real mode.
#include "include/MonitorLayout.h"

  .section .note.Xen, "a", @note
  .balign 4
  .long 4, 8, 18                     // XEN_ELFNOTE_PHYS32_ENTRY
  .asciz "Xen"
  .quad mon_pvh_entry

  .section .text.mon_boot, "ax", @progbits
  .code32
  .globl mon_pvh_entry
mon_pvh_entry:
  cli
  cld
  movl %ebx, mon_start_info
  rdtsc
  movl %eax, mon_entry_tsc
  movl %edx, mon_entry_tsc + 4
  xorl %edi, %edi                    // CPU 0
  movl $main, %ebx

  // Both kinds of CPU: EDI = index, EBX = the Swift function.
enter_long_mode:
  lgdt mon_gdt_pointer
  // With LA57 five levels, here and thus in nested tables: for a C-bit above 47.
  movl %ebx, %esi
  movl $7, %eax
  xorl %ecx, %ecx
  cpuid
  movl %esi, %ebx
  movl %cr4, %eax
  orl $(1 << 5), %eax                // CR4.PAE
  movl $mon_pml4, %edx
  btl $16, %ecx
  jnc 1f
  orl $(1 << 12), %eax               // CR4.LA57
  movl $mon_pml5, %edx
1: movl %eax, %cr4
  movl %edx, %cr3
  movl $0xC0000080, %ecx             // EFER
  rdmsr
  orl $((1 << 8) | (1 << 11) | (1 << 12)), %eax  // LME, NXE, SVME
  wrmsr
  movl %cr0, %eax
  andl $~((1 << 29) | (1 << 30)), %eax
  orl $((1 << 31) | (1 << 16) | (1 << 5) | 1), %eax  // PG, WP, NE, PE
  movl %eax, %cr0
  ljmp $0x08, $long_mode

  .code64
long_mode:
  movl $0x10, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss
  movl %eax, %fs
  movl %eax, %gs
  lidt mon_idt_pointer
  // The stack of CPU n lies under mon_stacks + (n + 1) * STACK_BYTES.
  leal 1(%edi), %eax
  imull $STACK_BYTES, %eax, %eax
  leaq mon_stacks(%rax), %rsp
  xorl %ebp, %ebp
  movl %ebx, %ebx
  call *%rbx
1: cli
  hlt
  jmp 1b

  // Copied to TRAMPOLINE. A CPU's index is its APIC id, as QEMU numbers them.
  .section .rodata.mon_trampoline, "a", @progbits
  .balign 16
  .globl mon_trampoline_start, mon_trampoline_end
mon_trampoline_start:
  .code16
  cli
  cld
  xorw %ax, %ax
  movw %ax, %ds
  lgdtl (TRAMPOLINE + trampoline_gdt_pointer - mon_trampoline_start)
  movl %cr0, %eax
  orl $1, %eax
  movl %eax, %cr0
  ljmpl $0x18, $(TRAMPOLINE + trampoline_32 - mon_trampoline_start)
  .code32
trampoline_32:
  movl $0x10, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss
  movl $1, %eax
  cpuid
  shrl $24, %ebx
  movl %ebx, %edi
  movl $mon_other_main, %ebx
  cmpl $MAX_CPUS, %edi
  jae 2f
  movl $enter_long_mode, %eax
  jmp *%eax
2: cli
  hlt
  jmp 2b
  .balign 4
trampoline_gdt_pointer:
  .word 31
  .long mon_gdt
mon_trampoline_end:
  .code64

  .section .data.mon_tables, "aw", @progbits
  .balign 16
mon_gdt:
  .quad 0
  .quad 0x00AF9B000000FFFF           // 0x08: 64-bit code
  .quad 0x00CF93000000FFFF           // 0x10: data
  .quad 0x00CF9B000000FFFF           // 0x18: 32-bit code
mon_gdt_pointer:
  .word 31
  .long mon_gdt
  .balign 8
mon_idt_pointer:
  .word 4095
  .quad mon_idt
  .globl mon_start_info, mon_entry_tsc
  .balign 8
mon_start_info: .quad 0
mon_entry_tsc: .quad 0

  // The first 4 GiB one to one, in 2 MiB pages; the local APIC's page is among them.
  .balign 4096
mon_pml5:
  .quad mon_pml4 + 3
  .fill 511, 8, 0
  .globl mon_pml4
mon_pml4:
  .quad mon_pdpt + 3
  .fill 511, 8, 0
mon_pdpt:
  .quad mon_pd + 3, mon_pd + 0x1003, mon_pd + 0x2003, mon_pd + 0x3003
  .fill 508, 8, 0
mon_pd:
  .set address, 0
  .rept 2048
  .quad address + 0x83
  .set address, address + 0x200000
  .endr

  .section .bss.mon_idt, "aw", @nobits
  .balign 4096
  .globl mon_idt
mon_idt:
  .skip 4096
  .section .stack, "aw", @nobits
  .balign 4096
  .skip FIRST_STACK_BYTES - STACK_BYTES
mon_stacks:
  .skip STACK_BYTES * MAX_CPUS
