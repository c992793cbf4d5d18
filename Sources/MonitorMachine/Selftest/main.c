// main.c: the self-test guest of a TD: tables, console, and the list of tests.
#include "selftest.h"

struct registers last;
static uint64_t passed, failed;
static uint64_t root[512] __attribute__((aligned(4096))), level3[512] __attribute__((aligned(4096)));
static uint64_t level2[1024] __attribute__((aligned(4096))), top[512] __attribute__((aligned(4096)));
static uint64_t idt[512] __attribute__((aligned(4096)));
extern char vectors[], ipi_gate[];

uint64_t vmcall(struct registers *r, uint64_t function, uint64_t r12, uint64_t r13, uint64_t r14, uint64_t r15) {
  r->rax = 0;
  r->rcx = 0xFC00;
  r->r10 = 0;
  r->r11 = function;
  r->r12 = r12;
  r->r13 = r13;
  r->r14 = r14;
  r->r15 = r15;
  tdcall(r);
  return r->r10;
}

static void put(char character) {
  struct registers r = {0};
  vmcall(&r, 30, 1, 1, 0x3F8, (uint8_t)character);
}

static void text(const char *words) {
  while (*words) put(*words++);
}

static void hex(uint64_t value) {
  text("0x");
  for (int shift = 60, started = 0; shift >= 0; shift -= 4) {
    unsigned digit = value >> shift & 15;
    if (digit || shift == 0) started = 1;
    if (started) put("0123456789abcdef"[digit]);
  }
}

static void decimal(uint64_t value) {
  if (value >= 10) decimal(value / 10);
  put('0' + value % 10);
}

void check(const char *name, int holds) {
  if (holds) passed++;
  else failed++;
  text(holds ? "ok " : "not ok ");
  decimal(passed + failed);
  text(" - ");
  text(name);
  put('\n');
}

void check_equal(const char *name, uint64_t got, uint64_t wanted) {
  check(name, got == wanted);
  if (got == wanted) return;
  text("# got ");
  hex(got);
  text(", wanted ");
  hex(wanted);
  put('\n');
}

uint64_t leaf(uint64_t rax, uint64_t rcx, uint64_t rdx, uint64_t r8, uint64_t r9) {
  last = (struct registers){.rax = rax, .rcx = rcx, .rdx = rdx, .r8 = r8, .r9 = r9};
  tdcall(&last);
  return last.rax;
}

void check_leaves(const struct leaf_case *cases, unsigned count) {
  for (; count; count--, cases++)
    check_equal(cases->name, leaf(cases->rax, cases->rcx, cases->rdx, cases->r8, cases->r9), cases->expected);
}

// The first GiB one to one, its shared half from SHARED_WINDOW on, the last 2 MiB below 4 GiB for the reset page.
static void map(void) {
  root[0] = (uint64_t)level3 | 3;
  level3[0] = (uint64_t)level2 | 3;
  level3[1] = (uint64_t)&level2[512] | 3;
  level3[3] = (uint64_t)top | 3;
  for (uint64_t index = 0; index < 512; index++) {
    level2[index] = index << 21 | 0x83;
    level2[512 + index] = index << 21 | SHARED | 0x83 | 1ull << 63;
  }
  top[511] = 0xFFE00000ull | 0x83;
  __asm__ volatile("movq %0, %%cr3" ::"r"(root) : "memory");
}

void load_idt(void) {
  struct {
    uint16_t limit;
    uint64_t base;
  } __attribute__((packed)) pointer = {4095, (uint64_t)idt};
  __asm__ volatile("lidt %0" ::"m"(pointer));
}

static void gates(void) {
  for (uint64_t vector = 0; vector < 256; vector++) {
    uint64_t handler = vector < 32 ? (uint64_t)vectors + 16 * vector : (uint64_t)ipi_gate;
    idt[2 * vector] = (handler & 0xFFFF) | 8ull << 16 | 0x8Eull << 40 | (handler >> 16 & 0xFFFF) << 48;
    idt[2 * vector + 1] = handler >> 32;
  }
  load_idt();
}

uint64_t root_address(void) { return (uint64_t)root; }

// What must never be seen by the host: the monitor looks for it in all shared memory at the end.
static volatile uint64_t secret[2] = {0x4E41432D53555041, 0x595241};

/// A guest that publishes its secret, for the test of the monitor's search.
static void publish(void) {
#ifdef LEAK
  struct registers r = {0};
  vmcall(&r, 0x10001, 0x12000000 | SHARED, 0x1000, 0, 0);
  volatile uint64_t *shared = (volatile uint64_t *)(SHARED_WINDOW + 0x12000000);
  shared[5] = secret[0];
  shared[6] = secret[1];
#else
  secret[0] = secret[0];
#endif
}

void selftest_main(void) {
  map();
  gates();
  text("TAP version 13\n");
  leaf(1, 0, 0, 0, 0);
  unsigned count = (unsigned)last.r8;
  test_dispatch();
  test_instructions();
  test_memory();
  test_metadata();
  test_attributes();
  test_processors(count);
  test_l2();
  publish();
  decimal(passed);
  text(" passed, ");
  decimal(failed);
  text(" failed\n");
  struct registers r = {0};
  vmcall(&r, 30, 1, 1, 0xF4, failed ? 0x11 : 0x10);
}
