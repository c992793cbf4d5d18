// PerCPU: the words at GS base that belong to the runtime, and the layout of a task's header.
//
// One layout for the assembly (offsets), for Swift (imported structs) and for every host of the
// runtime: bare metal sets GS base per CPU, the Linux-process build per thread.
#ifndef APUS_PER_CPU_H
#define APUS_PER_CPU_H

// Offsets that Entry.S uses; checked against the structs below.
#define APUS_CPU_CURRENT 8
#define APUS_TASK_CONTEXT 0x28
#define APUS_TASK_RESUME 0x30
#define APUS_TASK_RESULT 0x58
#define APUS_PREFIX_SIZE 16
#define APUS_CPU_BUDGET 0x20
#define APUS_CPU_EXECUTOR 0x10
// Images that count runs begin with the clock of the run under way.
#define APUS_EXECUTOR_RUN_START 0
#define APUS_EXECUTOR_STALL_LIMIT 8
#define APUS_EXECUTOR_RUNNING 16
#ifdef APUS_TRACED
#define APUS_EXECUTOR_TURNS 24
#else
#define APUS_EXECUTOR_TURNS 0
#endif
#define APUS_EXECUTOR_LONE (APUS_EXECUTOR_TURNS + 8)
#define APUS_EXECUTOR_MASK (APUS_EXECUTOR_TURNS + 16)
#define APUS_EXECUTOR_INCOMING (APUS_EXECUTOR_TURNS + 24)
#define APUS_EXECUTOR_PLACE (APUS_EXECUTOR_TURNS + 40)
#define APUS_EXECUTOR_URGENT (APUS_EXECUTOR_TURNS + 48)
#define APUS_TASK_NEXT 0x10
#define APUS_TASK_STATE 0x18
#define APUS_TASK_LEVEL 0x19
#define APUS_TASK_FLAGS 0x1a
#define APUS_TASK_RUNS 0xd8
#define APUS_TASK_LONGEST_RUN 0xdc
#define APUS_TASK_LONGEST_WAIT 0xe0
#define APUS_TASK_READY_AT 0xe8
// Values that Entry.S writes and tests; Swift has them from here, or a test compares them.
#define APUS_BUDGET_PER_RUN 128
#define APUS_STATE_PARKED 3
#define APUS_FLAG_PERMIT 1
#define APUS_FLAG_OWN_CONTEXT 64
// The context size in a leaf's record: every other function's context has its own two words.
#define APUS_LEAF_CONTEXT 0

#ifndef __ASSEMBLER__
#pragma clang diagnostic ignored "-Wnullability-completeness"
#include <stddef.h>
#include <stdint.h>

struct apus_cpu;

