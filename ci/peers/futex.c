// futex: two threads that wake each other through futexes: what the operating system's own hand-over costs.
#include "peer.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TURNS = 20000 };
static _Alignas(64) uint32_t words[2][16];
static int cpus[2];

static void pass(int to) {
  __atomic_store_n(words[to], 1, __ATOMIC_SEQ_CST);
  syscall(SYS_futex, words[to], FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}
static void take(int own) {
  while (!__atomic_exchange_n(words[own], 0, __ATOMIC_SEQ_CST)) syscall(SYS_futex, words[own], FUTEX_WAIT_PRIVATE, 0, 0, 0, 0);
}
static void *partner(void *unused) {
  pin(cpus[1]);
  for (int turn = 0; turn < TURNS / 2; turn++) take(1), pass(0);
  return unused;
}
static void batch(void) {
  pthread_t thread;
  pin(cpus[0]);
  check(pthread_create(&thread, 0, partner, 0) == 0, "no thread");
  for (int turn = 0; turn < TURNS / 2; turn++) pass(1), take(0);
  pthread_join(thread, 0);
}

int main(void) {
  measure("pthreads and futex", "wake to run", TURNS, batch);
  cpus[1] = 1;
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  if (CPU_COUNT(&allowed) > 1) measure("pthreads and futex", "wake to run, other CPU, halted", TURNS, batch);
}
