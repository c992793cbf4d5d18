// entry.S: the SNP self-test guest's entry, faults as return values, and the code of its lower level.
  .text
  .globl start, probe, vectors, lower_start, other_start
start:
  cld
  call selftest_main
1: pause
  jmp 1b

  // probe(code): calls `code` and answers the vector of the exception that it raised, or -1.
probe:
  pushq %rbx
  pushq %rbp
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, probe_stack
  movb $1, is_probing
  call *%rdi
  movl $-1, %eax
probe_end:
  movb $0, is_probing
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbp
  popq %rbx
  ret
fault:
  // Outside a probe an exception is the host's doing: there is nothing to go back to.
  cmpb $0, is_probing
  je unexpected
  popq %rax
  movq %rax, fault_vector
  popq fault_error
  popq fault_rip
  movq %cr2, %rcx
  movq %rcx, fault_cr2
  movq probe_stack, %rsp
  jmp probe_end

  // The GHCB MSR protocol's end: set 14, and the vector as the reason.
unexpected:
  popq %rax
  shll $16, %eax
  orl $0xE100, %eax
  xorl %edx, %edx
  movl $0xC0010130, %ecx
  wrmsr
  rep; vmmcall
1: pause
  jmp 1b

  .balign 16
vectors:
  .set vector, 0
  .rept 32
  .balign 16
  .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
  .else
  pushq $0
  .endif
  pushq $vector
  jmp fault
  .set vector, vector + 1
  .endr

  // VMPL1: RMPADJUST of the page in RDI towards itself, the answer in RBX, back to VMPL0 by the MSR
  // protocol, for ever; the second time it writes to RSI, which it may not.
  .balign 4096
lower_start:
  movq %rdi, %rax
  xorl %ecx, %ecx
  movl $1, %edx
  .byte 0xF3, 0x0F, 0x01, 0xFE
  movl %eax, %ebx
  movq (%rsi), %r8
  movl $0xC0010130, %ecx
  movl $0x16, %eax
  xorl %edx, %edx
  wrmsr
  rep; vmmcall
  incq %r9
  jmp lower_start

  // Another vCPU at VMPL0: says that it runs, and with which value of RDI.
  .balign 4096
other_start:
  movq %rdi, other_value
  lock incq other_count
1: hlt
  jmp 1b
  .balign 4096

  .data
  .balign 8
is_probing: .quad 0
