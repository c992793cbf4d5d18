// toolchain: what objects compiled against the toolchain's own _Concurrency call and our module does not need.
//
// The listed subset of boards/abi/README.md, over the same task headers and hooks as our entry points. Observed layouts:
// runtime.md §2.4.
#include "ToolchainABI.h"
#include "Entry.h"
#ifdef APUS_BARE

struct apus_task *apus_rt_yield(struct apus_task *task);
struct apus_task *apus_rt_park(struct apus_task *task);
void apus_rt_send(struct apus_task *task, uint16_t cpu);
void apus_unpark_task_word(intptr_t task);
struct apus_task *apus_task_wait(struct apus_task *task);
struct apus_task_and_context apus_abi_task_create(
    intptr_t flags, void *options, const void *type, const void *function, void *closure);
void *apus_abi_task_alloc(intptr_t bytes);
void apus_abi_task_dealloc(void *frame);
void *apus_push_cancellation_handler(void *handler);
void apus_pop_cancellation_handler(void *record);
void apus_task_cancel(void *task);
uint8_t apus_current_priority(void);
void apus_toolchain_future_entry(void);

enum { RESULT_TYPE = 4, DONE = 4 };

// The header has no word for the result's copy function; its distance from an address of the image fits the spare one.
static void keep_copy(struct apus_task *task, struct apus_task_option *option) {
  for (; option; option = option->parent)
    if ((option->flags & 0xFF) == RESULT_TYPE) {
      intptr_t distance = (intptr_t)option->words[2] - (intptr_t)apus_task_metadata;
      task->reserved = (uint32_t)(int32_t)distance;
      return;
    }
}

struct apus_task_and_context apus_toolchain_task_create(
    intptr_t flags, void *options, const void *type, const void *function, void *closure) {
  struct apus_task_and_context made = apus_abi_task_create(flags, options, type, function, closure);
  if (made.task) made.task->reserved = 0, keep_copy(made.task, options);
  return made;
}

// The context that a call of swift_task_future_wait is given: two words as in every context, and one for us.
struct future_context {
  void *parent, *resume, *result, *task;
};

static void copy_result(void *result, struct apus_task *task) {
  if (!task->reserved) return;
  apus_value_copy copy = (apus_value_copy)((intptr_t)apus_task_metadata + (int32_t)task->reserved);
  copy(result, task->result, 0);
}

struct apus_task *apus_toolchain_future_wait(
    void *result, struct apus_task *task, void *resume, struct future_context *call, void *context) {
  struct apus_task *current = apus_running_task();
  apus_set_continuation(current, resume, context);
  if (__atomic_load_n(&task->state, __ATOMIC_ACQUIRE) == DONE) {
    copy_result(result, task);
    return current;
  }
  call->parent = context;
  call->resume = resume;
  call->result = result;
  apus_set_continuation(current, (void *)apus_toolchain_future_entry, call);
  return apus_task_wait(task);
}

struct apus_task *apus_toolchain_future_done(struct future_context *call) {
  struct apus_task *current = apus_running_task();
  // What a task waits for stays in its header until its next wait.
  copy_result(call->result, current->wait_object);
  apus_set_continuation(current, call->resume, call->parent);
  return current;
}

// A continuation's context; `state` is the word that the toolchain synchronises resume and await by.
struct continuation {
  void *parent, *resume;
  uint64_t flags, state;
  void *error, *result, *executor;
};
enum { PENDING, AWAITED, RESUMED, YIELDING };

void *swift_continuation_init(struct continuation *context, uint64_t flags) {
  struct apus_task *current = apus_running_task();
  context->flags = flags;
  context->state = PENDING;
  context->error = 0;
  apus_set_continuation(current, context->resume, context);
  return current;
}

struct apus_task *apus_toolchain_continuation_await(struct continuation *context) {
  struct apus_task *current = apus_running_task();
  apus_set_continuation(current, context->resume, context);
  if (context->state == RESUMED) return current;
  if (context->state == YIELDING) return apus_rt_yield(current);
  context->state = AWAITED;
  return apus_rt_park(current);
}

// By the CPU that has the task, or by any other: then the wake is a message (I1).
void swift_continuation_resume(struct apus_task *task) {
  struct continuation *context = task->context;
  if (task->place == apus_cpu_index()) {
    if (context->state == PENDING)
      context->state = RESUMED;
    else
      apus_unpark_task_word((intptr_t)task);
  } else {
    apus_rt_send(task, task->place);
  }
}
void swift_continuation_throwingResume(struct apus_task *task) { swift_continuation_resume(task); }

// Task.yield of the toolchain: a job that resumes a continuation, put into the global executor's queue.
void *swift_task_createNullaryContinuationJob(uint64_t priority, struct apus_task *task) {
  (void)priority;
  return task;
}
void swift_task_enqueueGlobal(struct apus_task *job) {
  struct continuation *context = job->context;
  if (context->state == PENDING) context->state = YIELDING;
}
void swift_createDefaultExecutorsOnce(void) {}

struct apus_task *swift_task_getCurrent(void) { return apus_current(); }
uint64_t swift_task_currentPriority(struct apus_task *task) { return (uint64_t)(7 - (task->level & 7)) << 2 | 1; }
uint64_t swift_task_getCurrentThreadPriority(void) { return apus_current_priority(); }
uint32_t swift_task_isCancelled(struct apus_task *task) {
  return __atomic_load_n(&task->cancelled, __ATOMIC_ACQUIRE) != 0;
}
void swift_task_cancel(struct apus_task *task) { apus_task_cancel(task); }

// Our scope keeps an object with a closure in it; this has that object's layout, in the task's frames, with the
// toolchain's pair of function and context as the closure.
struct handler {
  const void *metadata;
  intptr_t references;
  void *function, *context;
};
void *swift_task_addCancellationHandler(void *function, void *context) {
  struct handler *handler = apus_abi_task_alloc(sizeof *handler);
  *handler = (struct handler){0, 1 << 20, function, context};
  return apus_push_cancellation_handler(handler);
}
void swift_task_removeCancellationHandler(struct apus_record *record) {
  void *handler = record->payload;
  apus_pop_cancellation_handler(record);
  apus_abi_task_dealloc(handler);
}
#endif
