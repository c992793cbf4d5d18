// threads: the Linux-process build: N pinned threads that are CPUs, the real clock, halts and kicks by futex.
#include "SimHost.h"
#include "Entry.h"

typedef unsigned long thread;
extern int pthread_create(thread *made, const void *attributes, void *(*body)(void *), void *argument);
extern int pthread_join(thread joined, void **result);
extern long syscall(long number, ...);

#define ALIGNED __attribute__((force_align_arg_pointer))
enum { FUTEX = 202, CLOCK_GETTIME = 228, SET_AFFINITY = 203, GET_AFFINITY = 204, WAIT = 128, WAKE = 129 };

struct seconds {
  int64_t seconds, nanoseconds;
};

// A CPU's kick word has a line of its own: 1 says that the CPU was kicked since its last halt ended.
static struct {
  _Alignas(64) uint32_t kicked;
} kicks[64];
static uint32_t stopping, ended, count;
static void (*thread_body)(void *, uint64_t);
static void *thread_context;

static int64_t monotonic(void) {
  struct seconds now;
  syscall(CLOCK_GETTIME, 1L /* CLOCK_MONOTONIC */, &now);
  return now.seconds * 1000000000 + now.nanoseconds;
}

// Sleeps while `word` is `value`, at most `nanoseconds` (below zero: without end).
static void futex_wait(uint32_t *word, uint32_t value, int64_t nanoseconds) {
  struct seconds limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  syscall(FUTEX, word, (long)WAIT, (long)value, nanoseconds < 0 ? (void *)0 : &limit, (void *)0, 0L);
}
static void futex_wake(uint32_t *word) {
  syscall(FUTEX, word, (long)WAKE, 1L << 20, (void *)0, (void *)0, 0L);
}

uint64_t sim_ticks(void) { return __builtin_ia32_rdtsc(); }

// How many ticks of the time-stamp counter make a microsecond, over 50 ms of the system's clock; of several readings
// the one with the tightest bracket counts, so that a thread put aside meanwhile does no harm.
static uint64_t bracket(uint64_t *ticks) {
  uint64_t best = ~0ull;
  int64_t time = 0;
  for (int turn = 0; turn < 20; turn++) {
    uint64_t before = sim_ticks();
    int64_t now = monotonic();
    uint64_t after = sim_ticks();
    if (after - before < best) best = after - before, *ticks = before + (after - before) / 2, time = now;
  }
  return (uint64_t)time;
}

static uint64_t kilohertz;
uint64_t sim_kilohertz(void) { return kilohertz; }

ALIGNED void sim_use_real_clock(void) {
  uint64_t first, last, start = bracket(&first), end;
  uint32_t never = 0;
  futex_wait(&never, 0, 50000000);
  end = bracket(&last);
  kilohertz = (uint64_t)((unsigned __int128)(last - first) * 1000000 / (end - start));
  apus_ticks_per_microsecond = (kilohertz + 500) / 1000;
  sim_clock_is_real = sim_clock_is_counter = 1;
}

static void pin(uint64_t cpu) {
  uint64_t allowed[16] = {0}, chosen[16] = {0};
  long bytes = syscall(GET_AFFINITY, 0L, (long)sizeof allowed, allowed);
  uint64_t total = 0;
  for (long word = 0; word * 8 < bytes; word++) total += (uint64_t)__builtin_popcountll(allowed[word]);
  if (total == 0) return;
  uint64_t wanted = cpu % total;
  for (uint64_t bit = 0; bit < 1024; bit++) {
    if (!(allowed[bit / 64] >> (bit % 64) & 1)) continue;
    if (wanted-- == 0) {
      chosen[bit / 64] = 1ull << (bit % 64);
      break;
    }
  }
  syscall(SET_AFFINITY, 0L, (long)sizeof chosen, chosen);
}

static void *start(void *number) {
  uint64_t cpu = (uint64_t)(uintptr_t)number;
  pin(cpu);
  thread_body(thread_context, cpu);
  if (__atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST) == count) futex_wake(&ended);
  return 0;
}

ALIGNED uint32_t sim_run_threads(uint64_t threads, uint64_t limit, void (*body)(void *, uint64_t), void *context) {
  thread made[64];
  count = (uint32_t)(threads > 64 ? 64 : threads);
  thread_body = body;
  thread_context = context;
  for (uint64_t cpu = 0; cpu < count; cpu++)
    if (pthread_create(&made[cpu], 0, start, (void *)(uintptr_t)cpu)) sim_exit(6);
  int64_t end = monotonic() + (int64_t)limit * 1000000000;
  while (1) {
    uint32_t now = __atomic_load_n(&ended, __ATOMIC_SEQ_CST);
    if (now == count) break;
    int64_t left = end - monotonic();
    if (left <= 0) return 0;
    futex_wait(&ended, now, left < 100000000 ? left : 100000000);
  }
  for (uint64_t cpu = 0; cpu < count; cpu++) pthread_join(made[cpu], 0);
  return 1;
}

// A fault to be found: every so many kicks one is lost (0: none).
uint64_t sim_dropped_kick;
static uint64_t sent_kicks;

ALIGNED void sim_kick(uint32_t cpu) {
  if (sim_dropped_kick && __atomic_add_fetch(&sent_kicks, 1, __ATOMIC_RELAXED) % sim_dropped_kick == 0) return;
  uint32_t *word = &kicks[cpu & 63].kicked;
  if (__atomic_exchange_n(word, 1, __ATOMIC_SEQ_CST) == 0) futex_wake(word);
}

ALIGNED void sim_halt(uint32_t cpu, uint64_t deadline) {
  uint32_t *word = &kicks[cpu & 63].kicked;
  while (!__atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST)) {
    if (__atomic_load_n(&stopping, __ATOMIC_SEQ_CST)) return;
    int64_t left = -1;
    if (deadline != ~0ull) {
      uint64_t now = sim_ticks();
      if (now >= deadline) return;
      // A deadline further off than a year is waited for in pieces.
      uint64_t ticks = deadline - now;
      if (ticks > 1ull << 56) ticks = 1ull << 56;
      left = (int64_t)((unsigned __int128)ticks * 1000000 / kilohertz) + 1;
    }
    futex_wait(word, 0, left);
  }
}

void sim_stop(void) {
  __atomic_store_n(&stopping, 1, __ATOMIC_SEQ_CST);
  for (uint32_t cpu = 0; cpu < 64; cpu++) sim_kick(cpu);
}
uint32_t sim_is_stopping(void) { return __atomic_load_n(&stopping, __ATOMIC_RELAXED); }
