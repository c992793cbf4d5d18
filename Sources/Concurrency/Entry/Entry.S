// Entry: the entry points that need the async calling convention, for every host of the runtime.
//
// Convention (swifttailcc as observed, runtime.md §2.4): r14 = async context ({parent, resume}),
// r13 = closure context, arguments from rdi on; a callee "returns" by jumping to its context's
// resume word with r14 = its own context; a plain `ret` gives the CPU back to the executor.
#include "PerCPU.h"
#ifdef APUS_BARE

.macro FUNCTION name
  .section .text.\name, "ax", @progbits; .p2align 4
  .globl \name; .type \name, @function
\name:
.endm

// The 8-byte record by which compiled code finds an async function: offset and context size.
.macro ASYNC_RECORD name, context=APUS_LEAF_CONTEXT
  .section .rodata.\name\()Tu, "a", @progbits; .p2align 3
  .globl \name\()Tu
\name\()Tu: .long \name - \name\()Tu, \context
.endm

// Resumes the task in rax. Behind a leaf r14 is to point at the caller's context: the header's word does, so that
// what follows waits for one load less. Any other continuation has its own context there (\own is its label).
.macro RESUME own
  leaq APUS_TASK_CONTEXT(%rax), %r14
  testb $APUS_FLAG_OWN_CONTEXT, APUS_TASK_FLAGS(%rax)
  jnz \own
  jmpq *APUS_TASK_RESUME(%rax)
.endm
.macro OWN_CONTEXT
  andb $~APUS_FLAG_OWN_CONTEXT, APUS_TASK_FLAGS(%rax)
  movq APUS_TASK_CONTEXT(%rax), %r14
.endm

// Runs the task that \hook chooses, or gives the CPU back to the executor (null). Code without SSE needs no aligned stack;
// hosts' own functions align theirs.
.macro RUN_CHOSEN_BY hook
  call \hook
  testq %rax, %rax
  jz 9f
  RESUME 8f
8: OWN_CONTEXT
  jmpq *APUS_TASK_RESUME(%rax)
9: ret
.endm

// An async leaf: the current task will go on behind the call, as its caller has written into the header (`Frames.swift`);
// \hook decides when. It is given the task, or the leaf's own \argument (the first two words are the caller's isolation,
// rdx is it).
.macro LEAF name, hook, argument
FUNCTION \name
  .ifnb \argument
  movq \argument, %rdi
  .else
  movq %gs:APUS_CPU_CURRENT, %rdi
  .endif
  RUN_CHOSEN_BY \hook
ASYNC_RECORD \name
.endm

// A park beside one other ready task, by far the commonest, hands over here: what `entryPark` does then, but without a
// call and its return, which cost as much as ten instructions. Images with counters keep those here too (as Swift's
// `TraceState.runBegins`); those with a ring take the way through Swift.

// Raises a counter of 32 bits to \ticks, saturating; r8 is lost.
.macro RAISE counter, ticks
  movl \counter, %r8d
  cmpq %r8, \ticks
  jbe 7f
  movl $-1, %r8d
  cmpq %r8, \ticks
  cmovbq \ticks, %r8
  movl %r8d, \counter
7:
.endm

.macro PARK_LEAF name
FUNCTION \name
  movq %gs:APUS_CPU_CURRENT, %rdi
#ifndef APUS_TRACED
  movq %gs:APUS_CPU_EXECUTOR, %rdx
  movq APUS_EXECUTOR_LONE(%rdx), %rax
  testq %rax, %rax
  jz 1f
  testb $APUS_FLAG_PERMIT, APUS_TASK_FLAGS(%rdi)
  jnz 1f
  decq APUS_EXECUTOR_TURNS(%rdx)     // a pass that is due is so whatever the number below zero
  js 1f
  movb $APUS_STATE_PARKED, APUS_TASK_STATE(%rdi)
  movq $0, APUS_EXECUTOR_LONE(%rdx)
  movq $APUS_BUDGET_PER_RUN, %gs:APUS_CPU_BUDGET
  movq %rax, %gs:APUS_CPU_CURRENT
  RESUME 8f
