// Stamp: a reading of the time-stamp counter that neither earlier nor later instructions cross.
#ifndef APUS_STAMP_H
#define APUS_STAMP_H
#include <stdint.h>

/// LFENCE; RDTSC; LFENCE (SDM 2B, RDTSC: "If software requires RDTSC to be executed only after all previous ...").
static inline __attribute__((always_inline)) uint64_t apus_stamp(void) {
  uint32_t low, high;
  __asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
  return (uint64_t)high << 32 | low;
}
#endif
