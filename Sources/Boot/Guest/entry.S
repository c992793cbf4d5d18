// entry.S: the test guest's image: header, 64-bit entry, page tables, exception stubs.
//
// The image is flat and lies at 2 MiB; its first byte is the entry of every vCPU: RDI = index, RSI = calling area.
// What the kernel must know or fill in is the header behind the jump (boards/guest/README.md).

#define STACK_BYTES 8192
#define VCPUS 64

  .section .head, "ax"
  .code64
  .globl guest_image
guest_image:
  jmp guest_start
  .balign 16
  .quad 0x5453455547535041        // +0x10 "APSGUEST"
  .quad guest_tables              // +0x18 CR3
  .quad 7 * 4096                  // +0x20 bytes of tables: every present entry wants the encryption bit
  .quad guest_image_end           // +0x28 end of image, stacks included
  .globl guest_filled
guest_filled:
  .fill 26, 8, 0                  // +0x30 filled by the kernel
  .fill 32, 8, 0                  // +0x100 the command line
  .fill 64, 4, 0                  // +0x200 APIC identifiers, 4 bytes each

  .globl guest_start
guest_start:
  cli
  cld
  movq %rdi, %rax
  andq $(VCPUS - 1), %rax
  incq %rax
  shlq $13, %rax
  leaq guest_stacks(%rip), %rsp
  addq %rax, %rsp
  lgdt guest_gdt_pointer(%rip)
  pushq $0x08
  leaq 1f(%rip), %rax
  pushq %rax
  lretq
1:
  movl $0x10, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss
  xorl %ebp, %ebp
  call apus_guest_main
2:
  hlt
  jmp 2b

  .section .rodata.guest, "a"
  .balign 16
guest_gdt:
  .quad 0, 0x00209B0000000000, 0x00CF93000000FFFF
guest_gdt_pointer:
  .word 23
  .quad guest_gdt

  // The first 4 GiB one to one in 2 MiB pages, and the first GiB again at 4 GiB, for shared memory.
  .section .data.guest_tables, "aw"
  .balign 4096
  .globl guest_tables
guest_tables:
  .quad guest_tables + 0x1063
  .fill 511, 8, 0
  .set i, 0
  .rept 5
  .quad guest_tables + 0x2063 + i * 4096
  .set i, i + 1
  .endr
  .fill 507, 8, 0
  .set i, 0
  .rept 2048
  .quad 0xE3 + i * 0x200000
  .set i, i + 1
  .endr
  .globl guest_alias
guest_alias:
  .set i, 0
  .rept 512
  .quad 0xE3 + i * 0x200000
  .set i, i + 1
  .endr

  .section .bss.guest_stacks, "aw", @nobits
  .balign 4096
guest_stacks:
  .space STACK_BYTES * VCPUS
  .globl guest_stacks_end
guest_stacks_end:

  .text
  .globl guest_probe
guest_probe:
  movl $1, %eax
  .globl guest_probe_load
guest_probe_load:
  movq (%rdi), %rdx
  ret
  // WRMSR of %rsi to %edi that may fault: 1 if it did not.
  .globl guest_probe_wrmsr
guest_probe_wrmsr:
  movl %edi, %ecx
  movl %esi, %eax
  movq %rsi, %rdx
  shrq $32, %rdx
  .globl guest_probe_write
guest_probe_write:
  wrmsr
  movl $1, %eax
  ret
  // XSETBV of %rsi to register %edi that may fault: 1 if it did not.
  .globl guest_probe_xsetbv
guest_probe_xsetbv:
  movl %edi, %ecx
  movl %esi, %eax
  movq %rsi, %rdx
  shrq $32, %rdx
guest_probe_xsetbv_here:
  xsetbv
  movl $1, %eax
  ret
  .globl guest_probe_failed
guest_probe_failed:
  xorl %eax, %eax
  ret

  .globl guest_probe_rdmsr, guest_td_registers
guest_probe_rdmsr:
  movl %edi, %ecx
guest_probe_rdmsr_here:
  rdmsr
  shlq $32, %rdx
  orq %rax, %rdx
  movl $1, %eax
  ret

  // Fills XMM0 to XMM15 from %rdi, leaves by CPUID and by TDCALL, and stores them to 256 bytes before (%rsi) and after (%rdx).
  .globl guest_td_vectors