1:
#elif defined(APUS_COUNTED)
  movq %gs:APUS_CPU_EXECUTOR, %rdx
  cmpq $0, APUS_EXECUTOR_LONE(%rdx)
  je 1f
  testb $APUS_FLAG_PERMIT, APUS_TASK_FLAGS(%rdi)
  jnz 1f
  decq APUS_EXECUTOR_TURNS(%rdx)
  js 1f
  callq apus_host_now
  movq %gs:APUS_CPU_CURRENT, %rdi
  movq %gs:APUS_CPU_EXECUTOR, %rdx
  movq APUS_EXECUTOR_LONE(%rdx), %rcx
  movb $APUS_STATE_PARKED, APUS_TASK_STATE(%rdi)
  movq $0, APUS_EXECUTOR_LONE(%rdx)
  movq $APUS_BUDGET_PER_RUN, %gs:APUS_CPU_BUDGET
  movq %rcx, %gs:APUS_CPU_CURRENT
  movq %rcx, APUS_EXECUTOR_RUNNING(%rdx)
  incl APUS_TASK_RUNS(%rcx)
  movq %rax, %rsi
  subq APUS_EXECUTOR_RUN_START(%rdx), %rsi
  movq %rax, APUS_EXECUTOR_RUN_START(%rdx)
  subq APUS_TASK_READY_AT(%rcx), %rax
  RAISE APUS_TASK_LONGEST_RUN(%rdi), %rsi
  RAISE APUS_TASK_LONGEST_WAIT(%rcx), %rax
  movq %rcx, %rax
  cmpq APUS_EXECUTOR_STALL_LIMIT(%rdx), %rsi
  ja 2f
  RESUME 8f
2:
  pushq %rcx
  callq apus_rt_stalled
  popq %rax
  RESUME 8f
1:
#endif
  RUN_CHOSEN_BY apus_rt_park
ASYNC_RECORD \name
.endm

// A yield: beside at most one other ready task, which is in no list, as above. Alone the task goes on; another of its level or
// a more urgent one changes places with it. During a round the next of the round's level changes places with it, unless it
// is that level's last or a newcomer is more urgent. (A pass that is due, and all else, is the hook's.)
// rbp has been zero since apus_run; every resumption saves it in memory and reads it back at its suspension. Cleared here once
// more, it is nothing that the next resumption waits for.
.macro YIELD_LEAF name
FUNCTION \name
  movq %gs:APUS_CPU_CURRENT, %rdi
#ifndef APUS_TRACED
  movq %gs:APUS_CPU_EXECUTOR, %rdx
  cmpl $0, APUS_EXECUTOR_MASK(%rdx)
  jne 3f
  movq APUS_EXECUTOR_LONE(%rdx), %rax
  testq %rax, %rax
  jz 2f
  movzbl APUS_TASK_LEVEL(%rdi), %ecx
  cmpb APUS_TASK_LEVEL(%rax), %cl
  jb 1f
  decq APUS_EXECUTOR_TURNS(%rdx)
  js 1f
  movq %rdi, APUS_EXECUTOR_LONE(%rdx)
  movq $APUS_BUDGET_PER_RUN, %gs:APUS_CPU_BUDGET
  movq %rax, %gs:APUS_CPU_CURRENT
  xorl %ebp, %ebp
  RESUME 8f
  .p2align 4
2:
  decq APUS_EXECUTOR_TURNS(%rdx)
  js 1f
  movq $APUS_BUDGET_PER_RUN, %gs:APUS_CPU_BUDGET
  xorl %ebp, %ebp
  leaq APUS_TASK_CONTEXT(%rdi), %r14 // a running task has no other context
  jmpq *APUS_TASK_RESUME(%rdi)
  .p2align 5
3:
  // Every level is too urgent while no round is under way.
  movl APUS_EXECUTOR_MASK(%rdx), %ecx
  testl %ecx, APUS_EXECUTOR_URGENT(%rdx)
  jnz 1f
  movq APUS_EXECUTOR_PLACE(%rdx), %rsi
  movq (%rsi), %rax
  leaq APUS_TASK_NEXT(%rax), %r8
  cmpq %r8, 8(%rsi)
  je 1f
  movq (%r8), %r8
  movq %r8, (%rsi)
  movzbl APUS_TASK_LEVEL(%rdi), %esi
  btsl %esi, %ecx
  movl %ecx, APUS_EXECUTOR_MASK(%rdx)
  shll $4, %esi
  addq APUS_EXECUTOR_INCOMING(%rdx), %rsi
  movq 8(%rsi), %r8
  movq %rdi, (%r8)
  leaq APUS_TASK_NEXT(%rdi), %r8
  movq %r8, 8(%rsi)
  movq $APUS_BUDGET_PER_RUN, %gs:APUS_CPU_BUDGET
  movq %rax, %gs:APUS_CPU_CURRENT
  RESUME 8f
