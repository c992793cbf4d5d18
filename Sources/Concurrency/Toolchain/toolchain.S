// toolchain: the entry points of the toolchain's module that need the async calling convention (see Entry.S).
#include "PerCPU.h"
#ifdef APUS_BARE

.macro FUNCTION name
  .section .text.\name, "ax", @progbits
  .globl \name
  .type \name, @function
  .p2align 4
\name:
.endm

// Runs the task that a hook has chosen (rax), or gives the CPU back to the executor (null).
.macro CALL_AND_RUN hook
  subq $8, %rsp
  call \hook
  addq $8, %rsp
  jmp apus_resume
.endm

// rdi = where the value goes, rsi = task, rdx = resume function, rcx = a context for this call, r14 = the caller's.
FUNCTION swift_task_future_wait
  movq %r14, %r8
  CALL_AND_RUN apus_toolchain_future_wait

// Where a waiter goes on once the task is done; r14 = the context of its call.
FUNCTION apus_toolchain_future_entry
  movq %r14, %rdi
  CALL_AND_RUN apus_toolchain_future_done

// rdi = the continuation's context.
FUNCTION swift_continuation_await
  CALL_AND_RUN apus_toolchain_continuation_await

#endif
  .section .note.GNU-stack, "", @progbits
