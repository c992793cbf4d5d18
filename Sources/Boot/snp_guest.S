// snp_guest.S: accesses to the guest's memory and the instructions on its pages: a fault in them is an answer.
//
// No function here uses the stack, so a fault (#VC 0x404, #PF) goes on at apus_guest_fault as if the function
// returned 0xFF; the handler looks at RIP (SNPTraps). 0 is success, but for the two RMP instructions.
  .section .text.apus_guest, "ax", @progbits
  .globl apus_guest_start, apus_guest_end, apus_guest_fault
  .globl apus_guest_copy, apus_guest_zero, apus_guest_load, apus_guest_store8, apus_guest_store2, apus_guest_store1
  .globl apus_guest_pvalidate, apus_guest_rmpadjust, apus_guest_close_gate
  .globl apus_guest_open_gate, apus_guest_take_call, apus_guest_answer
apus_guest_start:
  // (to, from, bytes)
apus_guest_copy:
  movq %rdx, %rcx
  rep movsb
  xorl %eax, %eax
  ret
  // (to, bytes, a multiple of 8)
apus_guest_zero:
  movq %rsi, %rcx
  shrq $3, %rcx
  xorl %eax, %eax
  rep stosq
  ret
  // (from, to)
apus_guest_load:
  movq (%rdi), %rax
  movq %rax, (%rsi)
  xorl %eax, %eax
  ret
  // (to, value)
apus_guest_store8:
  movq %rsi, (%rdi)
  xorl %eax, %eax
  ret
apus_guest_store2:
  movw %si, (%rdi)
  xorl %eax, %eax
  ret
apus_guest_store1:
  movb %sil, (%rdi)
  xorl %eax, %eax
  ret
  // (linear, size, validate): EAX, and CF in bit 31
apus_guest_pvalidate:
  movq %rdi, %rax
  movl %esi, %ecx
  .byte 0xF2, 0x0F, 0x01, 0xFF       // PVALIDATE
  setc %cl
  movzbl %cl, %ecx
  shll $31, %ecx
  orl %ecx, %eax
  ret
  // (linear, size, operand): EAX
apus_guest_rmpadjust:
  movq %rdi, %rax
  movq %rsi, %rcx
  .byte 0xF3, 0x0F, 0x01, 0xFE       // RMPADJUST
  ret
  // Clears EFER.SVME (0xD0, bit 12), then looks at VINTR_CTRL.BUSY (0x3B8, bit 63), so that a VMRUN, which sets BUSY and
  // then looks at SVME, is either seen or refused. If a CPU runs the VMSA: to \busy with SVME as it was, or to \open,
  // which is to set it.
  .macro CLOSE_GATE open, busy
  testb $0x80, 0x3BF(%rdi)
  jnz \busy
  andb $0xEF, 0xD1(%rdi)
  mfence
  testb $0x80, 0x3BF(%rdi)
  jnz \open
  .endm
  // (vmsa): closes the gate; 1 and SVME set if a CPU runs the VMSA.
apus_guest_close_gate:
  movl $1, %eax
  CLOSE_GATE 1f, 2f
  xorl %eax, %eax
  ret
1: orb $0x10, 0xD1(%rdi)
2: ret
  // (vmsa)
apus_guest_open_gate:
  orb $0x10, 0xD1(%rdi)
  xorl %eax, %eax
  ret
  // (vmsa, area, words): closes the gate as above; 0x100 + SVSM_CALL_PENDING, with RAX, RCX, RDX, R8 and R9 in the words, if
  // that is not 0 and GUEST_EXITCODE (0x3C0) is VMGEXIT; else 0, the gate open again. After a fault it may be closed.
apus_guest_take_call:
  xorl %eax, %eax
  CLOSE_GATE 1f, 2f
  movzbl (%rsi), %ecx
  testl %ecx, %ecx
  jz 1f
  cmpq $0x403, 0x3C0(%rdi)
  jne 1f
  movq 0x1F8(%rdi), %r8
  movq %r8, (%rdx)
  movq 0x308(%rdi), %r9
  movq %r9, 8(%rdx)
  movq 0x310(%rdi), %r8
  movq %r8, 16(%rdx)
  movq 0x340(%rdi), %r9
  movq %r9, 24(%rdx)
  movq 0x348(%rdi), %r8
  movq %r8, 32(%rdx)
  leal 0x100(%rcx), %eax
  ret
1: orb $0x10, 0xD1(%rdi)
2: ret
  // (vmsa, area, RAX, RCX, whether RCX is written): RAX, RCX, pending, SVME, in this order.
apus_guest_answer:
  movq %rdx, 0x1F8(%rdi)
  testl %r8d, %r8d
  jz 1f
  movq %rcx, 0x308(%rdi)
1: xorl %eax, %eax
  movb %al, (%rsi)
  orb $0x10, 0xD1(%rdi)
  ret
apus_guest_end:
apus_guest_fault:
  movl $0xFF, %eax
  ret

  // uint64_t apus_snp_run(uint32_t *word, uint32_t mask, uint32_t level): RUN_VMPL by the GHCB MSR, unless the word has
  // a bit of the mask. #HV between the look and VMGEXIT goes on at apus_snp_run_end. The MSR afterwards.
  .section .text.apus_snp_run, "ax", @progbits
  .globl apus_snp_run, apus_snp_run_window, apus_snp_run_end
apus_snp_run:
  movl $0xC0010130, %ecx
  movl $0x016, %eax
  // RDX is the level: bits 39:32 of the MSR.
  wrmsr
apus_snp_run_window:
  testl %esi, (%rdi)
  jnz apus_snp_run_end
  .byte 0xF3, 0x0F, 0x01, 0xD9       // VMGEXIT
apus_snp_run_end:
  movl $0xC0010130, %ecx
  rdmsr
  shlq $32, %rdx
  orq %rdx, %rax
  ret
