// hosted: the host functions of unit tests on Linux: a clock that only tests move, kicks that are counted.
#ifndef APUS_BARE
#define _GNU_SOURCE
#include "Entry.h"
#include <asm/prctl.h>
#include <pthread.h>
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
void apus_host_fatal(const char *reason) {
  fprintf(stderr, "fatal: %s\n", reason);
  abort();
}
/// Makes `cpu` the calling thread's CPU block.
void apus_hosted_set_cpu(struct apus_cpu *cpu) { syscall(SYS_arch_prctl, ARCH_SET_GS, cpu); }

struct call {
  void (*body)(void *);
  void *argument;
};
static void *thread_main(void *raw) {
  struct call *call = raw;
  call->body(call->argument);
  return 0;
}
/// Runs `body` on a thread of its own and waits for it.
void apus_hosted_on_thread(void (*body)(void *), void *argument) {
  struct call call = {body, argument};
  pthread_t thread;
  if (pthread_create(&thread, 0, thread_main, &call) != 0) apus_host_fatal("no thread for a test");
  pthread_join(thread, 0);
}
#endif
