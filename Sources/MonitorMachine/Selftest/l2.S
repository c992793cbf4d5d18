// l2.S: what the self-test's L2 executes: an instruction or two, and VMCALL to say that it is done.
  .text
  .macro stub name
  .globl \name
\name:
  .endm
  .macro done
  .byte 0x0F, 0x01, 0xC1
  ud2
  .endm

stub l2_vmcall
  done
stub l2_cpuid
  movl $7, %eax
  .globl l2_cpuid_at
l2_cpuid_at: cpuid
  done
stub l2_hlt
  hlt
  done
stub l2_out
  movb $0x55, %al
  .globl l2_out_at
l2_out_at: outb %al, $0x80
  done
stub l2_in_dx
  inw %dx, %ax
  done
stub l2_wbinvd
  wbinvd
  done
stub l2_invd
  invd
  done
stub l2_ud2
  ud2
stub l2_int3
  int3
  done
stub l2_tdcall
  .byte 0x66, 0x0F, 0x01, 0xCC
  .globl l2_tdcall_end
l2_tdcall_end:
  done
stub l2_rdmsr
  rdmsr
  done
stub l2_wrmsr
  wrmsr
  done
stub l2_load
  movq (%rsi), %rax
  done
stub l2_store
  movq %rax, (%rsi)
  done
stub l2_call
  call *%rsi
  done
stub l2_rdtsc
  rdtsc
  done
stub l2_pause
  pause
  done
stub l2_rdpmc
  rdpmc
  done
stub l2_read_cr0
  movq %cr0, %rax
  done
stub l2_write_cr0
  movq %rax, %cr0
  done
stub l2_read_cr4
  movq %cr4, %rax
  done
stub l2_write_cr4
  movq %rax, %cr4
  done
stub l2_write_cr3
  movq %rbx, %cr3
  done
stub l2_clts
  clts
  done
stub l2_lmsw
  .globl l2_lmsw_at
l2_lmsw_at: lmsw %ax
  done
stub l2_lmsw_memory
  lmsw (%rsi)
  done
stub l2_read_dr7
  movq %dr7, %r9
  done
stub l2_sgdt
  sgdt -16(%rsp)
  done
stub l2_xmm
  movq %rax, %xmm3
  done
stub l2_sti
  sti
  nop
  .globl l2_sti_open
l2_sti_open:
  nop
  done
stub l2_cr8
  movq %rax, %cr8
  nop
  done
stub l2_registers
  movq $0x1111, %rax
  movq $0x2222, %rcx
  movq $0x3333, %rdx
  movq $0x4444, %rbx
  movq $0x5555, %rbp
  movq $0x6666, %rsi
  movq $0x7777, %rdi
  movq $0x8888, %r8
  movq $0xFFFF, %r15
  done
stub l2_spin
  lock incq l2_ticks
  pause
  jmp l2_spin
  // Interrupts: counts, ends the interrupt, tells L1.
stub l2_gate
  pushq %rax
  pushq %rcx
  pushq %rdx
  lock incq l2_interrupts
  movl $0x80B, %ecx
  xorl %eax, %eax
  xorl %edx, %edx
  .globl l2_gate_eoi, l2_gate_end
l2_gate_eoi: wrmsr
  popq %rdx
  popq %rcx
  popq %rax
l2_gate_end:
  .byte 0x0F, 0x01, 0xC1
  iretq
  // Faults without and with an error code, which goes to RAX.
stub l2_fault
  .byte 0x0F, 0x01, 0xC1
  ud2
stub l2_fault_code
  popq %rax
  .globl l2_fault_code_at
l2_fault_code_at: .byte 0x0F, 0x01, 0xC1
  ud2

  // read_xmm3: what is in XMM3.
  .globl read_xmm3
read_xmm3:
  movq %xmm3, %rax
  ret

  .data
  .balign 8
  .globl l2_ticks, l2_interrupts
l2_ticks: .quad 0
l2_interrupts: .quad 0
