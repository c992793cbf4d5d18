// probe.h: for the entries of the self-test guests: code that may fault, called with the fault as its value.
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
