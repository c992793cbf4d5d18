// entry.S: from the image's start state to linuxboot_main, and from there to a kernel.
  .text
  .globl start, linuxboot_jump, linuxboot_processor
start:
  cld
  call linuxboot_main
1: pause
  jmp 1b

  // linuxboot_jump(entry, zero_page): Linux's 64-bit entry (Documentation/arch/x86/boot.rst).
linuxboot_jump:
  lgdt gdt_record
  movl $0x18, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss
  pushq $0x10
  leaq 1f(%rip), %rax
  pushq %rax
  lretq
1: jmp *%rdi

  // A processor that the reset page has let go: RDI is its index, RSP its own.
linuxboot_processor:
  lgdt gdt_record
  call linuxboot_wait
  .weak linuxboot_wait

  .data
  .balign 16
  // __BOOT_CS is 0x10, __BOOT_DS 0x18.
gdt:
  .quad 0, 0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF
gdt_record:
  .word 31
  .quad gdt