guest_td_vectors:
  pushq %rbx
  pushq %r12
  movq %rdx, %r12
  movq %cr4, %rax
  orq $0x600, %rax                   // OSFXSR, OSXMMEXCPT
  movq %rax, %cr4
  movq %rdi, %xmm0
  punpcklqdq %xmm0, %xmm0
  .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  movdqa %xmm0, %xmm\n
  paddq %xmm0, %xmm0
  .endr
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  movdqu %xmm\n, 16 * \n(%rsi)
  .endr
  movl $0x40000000, %eax
  cpuid
  movl $1, %eax                      // TDG.VP.INFO
  .byte 0x66, 0x0F, 0x01, 0xCC
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  movdqu %xmm\n, 16 * \n(%r12)
  .endr
  popq %r12
  popq %rbx
  ret

  // A TDVMCALL to nobody with registers full of noise: what the kernel does with them must not reach its own.
guest_td_registers:
  pushq %rbx
  pushq %rbp
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movabsq $0x9E3779B97F4A7C15, %rax
  movq %rdi, %rbx
  imulq %rax, %rbx
  leaq 1(%rbx), %rbp
  leaq 2(%rbx), %rsi
  leaq 3(%rbx), %rdi
  leaq 4(%rbx), %r8
  leaq 5(%rbx), %r9
  leaq 6(%rbx), %r10
  leaq 7(%rbx), %r11
  leaq 8(%rbx), %r12
  leaq 9(%rbx), %r13
  leaq 10(%rbx), %r14
  leaq 11(%rbx), %r15
  movq $0xFC00, %rcx
  movq %rbx, %rdx
  xorl %eax, %eax
  .byte 0x66, 0x0F, 0x01, 0xCC
  xorl %eax, %eax
  leaq 1(%rbx), %rcx
  cmpq %rcx, %rbp
  jne 4f
  incq %rcx
  cmpq %rcx, %rsi
  jne 4f
  cmpq %rdx, %rbx
  jne 4f
  movl $1, %eax
4:
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbp
  popq %rbx
  ret

  // Vectors 0x40 to 0x43: counts by vCPU, whose number is the x2APIC identifier, then EOI.
  .balign 64
  .globl guest_td_stubs
guest_td_stubs:
  .set v, 0
  .rept 4
  .balign 64
  pushq $v
  jmp guest_td_interrupt
  .set v, v + 1
  .endr
guest_td_interrupt:
  pushq %rax
  pushq %rcx
  pushq %rdx
  movl $0x802, %ecx
  rdmsr
  andl $63, %eax
  shll $2, %eax
  addq 24(%rsp), %rax
  leaq guest_td_counts(%rip), %rdx
  lock incq (%rdx, %rax, 8)
  movl $0x80B, %ecx
  xorl %eax, %eax
  xorl %edx, %edx
  wrmsr
  popq %rdx
  popq %rcx
  popq %rax
  addq $8, %rsp
  iretq

  // Vectors 0 to 31: an error code (or 0), the vector, then the common part.
  .macro STUB vector, hasCode
  .balign 16
  .if \hasCode == 0
  pushq $0
  .endif
  pushq $\vector
  jmp guest_exception
  .endm
  .balign 16
  .globl guest_stubs
guest_stubs:
  .set v, 0
  .rept 32
  .if v == 8 || v == 10 || v == 11 || v == 12 || v == 13 || v == 14 || v == 17 || v == 21 || v == 29 || v == 30
  .balign 16
  pushq $v
  jmp guest_exception
  .else
  .balign 16
  pushq $0
  pushq $v
  jmp guest_exception
  .endif
  .set v, v + 1
  .endr

guest_exception:
  pushq %rax
  leaq guest_probe_load(%rip), %rax
  cmpq %rax, 24(%rsp)
  je 3f
  leaq guest_probe_write(%rip), %rax
  cmpq %rax, 24(%rsp)
  je 3f
  leaq guest_probe_xsetbv_here(%rip), %rax
  cmpq %rax, 24(%rsp)
  je 3f
  leaq guest_probe_rdmsr_here(%rip), %rax
  cmpq %rax, 24(%rsp)
  jne 1f
3:
  movq 8(%rsp), %rax
  movq %rax, guest_fault_vector(%rip)
  movq 16(%rsp), %rax
  movq %rax, guest_fault_error(%rip)
  leaq guest_probe_failed(%rip), %rax
  movq %rax, 24(%rsp)
  popq %rax
  addq $16, %rsp
  iretq
1:
  movq 8(%rsp), %rdi
  movq 16(%rsp), %rsi
  movq 24(%rsp), %rdx
  movq %cr2, %rcx
  andq $-16, %rsp
  call apus_guest_exception
2:
  hlt
  jmp 2b

  // The one interrupt that the guest sends itself: counted, and ended by whoever opened the window.
  .balign 16
  .globl guest_interrupt
guest_interrupt:
  lock incq guest_interrupt_count(%rip)
  iretq
