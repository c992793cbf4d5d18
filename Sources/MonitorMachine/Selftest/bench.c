// bench.c: the self-test guest as a measure, built with -DBENCH=N: start, exits, memory page by page.
#include "selftest.h"

#ifdef BENCH
#if BENCH == 0
// An image of 1 MiB: nothing in it is zero, so every page is measured.
static const uint8_t padding[PADDING] __attribute__((used)) = {[0 ... PADDING - 1] = 0xA5};

void bench(void) {}
#elif BENCH == 1
void l2_vmcall(void);

static uint64_t nanoseconds(uint64_t ticks, uint64_t count) {
  uint32_t a, b, c, d;
  __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0x15), "c"(0));
  return ticks * 1000 / (25 * (uint64_t)b) / count;
}

static void report(const char *name, uint64_t start, uint64_t count) {
  uint64_t took = nanoseconds(__builtin_readcyclecounter() - start, count);
  text("exit ");
  text(name);
  text(" ");
  decimal(took);
  text("\n");
}

void bench(void) {
  enum { ROUNDS = 4000 };
  struct registers r = {0};
  for (int pass = 0; pass < 3; pass++) {
    uint64_t start = __builtin_readcyclecounter();
    for (int index = 0; index < ROUNDS; index++) {
      uint32_t a, b, c, d;
      __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0), "c"(0));
    }
    report("CPUID", start, ROUNDS);
    start = __builtin_readcyclecounter();
    for (int index = 0; index < ROUNDS; index++) leaf(1, 0, 0, 0, 0);
    report("TDG.VP.INFO", start, ROUNDS);
    start = __builtin_readcyclecounter();
    for (int index = 0; index < ROUNDS; index++) vmcall(&r, 0x10000, 0, 0, 0, 0);
    report("TDG.VP.VMCALL", start, ROUNDS);
  }
  l2_set_up();
  for (int pass = 0; pass < 3; pass++) {
    uint64_t start = __builtin_readcyclecounter();
    for (int index = 0; index < ROUNDS; index++) l2_go(l2_vmcall);
    report("TDG.VP.ENTER+VMCALL", start, 2 * ROUNDS);
  }
}
#else
void bench(void) {
  uint64_t step = BENCH == 2 ? 0x1000 : 0x200000, refused = 0;
  for (uint64_t page = 0; page < 1ull << 30; page += step) {
    // Not the legacy area, nor the image.
    if ((page >= 0xA0000 && page < 0x100000) || (page >= 0x8000000 && page < 0x8600000)) continue;
    if (leaf(6, page | (BENCH == 3), 0, 0, 0) >> 63) {
      refused++;
      continue;
    }
    *(volatile uint64_t *)(page + 8) = page;
  }
  text("refused ");
  decimal(refused);
  text("\n");
}
#endif
#endif
