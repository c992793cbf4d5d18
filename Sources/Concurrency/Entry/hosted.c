// hosted: the host functions of unit tests on Linux: a clock that only tests move, kicks that are counted.
#ifndef APUS_BARE
#define _GNU_SOURCE
#include "Entry.h"
#include <asm/prctl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static __thread uint64_t clock_ticks;
static __thread uint64_t kick_count;
uint64_t apus_ticks_per_microsecond = 1000;

uint64_t apus_host_now(void) { return clock_ticks; }
void apus_hosted_set_clock(uint64_t ticks) { clock_ticks = ticks; }
uint64_t apus_hosted_kicks(void) { return kick_count; }
void apus_host_kick(uint32_t cpu) {
  (void)cpu;
  kick_count++;
}
void *apus_host_allocate(uint64_t bytes) { return aligned_alloc(64, (bytes + 63) & ~63ull); }
void apus_host_free(void *memory, uint64_t bytes) {
  (void)bytes;
  free(memory);
}
void *apus_host_allocate_reserve(uint64_t bytes) { return apus_host_allocate(bytes); }
uint32_t apus_memory_low;
void apus_host_fatal(const char *reason) {
  fprintf(stderr, "fatal: %s\n", reason);
  abort();
}
/// Makes `cpu` the calling thread's CPU block.
void apus_hosted_set_cpu(struct apus_cpu *cpu) { syscall(SYS_arch_prctl, ARCH_SET_GS, cpu); }

enum { THREADS = 4 };
struct call {
  void (*body)(void *, int64_t);
  void *argument;
  int64_t number;
};
static __thread jmp_buf thread_end;
static void *thread_main(void *raw) {
  struct call *call = raw;
  if (setjmp(thread_end) == 0) call->body(call->argument, call->number);
  return 0;
}
void apus_hosted_yield_thread(void) { sched_yield(); }
/// Ends the calling thread of a test from however deep; what its frames hold is never released.
void apus_hosted_leave_thread(void) { longjmp(thread_end, 1); }
/// Runs `body` on up to four threads of their own at once and waits for all of them.
void apus_hosted_on_threads(int64_t count, void (*body)(void *, int64_t), void *argument) {
  struct call calls[THREADS];
  pthread_t threads[THREADS];
  if (count < 1 || count > THREADS) apus_host_fatal("a test may have one to four threads");
  for (int64_t n = 0; n < count; n++) {
    calls[n] = (struct call){body, argument, n};
    if (pthread_create(&threads[n], 0, thread_main, &calls[n]) != 0) apus_host_fatal("no thread for a test");
  }
  for (int64_t n = 0; n < count; n++) pthread_join(threads[n], 0);
}
#endif
