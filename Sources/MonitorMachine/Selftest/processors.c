// processors.c: the self-test guest: the other processors, interrupts between them, halts.
#include "selftest.h"
#include "madt.h"

// The mailbox of boards/tdp/layout.json: 64 bytes for each processor (boards/README.md).
struct start_record {
  volatile uint32_t state, reserved;
  uint64_t rip, rsp, rdi, cr3;
  uint64_t unused[3];
};
static struct start_record *const mailbox = (struct start_record *)0x8004000;
volatile uint64_t interrupt_wish;
volatile uint64_t apic_ids[64];
static volatile uint64_t online, rounds[64];
static uint8_t stacks[64][4096] __attribute__((aligned(4096)));
extern char secondary_start[];

void secondary_main(uint64_t index) {
  load_idt();
  struct registers r = {0};
  vmcall(&r, 32, 0x80F, 0x1FF, 0, 0);
  vmcall(&r, 31, 0x802, 0, 0, 0);
  apic_ids[index] = r.r11;
  __atomic_add_fetch(&online, 1, __ATOMIC_SEQ_CST);
  for (;;) {
    hlt_open();
    if (interrupt_wish) {
      while (!l2_ticks) __asm__ volatile("pause");
      vmcall(&r, 32, 0x830, apic_ids[0] << 32 | 0x45, 0, 0);
    }
    __atomic_add_fetch(&rounds[index], 1, __ATOMIC_SEQ_CST);
  }
}

static int wait_for(volatile uint64_t *word, uint64_t least) {
  for (uint64_t spin = 0; spin < 100000000; spin++) {
    if (*word >= least) return 1;
    __asm__ volatile("pause");
  }
  return 0;
}

void test_processors(unsigned count) {
  struct registers r = {0};
  vmcall(&r, 32, 0x80F, 0x1FF, 0, 0);
  vmcall(&r, 31, 0x802, 0, 0, 0);
  apic_ids[0] = r.r11;
  check_equal("C.5 the APIC id is the one of the MADT", r.r11, madt_id(0));
  uint32_t a, b, c, d;
  vmcall(&r, 10, 0xB, 0, 0, 0);
  check_equal("C.2 and the one of CPUID 0xB by the host", r.r15, apic_ids[0]);
  __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(1), "c"(0));
  check_equal("D.2 CPUID 1 has the index instead", b >> 24, 0);
  for (unsigned index = 1; index < count && index < 64; index++) {
    mailbox[index].rip = (uint64_t)secondary_start;
    mailbox[index].rsp = (uint64_t)stacks[index] + 4096;
    mailbox[index].rdi = index;
    mailbox[index].cr3 = root_address();
    __atomic_store_n(&mailbox[index].state, 1, __ATOMIC_RELEASE);
    check("E.3 a processor takes its start record and comes up", wait_for(&online, index));
    check_equal("E.3 and says so in the record", mailbox[index].state, 2);
    check_equal("C.5 its APIC id is the one of the MADT", apic_ids[index], madt_id(index));
  }
  for (unsigned index = 1; index < count && index < 64; index++) {
    uint64_t interrupts = interrupt_count, woken = rounds[index];
    check_equal("C.5 an ICR write by the host's call", vmcall(&r, 32, 0x830, apic_ids[index] << 32 | 0x40, 0, 0), 0);
    check("C.4 the interrupt arrives", wait_for(&interrupt_count, interrupts + 1));
    check("C.4 and wakes the processor from HLT", wait_for(&rounds[index], woken + 1));
  }
  uint64_t interrupts = interrupt_count;
  __asm__ volatile("wrmsr" ::"c"(0x83F), "a"(0x41), "d"(0));
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0x822));
  check_equal("C.5 a self-IPI waits in IRR while interrupts are closed", low, 2);
  check_equal("C.5 and is not delivered", interrupt_count, interrupts);
  __asm__ volatile("sti; nop; nop; cli" ::: "memory");
  check_equal("C.5 it is delivered when they open", interrupt_count, interrupts + 1);
  __asm__ volatile("wrmsr" ::"c"(0x83F), "a"(0x42), "d"(0));
  hlt_open();
  check_equal("C.4 HLT with an interrupt waiting returns at once", interrupt_count, interrupts + 2);
}
