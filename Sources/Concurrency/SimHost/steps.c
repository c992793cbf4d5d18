// steps: exact instruction counts without hardware counters: single steps of this thread, and signals as interrupts.
#include "SimHost.h"
#include "Entry.h"

extern void *signal(int number, void (*handler)(int));
extern long syscall(long number, ...);
#define ALIGNED __attribute__((force_align_arg_pointer))
enum { TRAP = 5, USER = 10, GETPID = 39, GETTID = 186, TGKILL = 234, RIP = 40 + 16 * 8, TRAP_FLAG = 0x100 };

static uint64_t instructions, locked;

// Whether the instruction at `code` locks the bus: a LOCK prefix, or XCHG with memory (SDM 2A, 2.1.1; XCHG).
static int locks(const uint8_t *code) {
  for (int length = 0; length < 15; length++) {
    uint8_t byte = code[length];
    switch (byte) {
    case 0xF0: return 1;
    case 0x66: case 0x67: case 0xF2: case 0xF3: case 0x2E: case 0x36: case 0x3E: case 0x26: case 0x64: case 0x65: continue;
    default:
      if ((byte & 0xF0) == 0x40) continue;
      return (byte == 0x86 || byte == 0x87) && (code[length + 1] & 0xC0) != 0xC0;
    }
  }
  return 0;
}

// On x86-64 the kernel passes the context whether or not SA_SIGINFO was asked for. Each trap stands before an instruction.
static void stepped(int number, void *information, uint8_t *context) {
  (void)number, (void)information;
  instructions++;
  sim_clock_word++;
  locked += (uint64_t)locks(*(const uint8_t **)(context + RIP));
}

// A single step takes a thousand times as long as its instruction: by the real clock every run would be a stall. So the
// clock shows instructions meanwhile.
ALIGNED void sim_begin_count(void) {
  signal(TRAP, (void (*)(int))(void *)stepped);
  sim_clock_word = sim_ticks();
  sim_clock_is_counter = 0;
  instructions = locked = 0;
  __asm__ volatile("pushfq\n\torq %0, (%%rsp)\n\tpopfq" : : "i"(TRAP_FLAG) : "memory", "cc");
}
ALIGNED void sim_end_count(void) {
  __asm__ volatile("pushfq\n\tandq %0, (%%rsp)\n\tpopfq" : : "i"(~TRAP_FLAG) : "memory", "cc");
  sim_clock_is_counter = sim_clock_is_real;
}
uint64_t sim_counted_instructions(void) { return instructions; }
uint64_t sim_counted_locked(void) { return locked; }

// An interrupt of a Linux process: the handler keeps its stamp and posts bit 0, as a vector's stub would.
static uint64_t interrupt_stamp;
static void interrupted(int number) {
  interrupt_stamp = apus_stamp();
  (void)number;
  apus_post_pending(1);
}
ALIGNED void sim_interrupt(void) {
  static int prepared;
  if (!prepared) signal(USER, interrupted), prepared = 1;
  syscall(TGKILL, syscall(GETPID), syscall(GETTID), (long)USER);
}
uint64_t sim_interrupt_stamp(void) { return interrupt_stamp; }

// Pushes everything out of the first two levels of cache: 8 MiB are read, one word of each line.
static uint8_t *stride;
ALIGNED void sim_cool(void) {
  if (!stride) stride = sim_memory(8 << 20);
  uint64_t sum = 0;
  for (uint64_t line = 0; line < 8 << 20; line += 64) sum += ((volatile uint8_t *)stride)[line];
  (void)sum;
}