/// The header of a task block. The first 64 bytes are all that a wake and a run on the same CPU
/// touch. Only the owning CPU reads or writes a header, except for the words named atomic.
struct apus_task {
  // Line 0
  const void *metadata;      // 0x00 Embedded Swift object header
  intptr_t references;       // 0x08 (atomic, by swift_retain/release)
  struct apus_task *next;    // 0x10 ready queue, waiter list or pool link
  uint8_t state;             // 0x18 TaskState
  uint8_t level;             // 0x19 priority level, 0 is the most urgent
  uint8_t flags;             // 0x1a TaskFlags
  uint8_t wait_kind;         // 0x1b what the task waits for, for reports
  uint16_t home;             // 0x1c CPU that the task belongs to
  uint16_t place;            // 0x1e CPU whose executor may resume it now
  uint8_t *_Nonnull bump;             // 0x20 next free byte of the frame block
  // A suspended task's continuation, which is a leaf's whole context too: a leaf's caller writes it by itself.
  void *context;             // 0x28 the caller's context; with APUS_FLAG_OWN_CONTEXT, the one to resume with
  void *resume;              // 0x30 code to resume at
  uint8_t *_Nonnull limit;   // 0x38 end of the frame block
  // Line 1
  uint8_t *_Nonnull base;             // 0x40 first frame of the present block
  struct apus_block *blocks; // 0x48 chained frame blocks, newest first
  struct apus_task *waiters; // 0x50 tasks that await this one's value
  void *result;              // 0x58 where the result is stored
  const void *result_destroy;// 0x60 destroys the result (Embedded value witness) or null
  struct apus_record *records; // 0x68 status records: cancellation handlers, children
  uint64_t scope_deadline;   // 0x70 ticks at which leaf waits give up, or all ones
  void *closure;             // 0x78 closure context released at the end; a child's parent task
  // Line 2
  uint64_t inbox_link;       // 0x80 (atomic) link in an inbox: a wake or an adoption
  uint64_t cancel_link;      // 0x88 (atomic) link in an inbox: a cancellation
  uint32_t cancelled;        // 0x90 (atomic) 1 once cancelled
  uint32_t identifier;       // 0x94 per-CPU number, for traces
  void *timer_next;          // 0x98
  void *timer_previous;      // 0xa0
  uint64_t deadline;         // 0xa8
  uint32_t timer_slot;       // 0xb0
  uint32_t block_size;       // 0xb4 bytes of the first block, header included
  void *wait_object;         // 0xb8 primitive the task waits at
  // Line 3
  const char *name;          // 0xc0 static string or null
  const char *file;          // 0xc8 where it was spawned
  uint32_t line;             // 0xd0
  uint32_t wakes;            // 0xd4
  uint32_t runs;             // 0xd8
  uint32_t longest_run;      // 0xdc ticks, saturating
  uint32_t longest_wait;     // 0xe0 ticks from ready to running, saturating
  uint32_t reserved;         // 0xe4
  uint64_t ready_at;         // 0xe8 ticks
  struct apus_task *listed;  // 0xf0 next in the CPU's list of all tasks
  struct apus_task *listed_previous; // 0xf8
};

/// A list of tasks: the first, and where the next one's address goes.
struct apus_list {
  struct apus_task *_Nonnull first; // meaningful unless last points here
  struct apus_task *_Nullable *_Nonnull last;
};

/// A created task and its first context, as swift_task_create returns them.
struct apus_task_and_context {
  struct apus_task *task;
  void *context;
};

/// The runtime's part of a CPU's block, at GS base.
struct apus_cpu {
  struct apus_cpu *self;     // 0x00
  struct apus_task *current; // 0x08
  void *executor;            // 0x10 the Executor of this CPU
  uint32_t index;            // 0x18
  uint32_t flags;            // 0x1c
  int64_t budget;            // 0x20 leaf operations the running task has left
  uint64_t pending;          // 0x28 bits set by interrupt handlers, taken by the executor
  struct apus_block *pool[4];// 0x30 free task blocks by size class
  uint32_t pooled[4];        // 0x50
  uint64_t pool_misses;      // 0x60 blocks that had to come from the host
  uint64_t reserved[19];     // 0x68
};

/// What the entry code shares with the executor: its first words. (In the CPU's block itself, by way of GS, a hand-over
/// took a nanosecond longer.)
struct apus_handover {
#ifdef APUS_TRACED
  uint64_t run_start;        // ticks at which the present run began
  uint64_t stall_limit;      // ticks from which on a run is a stall
  struct apus_task *running; // whose run it is
#endif
  int64_t turns;          // hand-overs until the next pass
  struct apus_task *lone; // the only ready task, which is in no list
  uint32_t mask;          // the lists that hold a task
  struct apus_list *_Nonnull incoming; // eight lists: where newcomers go
  struct apus_list *_Nonnull batch;    // eight lists: where the round takes from
  struct apus_list *_Nonnull place;    // the round's most urgent list that is not empty
  uint32_t urgent;        // incoming levels that overtake it; all ones while no round is under way
};

/// A status record of a task, in that task's frames.
struct apus_record {
  struct apus_record *next;
  uint32_t kind;
  uint32_t reserved;
  void *payload;
  uint64_t words[2];
};

/// A block of task memory: on a free list, or chained behind a task.
struct apus_block {
  struct apus_block *next;
  uint8_t *saved_bump;
  uint8_t *saved_limit;
  uint8_t *saved_base;
  uint64_t size;
  uint64_t reserved[3];
};

