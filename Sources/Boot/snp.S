// snp.S: the SNP entry: 32-bit protected mode without paging to 64-bit Swift at the kernel's own addresses.
//
// The measured VMSA enters here at VMPL0: flat segments, CR3 on the builder's tables, EFER.LME and NXE set, EDI = the
// launch information page, everything private because paging is off (APM 2, 15.34.5). There is no IDT yet, so nothing
// that a host may intercept is executed: no CPUID, no RDTSC, no port; only MSRs that the architecture answers.
#include "entry.h"

  .section .boot.snp.text, "ax", @progbits
  .code32
  .globl apus_snp_entry
apus_snp_entry:
  cli
  cld
  movl %edi, snp_launch
  // The areas that are needed: 3 page tables, 4 CPUID page (AreaKind.swift, LaunchInformation.swift).
  movzwl 0x36(%edi), %ecx
  cmpl $157, %ecx
  ja fail_general
  leal 0x40(%edi), %esi
1: jecxz 4f
  movl 8(%esi), %eax
  cmpl $3, (%esi)
  jne 2f
  movl %eax, snp_tables
  movl 16(%esi), %eax
  movl %eax, snp_tables_bytes
2: cmpl $4, (%esi)
  jne 3f
  movl %eax, snp_cpuid
3: addl $24, %esi
  decl %ecx
  jmp 1b
4: cmpl $0, snp_tables
  je fail_general
  movl snp_cpuid, %ebx
  testl %ebx, %ebx
  jz fail_cpuid

  // With vTOM (SEV_STATUS bit 3) an address says what is private, and no entry has a bit.
  movl $0xC0010131, %ecx
  rdmsr
  testl $(1 << 3), %eax
  jnz map

  // Leaf 8000001F, EBX bits 5:0, of the page that the firmware has checked: the C-bit, 32 to 51.
  movl (%ebx), %ecx
  cmpl $64, %ecx
  ja fail_cpuid
  leal 16(%ebx), %esi
5: testl %ecx, %ecx
  jz fail_cpuid
  cmpl $0x8000001F, (%esi)
  je 6f
  addl $48, %esi
  decl %ecx
  jmp 5b
6: movl 0x1C(%esi), %ecx
  andl $0x3F, %ecx
  subl $32, %ecx
  jb fail_cpuid
  cmpl $19, %ecx
  ja fail_cpuid
  movl $1, %edx
  shll %cl, %edx
  movl %edx, snp_mask                // the bit in the high half of an entry

map:
  // The direct map of the first 4 GiB joins the builder's tables, and beside it the same as shared memory.
  movl %cr3, %esi
  leal snp_direct + 3, %eax
  movl %eax, (32 * 8)(%esi)          // KernelLayout.directMap
  leal snp_shared + 3, %eax
  movl %eax, (252 * 8)(%esi)         // KernelLayout.shared
  movl snp_mask, %edx
  orl %edx, (252 * 8 + 4)(%esi)
  orl %edx, (32 * 8 + 4)(%esi)
  // Every present entry becomes private.
  movl snp_tables, %esi
  movl snp_tables_bytes, %ecx
  call privatise
  movl $snp_direct, %esi
  movl $4096, %ecx
  call privatise

  movl %cr0, %eax
  orl $((1 << 31) | (1 << 16) | 1), %eax // PG, WP, PE
  lgdt snp_gdt_pointer
  movl %eax, %cr0
  ljmp $0x08, $snp_long_mode

  // ESI, ECX: a table and its bytes; EDX: the bit.
privatise:
  shrl $3, %ecx
1: jecxz 3f
  testb $1, (%esi)
  jz 2f
  orl %edx, 4(%esi)
2: addl $8, %esi
  decl %ecx
  jmp 1b
3: ret

  // Termination by the GHCB MSR: set 0 code 0, or set 1 code 4 (Termination.swift).
fail_cpuid:
  movl $0x00041100, %eax
  jmp 1f
fail_general:
  movl $0x00000100, %eax
1: movl $0xC0010130, %ecx
  xorl %edx, %edx
  wrmsr
  .byte 0xF3, 0x0F, 0x01, 0xD9       // VMGEXIT
2: hlt
  jmp 2b

  .code64
snp_long_mode:
  // CR3 takes the bit too, now that it has 64 bits; walks were private all the time.
  movl snp_mask, %eax
  shlq $32, %rax
  movq %cr3, %rdx
  orq %rdx, %rax
  movq %rax, %cr3
  movl $0x10, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss
  xorl %eax, %eax
  movl %eax, %fs
  movl %eax, %gs
  movl snp_launch, %edi
  movabsq $apus_snp_long_entry, %rax
  jmpq *%rax

  .section .boot.snp.data, "aw", @progbits
  .balign 4096
  // 1 GiB leaves, writable, never executable; privatise adds the bit to the first four.
snp_direct:
  .quad 0x8000000000000083, 0x8000000040000083, 0x8000000080000083, 0x80000000C0000083
  .fill 508, 8, 0
snp_shared:
  .quad 0x8000000000000083, 0x8000000040000083, 0x8000000080000083, 0x80000000C0000083
  .fill 508, 8, 0
snp_launch: .long 0
snp_tables: .long 0
snp_tables_bytes: .long 0
snp_cpuid: .long 0
snp_mask: .long 0
  .balign 8
snp_gdt:
  .quad 0
  .quad 0x00AF9B000000FFFF           // 64-bit code
  .quad 0x00CF93000000FFFF           // data
snp_gdt_pointer:
  .word 23
  .long snp_gdt

  .section .text.apus_snp_long_entry, "ax", @progbits
  .globl apus_snp_long_entry
apus_snp_long_entry:
  movq %rdi, apus_start_info(%rip)
  CALL_MAIN

  // void apus_snp_halt(uint32_t *word, uint32_t mask): rests unless the word has a bit of the mask. #HV between the
  // look and HLT goes on at apus_snp_halt_end (SNPTraps); a later one ends HLT.
  .section .text.apus_snp_halt, "ax", @progbits
  .globl apus_snp_halt, apus_snp_halt_end
apus_snp_halt:
  testl %esi, (%rdi)
  jnz apus_snp_halt_end
  hlt
apus_snp_halt_end:
  ret