1:
#endif
  RUN_CHOSEN_BY apus_rt_yield
ASYNC_RECORD \name
.endm

// The task in rax will go on at \resume with the present context.
.macro SAVE_CONTINUATION resume
  movq \resume, APUS_TASK_RESUME(%rax)
  movq %r14, APUS_TASK_CONTEXT(%rax)
  orb $APUS_FLAG_OWN_CONTEXT, APUS_TASK_FLAGS(%rax)
.endm

// An entry point that gets its continuation directly: rdx = resume function, r14 = its context.
.macro WAITER name, hook
FUNCTION \name
  movq %gs:APUS_CPU_CURRENT, %rax
  SAVE_CONTINUATION %rdx
  RUN_CHOSEN_BY \hook
.endm

YIELD_LEAF apus_yield
PARK_LEAF apus_leaf_park
PARK_LEAF apus_group_park
YIELD_LEAF apus_leaf_yield
LEAF apus_leaf_visit, apus_task_visit, %rdx
LEAF apus_visit, apus_task_visit, %rdx
LEAF apus_wait_for_task, apus_task_wait, %rdx
WAITER swift_asyncLet_get, apus_task_async_let_get
WAITER swift_asyncLet_get_throwing, apus_task_async_let_get
WAITER swift_asyncLet_finish, apus_task_async_let_finish

// rdi = resume function, rsi = executor identity (null: anywhere), r14 = context.
FUNCTION swift_task_switch
  movq %gs:APUS_CPU_CURRENT, %rax
  testq %rsi, %rsi
  jnz 1f
  movl 0x1c(%rax), %ecx
  rorl $16, %ecx
  cmpl 0x1c(%rax), %ecx
  jne 1f
  jmpq *%rdi
1: SAVE_CONTINUATION %rdi
  movq %rsi, %rdi
  RUN_CHOSEN_BY apus_task_switch_hook

// First resume of the task in rax: the prefix below the context says what to call.
FUNCTION apus_task_start
  movq APUS_TASK_CONTEXT(%rax), %r14
  movq APUS_TASK_RESULT(%rax), %rdi
  leaq apus_task_end(%rip), %rcx
  movq %rcx, APUS_TASK_RESUME(%rax)  // for a leaf that is a task's whole function
  movq -8(%r14), %r13
  jmpq *-16(%r14)

// Where a task's function returns to.
FUNCTION apus_task_end
  movq %gs:APUS_CPU_CURRENT, %rdi
  RUN_CHOSEN_BY apus_task_completed

// The second stop of an async let's end; r14 = its buffer.
FUNCTION apus_async_let_finish_entry
  movq %r14, %rdi
  RUN_CHOSEN_BY apus_task_async_let_finished

// C: void apus_run(void): resumes the current task; returns when nothing is chosen to run next.
FUNCTION apus_run
  .irp register, rbx, rbp, r12, r13, r14, r15
  pushq %\register
  .endr
  subq $8, %rsp
  movq %gs:APUS_CPU_CURRENT, %rax
  xorl %ebp, %ebp
  callq apus_resume_chosen
  addq $8, %rsp
  .irp register, r15, r14, r13, r12, rbp, rbx
  popq %\register
  .endr
  ret

// Runs the task in rax, or gives the CPU back to the executor (null).
FUNCTION apus_resume
  testq %rax, %rax
  jz 9f
apus_resume_chosen:
  RESUME 8f
8: OWN_CONTEXT
  jmpq *APUS_TASK_RESUME(%rax)
9: ret

// The task object's metadata: only "destroy" is ever called, with the object in r13.
FUNCTION apus_task_destroy_entry
  movq %r13, %rdi
  jmp apus_task_destroy
  .section .data.rel.ro.apus_task_metadata, "aw", @progbits; .p2align 3
  .globl apus_task_metadata
apus_task_metadata: .quad 0, apus_task_destroy_entry, 0

// A vtable slot whose method was removed; reaching it is a compiler error.
FUNCTION swift_deletedAsyncMethodError
  ud2
ASYNC_RECORD swift_deletedAsyncMethodError, 16

#endif
  .section .note.GNU-stack, "", @progbits