_Static_assert(sizeof(struct apus_task) == 256, "the task header is four cache lines");
_Static_assert(sizeof(struct apus_cpu) == 256, "the runtime owns 256 bytes of the CPU block");
_Static_assert(sizeof(struct apus_block) == 64, "a block header is one cache line");
_Static_assert(offsetof(struct apus_task, resume) == APUS_TASK_RESUME, "Entry.S");
_Static_assert(offsetof(struct apus_task, context) == APUS_TASK_CONTEXT, "Entry.S");
_Static_assert(APUS_TASK_RESUME == APUS_TASK_CONTEXT + 8 && APUS_TASK_CONTEXT % 16 == 8, "Frames.swift");
_Static_assert(offsetof(struct apus_task, result) == APUS_TASK_RESULT, "Entry.S");
_Static_assert(offsetof(struct apus_cpu, pending) == 0x28, "apus_post_pending");
_Static_assert(offsetof(struct apus_cpu, pool) == 0x30, "Pools.swift");
_Static_assert(offsetof(struct apus_cpu, pooled) == 0x50, "Pools.swift");
_Static_assert(offsetof(struct apus_task, home) == 0x1c, "Entry.S");
_Static_assert(offsetof(struct apus_task, state) == APUS_TASK_STATE, "Entry.S");
_Static_assert(offsetof(struct apus_task, flags) == APUS_TASK_FLAGS, "Entry.S");
_Static_assert(offsetof(struct apus_cpu, budget) == APUS_CPU_BUDGET, "Entry.S");
_Static_assert(offsetof(struct apus_cpu, executor) == APUS_CPU_EXECUTOR, "Entry.S");
_Static_assert(offsetof(struct apus_handover, lone) == APUS_EXECUTOR_LONE, "Entry.S");
_Static_assert(offsetof(struct apus_handover, turns) == APUS_EXECUTOR_TURNS, "Entry.S");
#ifdef APUS_TRACED
_Static_assert(offsetof(struct apus_handover, run_start) == APUS_EXECUTOR_RUN_START, "Entry.S");
_Static_assert(offsetof(struct apus_handover, stall_limit) == APUS_EXECUTOR_STALL_LIMIT, "Entry.S");
_Static_assert(offsetof(struct apus_handover, running) == APUS_EXECUTOR_RUNNING, "Entry.S");
#endif
_Static_assert(offsetof(struct apus_task, runs) == APUS_TASK_RUNS, "Entry.S");
_Static_assert(offsetof(struct apus_task, longest_run) == APUS_TASK_LONGEST_RUN, "Entry.S");
_Static_assert(offsetof(struct apus_task, longest_wait) == APUS_TASK_LONGEST_WAIT, "Entry.S");
_Static_assert(offsetof(struct apus_task, ready_at) == APUS_TASK_READY_AT, "Entry.S");
_Static_assert(offsetof(struct apus_handover, mask) == APUS_EXECUTOR_MASK, "Entry.S");
_Static_assert(offsetof(struct apus_handover, incoming) == APUS_EXECUTOR_INCOMING, "Entry.S");
_Static_assert(offsetof(struct apus_handover, place) == APUS_EXECUTOR_PLACE, "Entry.S");
_Static_assert(offsetof(struct apus_handover, urgent) == APUS_EXECUTOR_URGENT, "Entry.S");
_Static_assert(offsetof(struct apus_task, next) == APUS_TASK_NEXT, "Entry.S");
_Static_assert(offsetof(struct apus_task, level) == APUS_TASK_LEVEL, "Entry.S");
_Static_assert(offsetof(struct apus_cpu, current) == APUS_CPU_CURRENT, "Entry.S");

/// Forced, because the optimiser left these as calls in Swift's callers (why is not known: perhaps differing
/// function attributes): 158 instructions from wake to run instead of 105.
#define APUS_INLINE static inline __attribute__((always_inline))

#define APUS_GS __attribute__((address_space(256)))

