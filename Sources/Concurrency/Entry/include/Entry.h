// Entry: what the assembly offers to Swift, and what the runtime asks of its host.
#ifndef APUS_ENTRY_H
#define APUS_ENTRY_H
#include "PerCPU.h"
#ifndef __ASSEMBLER__
#include "Stamp.h"
#endif

/// Resumes the current task; returns when a suspension or an end chose nothing to run next.
void apus_run(void);

/// Code addresses, used as data only.
void apus_task_start(void);
void apus_task_end(void);
extern const uint64_t apus_task_metadata[3];

APUS_INLINE void *apus_task_start_address(void) { return (void *)apus_task_start; }
APUS_INLINE void *apus_task_end_address(void) { return (void *)apus_task_end; }
void apus_async_let_finish_entry(void);
APUS_INLINE void *apus_async_let_finish_address(void) {
  return (void *)apus_async_let_finish_entry;
}
APUS_INLINE const void *apus_metadata_address(void) { return apus_task_metadata; }

/// Host: memory of `bytes` bytes aligned to 64, or null. Called only when the CPU's pools are empty.
void *apus_host_allocate(uint64_t bytes);
/// Host: gives back what either of the two gave; bit 31 of `bytes` is set for the reserve's.
void apus_host_free(void *memory, uint64_t bytes);
/// Host: memory as `apus_host_allocate`, from a reserve that spawning never draws on; null when that is used up.
void *apus_host_allocate_reserve(uint64_t bytes);
/// Host: not 0 while memory set aside for the worst is in use: nothing new is started then.
extern uint32_t apus_memory_low;
APUS_INLINE void apus_set_memory_low(uint32_t low) { *(volatile uint32_t *)&apus_memory_low = low; }
APUS_INLINE uint32_t apus_is_memory_low(void) { return *(volatile uint32_t *)&apus_memory_low; }
/// Host: makes the CPU look at its inbox soon (a hint; never needed for safety).
void apus_host_kick(uint32_t cpu);
/// Host: ticks of the clock that traces and timers use.
uint64_t apus_host_now(void);
/// Host: how many of those ticks make a microsecond; set before the first task.
extern uint64_t apus_ticks_per_microsecond;
APUS_INLINE uint64_t apus_tick_rate(void) { return apus_ticks_per_microsecond; }
/// Host: ends the machine with a report; `reason` is a C string.
void apus_host_fatal(const char *reason) __attribute__((noreturn));

/// The result-type record that the compiler passes to swift_task_create (option kind 4).
struct apus_task_option {
  uint64_t flags;                  // kind in the low byte
  struct apus_task_option *parent; // next option
  uint64_t words[5];               // kind 4: size, alignment mask, copy, store tag, destroy
};
typedef void (*apus_value_destroy)(void *value, const void *type);
typedef void *(*apus_value_copy)(void *to, void *from, const void *type);

/// Calls a value witness of the result type.
APUS_INLINE void apus_destroy_value(const void *witness, void *value) {
  ((apus_value_destroy)(uintptr_t)witness)(value, 0);
}

APUS_INLINE uint64_t apus_load_acquire64(uint64_t *word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
APUS_INLINE uint32_t apus_load_acquire32(uint32_t *word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
APUS_INLINE uint32_t apus_swap32(uint32_t *word, uint32_t value) {
  return __atomic_exchange_n(word, value, __ATOMIC_ACQ_REL);
}
APUS_INLINE uint8_t apus_load_acquire8(uint8_t *word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
APUS_INLINE void apus_store_release8(uint8_t *word, uint8_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}
/// Reference counting of task objects, as compiled code does it.
APUS_INLINE void apus_retain_object(struct apus_task *task) {
  __atomic_add_fetch(&task->references, 1, __ATOMIC_RELAXED);
}
APUS_INLINE int64_t apus_load_acquire_references(struct apus_task *task) {
  return __atomic_load_n(&task->references, __ATOMIC_ACQUIRE);
}
#ifdef APUS_BARE
/// Embedded Swift's object: its metadata, whose second word destroys it, and a count whose top bit says immortal.
struct apus_object { void *const *metadata; intptr_t references; };
typedef __attribute__((swiftcall)) void (*apus_destroyer)(__attribute__((swift_context)) void *object);
APUS_INLINE int apus_is_last_reference(void *object) {
  return __atomic_load_n(&((struct apus_object *)object)->references, __ATOMIC_ACQUIRE) == 1;
}
APUS_INLINE void apus_destroy_object(void *object) {
  struct apus_object *last = object;
  last->references = INTPTR_MAX;  // a destroyer may retain and release it
  ((apus_destroyer)(uintptr_t)last->metadata[1])(object);
}
#endif
void free(void *object);
APUS_INLINE void apus_deallocate_object(void *object) { free(object); }
APUS_INLINE uint64_t apus_load_relaxed64(uint64_t *word) {
  return __atomic_load_n(word, __ATOMIC_RELAXED);
}
APUS_INLINE void apus_store_relaxed64(uint64_t *word, uint64_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELAXED);
}
APUS_INLINE void apus_store_release64(uint64_t *word, uint64_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}
APUS_INLINE uint64_t apus_exchange64(uint64_t *word, uint64_t value) {
  return __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);
}
/// What the word was; `desired` is stored if that is `expected`.
APUS_INLINE uint64_t apus_compare_exchange64(uint64_t *word, uint64_t expected, uint64_t desired) {
  __atomic_compare_exchange_n(word, &expected, desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return expected;
}
/// A full fence: a locked instruction on the stack's top line, cheaper than MFENCE.
APUS_INLINE void apus_fence(void) {
  // Only before and after a rest: a guest's call is to meet no locked instruction.
  __asm__ volatile("mfence" : : : "memory");
}
APUS_INLINE void apus_spin_pause(void) { __builtin_ia32_pause(); }
#ifndef APUS_BARE
/// Unit tests: moves the calling thread's clock, counts its kicks, names its CPU.
void apus_hosted_set_clock(uint64_t ticks);
uint64_t apus_hosted_kicks(void);
void apus_hosted_set_cpu(struct apus_cpu *cpu);
void apus_hosted_yield_thread(void);
_Noreturn void apus_hosted_leave_thread(void);
void apus_hosted_on_threads(int64_t count, void (*body)(void *, int64_t), void *argument);
#endif
#endif
