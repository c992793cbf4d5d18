// peer: what the yardsticks in C share: the clock, pinning, the output.
#ifndef APUS_PEER_H
#define APUS_PEER_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline uint64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// Pins the calling thread to the given one of the CPUs it may use.
static inline void pin(int number) {
  cpu_set_t allowed, chosen;
  sched_getaffinity(0, sizeof allowed, &allowed);
  number %= CPU_COUNT(&allowed);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &allowed) || number-- != 0) continue;
    CPU_ZERO(&chosen);
    CPU_SET(cpu, &chosen);
    sched_setaffinity(0, sizeof chosen, &chosen);
    return;
  }
}

// The best of five batches, in picoseconds an operation; `batch` runs its operations once.
static inline void measure(const char *peer, const char *metric, uint64_t operations, void (*batch)(void)) {
  uint64_t best = ~0ull;
  batch();
  for (int turn = 0; turn < 5; turn++) {
    uint64_t start = nanoseconds();
    batch();
    uint64_t taken = nanoseconds() - start;
    if (taken < best) best = taken;
  }
  printf("{\"peer\":\"%s\",\"metric\":\"%s\",\"operations\":%lu,\"picoseconds\":%lu}\n", peer, metric, operations,
         best * 1000 / operations);
}

static inline void check(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "peer: %s\n", what);
  exit(1);
}
#endif
