// check.S: proves that interrupts change no register: fills them all, lets interrupts come, and looks again.
#include "include/CPUBlock.h"

  // bool apus_check_registers(uint64_t count): spins with interrupts on until the CPU has taken so many of them.
  // Returns 1 if every general register and the flags were as left, at the end of each turn. A turn that finds a
  // difference returns 0.
  .section .text.apus_check_registers, "ax", @progbits
  .globl apus_check_registers
apus_check_registers:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  pushq %rdi                         // the count to reach
  movabsq $0x0123456789ABCDEF, %rax
  pushq %rax                         // a word below which nothing of ours may be written (no red zone)
  movq %rsp, %rbp
  movq $0x1111111111111111, %rax
  movq $0x2222222222222222, %rbx
  movq $0x3333333333333333, %rcx
  movq $0x4444444444444444, %rdx
  movq $0x5555555555555555, %rsi
  movq $0x6666666666666666, %rdi
  movq $0x7777777777777777, %r8
  movq $0x0888888888888888, %r9
  movq $0x0999999999999999, %r10
  movq $0x0AAAAAAAAAAAAAAA, %r11
  movq $0x0BBBBBBBBBBBBBBB, %r12
  movq $0x0CCCCCCCCCCCCCCC, %r13
  movq $0x0DDDDDDDDDDDDDDD, %r14
1: movq 8(%rbp), %r15
  pause
  stc
  // Interrupts come anywhere from here to the comparisons.
  nop
  nop
  nop
  jnc 2f                             // the carry flag is lost
  cmpq %gs:APUS_CPU_INTERRUPT_COUNT, %r15
  ja 1b
  movq $0x0EEEEEEEEEEEEEEE, %r15

#define EXPECT(value, register) \
  movq $value, %r15; cmpq %r15, register; jne 2f
  cmpq %rsp, %rbp
  jne 2f
  EXPECT(0x1111111111111111, %rax)
  EXPECT(0x2222222222222222, %rbx)
  EXPECT(0x3333333333333333, %rcx)
  EXPECT(0x4444444444444444, %rdx)
  EXPECT(0x5555555555555555, %rsi)
  EXPECT(0x6666666666666666, %rdi)
  EXPECT(0x7777777777777777, %r8)
  EXPECT(0x0888888888888888, %r9)
  EXPECT(0x0999999999999999, %r10)
  EXPECT(0x0AAAAAAAAAAAAAAA, %r11)
  EXPECT(0x0BBBBBBBBBBBBBBB, %r12)
  EXPECT(0x0CCCCCCCCCCCCCCC, %r13)
  EXPECT(0x0DDDDDDDDDDDDDDD, %r14)
  EXPECT(0x0123456789ABCDEF, 0(%rbp))
  movl $1, %eax
  jmp 3f
2: xorl %eax, %eax
3: movq %rbp, %rsp
  addq $16, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
