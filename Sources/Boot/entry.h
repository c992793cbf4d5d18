// entry.h: what the kernel's 64-bit entries have in common, as assembler macros.

  // The tables an entry runs on until the kernel has its own, linked at their physical address: the first 4 GiB at 0 and
  // at the direct map (slot 32, KernelLayout.directMap), the first GiB at the kernel's base (slot 255, KernelLayout.image).
  .macro BOOT_PAGE_TABLES root
  .balign 4096
\root:
  .quad \root\()_low + 3
  .fill 31, 8, 0
  .quad \root\()_low + 3
  .fill 222, 8, 0
  .quad \root\()_high + 3
  .fill 256, 8, 0
\root\()_low:
  .quad \root\()_leaves + 3, \root\()_leaves + 0x1003, \root\()_leaves + 0x2003, \root\()_leaves + 0x3003
  .fill 508, 8, 0
\root\()_high:
  .quad \root\()_leaves + 3
  .fill 511, 8, 0
\root\()_leaves:
  .set address, 0
  .rept 2048
  .quad address + 0x83               // 2 MiB, writable, present
  .set address, address + 0x200000
  .endr
  .endm

  // Goes on in Swift, on the boot stack; GS base = the boot CPU's block, so that current-CPU reads hold from the first
  // call. In a TD as well: IA32_GS_BASE is native there (tdx.md D.1).
  .macro CALL_MAIN
  leaq apus_boot_stack_top(%rip), %rsp
  xorl %ebp, %ebp
  leaq apus_boot_cpu_block(%rip), %rax
  movq %rax, (%rax)
  movq %rax, %rdx
  shrq $32, %rdx
  movl $0xC0000101, %ecx
  wrmsr
  xorl %edi, %edi
  xorl %esi, %esi
  call main
  ud2
  .endm