/// The running CPU's block. Volatile: a task may be on another CPU after an await.
APUS_INLINE struct apus_cpu *_Nonnull apus_this_cpu(void) {
  return *(struct apus_cpu *volatile APUS_GS *)0;
}
APUS_INLINE struct apus_task *apus_current(void) {
  return *(struct apus_task *volatile APUS_GS *)APUS_CPU_CURRENT;
}
/// The same for code that only tasks call.
APUS_INLINE struct apus_task *_Nonnull apus_running_task(void) {
  return *(struct apus_task *volatile APUS_GS *)APUS_CPU_CURRENT;
}
APUS_INLINE void apus_set_current(struct apus_task *task) {
  *(struct apus_task *volatile APUS_GS *)APUS_CPU_CURRENT = task;
}
APUS_INLINE void *_Nonnull apus_this_executor(void) {
  return *(void *volatile APUS_GS *)offsetof(struct apus_cpu, executor);
}
/// The entry code's words of the executor, once the CPU has one.
APUS_INLINE struct apus_handover apus_this_handover(void) { return *(struct apus_handover *)apus_this_executor(); }
APUS_INLINE int apus_has_executor(void) {
  return *(void *volatile APUS_GS *)offsetof(struct apus_cpu, executor) != 0;
}
APUS_INLINE uint32_t apus_cpu_index(void) {
  return *(volatile uint32_t APUS_GS *)offsetof(struct apus_cpu, index);
}
/// Takes one unit of the running task's budget; what is left, below zero when there was none.
APUS_INLINE int64_t apus_spend_budget(void) {
  volatile int64_t APUS_GS *budget = (volatile int64_t APUS_GS *)offsetof(struct apus_cpu, budget);
  return *budget -= 1;
}
APUS_INLINE void apus_set_budget(int64_t value) {
  *(volatile int64_t APUS_GS *)offsetof(struct apus_cpu, budget) = value;
}

/// Sets pending bits; for interrupt handlers on the same CPU (one instruction, not locked).
APUS_INLINE void apus_post_pending(uint64_t bits) {
  __asm__ volatile("orq %0, %%gs:0x28" : : "r"(bits) : "memory", "cc");
}
/// Takes all pending bits; a plain load when there are none.
APUS_INLINE uint64_t apus_take_pending(void) {
  volatile uint64_t APUS_GS *pending = (volatile uint64_t APUS_GS *)offsetof(struct apus_cpu, pending);
  uint64_t bits = *pending;
  if (bits == 0) return 0;
  bits = 0;
  __asm__ volatile("xchgq %0, %%gs:0x28" : "+r"(bits) : : "memory");
  return bits;
}
APUS_INLINE uint64_t apus_has_pending(void) {
  return *(volatile uint64_t APUS_GS *)offsetof(struct apus_cpu, pending);
}

/// Makes `task` go on at `resume` with `context`, which is not a leaf's.
APUS_INLINE void apus_set_continuation(
    struct apus_task *_Nonnull task, void *_Nullable resume, void *_Nullable context) {
  task->resume = resume;
  task->context = context;
  task->flags |= APUS_FLAG_OWN_CONTEXT;
}
/// The memory of a leaf's context: a task waits in one leaf at a time.
APUS_INLINE uint8_t *_Nonnull apus_leaf_context(struct apus_task *_Nonnull task) { return (uint8_t *)&task->context; }
/// The running task's. (As an instruction of its own: merged with another path's load of the task it took a move more.)
APUS_INLINE uint8_t *_Nonnull apus_running_leaf_context(void) {
  struct apus_task *task;
  __asm__ volatile("movq %%gs:%c1, %0" : "=r"(task) : "i"(APUS_CPU_CURRENT));
  return apus_leaf_context(task);
}

APUS_INLINE struct apus_task *_Nullable *_Nonnull apus_link(struct apus_task *_Nonnull task) {
  return &task->next;
}
APUS_INLINE struct apus_task *_Nullable *_Nonnull apus_list_start(struct apus_list *_Nonnull list) {
  return (struct apus_task *_Nullable *_Nonnull)&list->first;
}

/// Gives every header word a value that nobody sets later; the rest is set by the creator, the counters by the trace.
APUS_INLINE void apus_prepare_task(struct apus_task *task) {
  task->next = 0;
  *(uint64_t *)(void *)&task->state = 0;
  task->blocks = 0;
  task->waiters = 0;
  task->records = 0;
  task->scope_deadline = ~0ull;
  *(uint64_t *)(void *)&task->cancelled = 0;
  task->timer_slot = ~0u;
  task->wait_object = 0;
  task->name = 0;
}

#endif  // !__ASSEMBLER__
#endif
