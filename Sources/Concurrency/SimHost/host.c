// host: glibc's side of the sim. Compiled with the kernel's flags, so it declares what it needs of libc.
#include "SimHost.h"
#include "Entry.h"

typedef unsigned long size_type;
extern int __real_posix_memalign(void **memory, size_type alignment, size_type bytes);
extern void __real_free(void *memory);
extern long write(int file, const void *bytes, size_type count);
extern long syscall(long number, ...);
extern void _exit(int code) __attribute__((noreturn));
extern unsigned long long strtoull(const char *text, char **end, int base);
extern int strcmp(const char *left, const char *right);

#define ALIGNED __attribute__((force_align_arg_pointer))

static uint64_t option_cpus = 4, option_seed = 1, option_runs = 1, option_trace;
static uint64_t option_threads, option_wakes = 100000, option_limit = 60;
static const char *option_suite, *option_words = "";
uint32_t sim_clock_is_real, sim_clock_is_counter;
uint64_t sim_clock_word;
static uint64_t kicks;
uint64_t apus_ticks_per_microsecond = 1000;

static char output[1 << 16];
static size_type filled;

static void flush(void) {
  size_type done = 0;
  while (done < filled) {
    long written = write(1, output + done, filled - done);
    if (written <= 0) _exit(6);
    done += (size_type)written;
  }
  filled = 0;
}

ALIGNED void sim_put(uint8_t byte) {
  if (filled == sizeof output) flush();
  output[filled++] = (char)byte;
  // A suite's lines of progress are for people who wait.
  if (byte == '\n' && option_suite) flush();
}

static void say(const char *text) {
  while (*text) sim_put((uint8_t)*text++);
}

ALIGNED void sim_exit(int32_t code) {
  flush();
  _exit(code);
}

static const char help[] =
    "usage: boards/run sim [--cpus N] [--seed N] [--runs N] [--trace]\n"
    "Runs the kernel's task runtime as a Linux process on a virtual clock: same seed, same trace.\n"
    "  --cpus N   virtual CPUs, 1 to 64 (4)\n"
    "  --seed N   the first seed (1)\n"
    "  --runs N   how many seeds to run, one after the other (1)\n"
    "  --trace    print every event\n"
    "  --threads N  N pinned threads on the real clock instead: 1 to 64\n"
    "  --wakes N    with --threads: messages between them (100000)\n"
    "  --limit S    with --threads: seconds until what is still missing counts as lost (60)\n"
    "  --drop-kicks N  with --threads: lose every Nth kick on purpose\n"
    "  --suite NAME with --threads: measure instead; see boards/run sim --bench\n"
    "  --words TEXT options of the suite\n"
    "Exit codes: 0 done, 1 a check failed, 2 usage, 4 panic.\n"
    "Example: boards/run sim --seed 42 --trace\n";

static void usage(const char *what) {
  say("sim: ");
  say(what);
  say("; see boards/run sim --help\n");
  sim_exit(2);
}

static uint64_t number(const char *text, uint64_t low, uint64_t high) {
  char *end = 0;
  if (!text || *text < '0' || *text > '9') usage("an option needs a whole number");
  uint64_t value = strtoull(text, &end, 10);
  if (*end || value < low || value > high) usage("a number is out of range");
  return value;
}

// glibc hands constructors the arguments of main.
__attribute__((constructor)) static void read_options(int count, char **words) {
  for (int index = 1; index < count; index++) {
    const char *word = words[index];
    const char *next = index + 1 < count ? words[index + 1] : 0;
    if (!strcmp(word, "--help")) {
      say(help);
      sim_exit(0);
    } else if (!strcmp(word, "--trace")) {
      option_trace = 1;
    } else if (!strcmp(word, "--cpus")) {
      option_cpus = number(next, 1, 64), index++;
    } else if (!strcmp(word, "--seed")) {
      option_seed = number(next, 0, ~0ull >> 1), index++;
    } else if (!strcmp(word, "--runs")) {
      option_runs = number(next, 1, 100000000), index++;
    } else if (!strcmp(word, "--threads")) {
      option_threads = number(next, 1, 64), index++;
    } else if (!strcmp(word, "--wakes")) {
      option_wakes = number(next, 1, 1000000000000), index++;
    } else if (!strcmp(word, "--limit")) {
      option_limit = number(next, 1, 86400), index++;
    } else if (!strcmp(word, "--drop-kicks")) {
      sim_dropped_kick = number(next, 1, 1000000000), index++;
    } else if (!strcmp(word, "--suite") && next) {
      option_suite = next, index++;
    } else if (!strcmp(word, "--words") && next) {
      option_words = next, index++;
    } else {
      usage("an option is unknown");
    }
  }
}

