// vectors.S: the monitor's own exceptions, which end it, and interrupts, which only end a halt or a guest's run.
#include "include/MonitorLayout.h"

  .section .text.mon_vectors, "ax", @progbits
  .balign 16
  .globl mon_vectors
mon_vectors:
  .set vector, 0
  .rept 256
  .balign 16
  .if vector < 32
  .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
  .else
  pushq $0
  .endif
  pushq $vector
  jmp exception
  .elseif vector == 255
  iretq                              // spurious: not to be ended
  .else
  jmp interrupt
  .endif
  .set vector, vector + 1
  .endr

  // What woke us is found by looking at the clock and the queues, not by the vector.
interrupt:
  pushq %rax
  movl $0xFEE000B0, %eax
  movl $0, (%rax)                    // end of interrupt
  popq %rax
  iretq

exception:
  movq (%rsp), %rdi
  movq 8(%rsp), %rsi
  movq 16(%rsp), %rdx
  movq %cr2, %rcx
  movq 40(%rsp), %r8
  andq $-16, %rsp
  cld
  call mon_exception
1: cli
  hlt
  jmp 1b