uint64_t sim_cpus(void) { return option_cpus; }
uint64_t sim_seed(void) { return option_seed; }
uint64_t sim_runs(void) { return option_runs; }
uint64_t sim_traces(void) { return option_trace; }
uint64_t sim_threads(void) { return option_threads; }
uint64_t sim_wakes(void) { return option_wakes; }
uint64_t sim_limit(void) { return option_limit; }
uint32_t sim_is_suite(const char *name) { return option_suite && !strcmp(option_suite, name); }
uint32_t sim_has_suite(void) { return option_suite != 0; }
uint8_t sim_word_byte(uint64_t index) { return (uint8_t)option_words[index]; }

ALIGNED void *sim_memory(uint64_t bytes) {
  void *memory = 0;
  if (__real_posix_memalign(&memory, 4096, bytes)) {
    say("sim: out of memory\n");
    sim_exit(6);
  }
  for (uint64_t index = 0; index < bytes; index++) ((volatile char *)memory)[index] = 0;
  return memory;
}

// Behind the runtime's part of a CPU's block.
enum { STOCK = 0x400 };
static __thread void *stock;
void *sim_stock(void) { return stock; }

ALIGNED void sim_enter(void *block) {
  stock = (char *)block + STOCK;
  syscall(158 /* arch_prctl */, 0x1001 /* ARCH_SET_GS */, block);
}

void sim_set_clock(uint64_t ticks) { sim_clock_word = ticks; }
uint64_t sim_clock(void) { return sim_clock_word; }
uint64_t sim_take_kicks(void) {
  uint64_t taken = kicks;
  kicks = 0;
  return taken;
}

// What the runtime asks of its host.
void apus_host_kick(uint32_t cpu) {
  if (sim_clock_is_real) return sim_kick(cpu);
  kicks |= 1ull << (cpu & 63);
}
// Swift's heap (SimHeap.swift) over glibc's: tasks run on unaligned stacks, glibc's code may not. The calls of glibc's are
// counted, roughly if threads race.
static uint64_t heap_calls;
uint64_t sim_heap_calls(void) { return heap_calls; }
ALIGNED void *sim_allocate(uint64_t bytes, uint64_t alignment) {
  void *memory = 0;
  heap_calls++;
  return __real_posix_memalign(&memory, alignment, bytes) ? 0 : memory;
}
ALIGNED void sim_free(void *memory) { __real_free(memory); }
void *sim_heap_allocate(uint64_t alignment, uint64_t bytes);
void sim_heap_release(void *object);
int __wrap_posix_memalign(void **memory, size_type alignment, size_type bytes) {
  *memory = sim_heap_allocate(alignment, bytes);
  return *memory ? 0 : 12;
}
void __wrap_free(void *object) {
  if (object) sim_heap_release(object);
}
// Roughly, if threads race: how much the pools have from the host.
static uint64_t task_bytes;
uint64_t sim_task_bytes(void) { return task_bytes; }
ALIGNED void *apus_host_allocate(uint64_t bytes) {
  void *memory = 0;
  task_bytes += bytes;
  return __real_posix_memalign(&memory, 64, bytes) ? 0 : memory;
}
void *apus_host_allocate_reserve(uint64_t bytes) { return apus_host_allocate(bytes); }
uint32_t apus_memory_low;
ALIGNED void apus_host_free(void *memory, uint64_t bytes) {
  task_bytes -= bytes;
  __real_free(memory);
}
ALIGNED void apus_host_fatal(const char *reason) {
  say("sim: panic: ");
  say(reason);
  say("\n");
  sim_exit(4);
}
