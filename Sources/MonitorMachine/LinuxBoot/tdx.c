// tdx.c: the linuxboot stub on TDX: acceptance by TDCALL, and the processors that wait for Linux's wake-up.
#ifdef TDX
#include "linuxboot.h"

const uint64_t private_bit = 0;
enum { MAXIMUM = 64 };
/// The ACPI wake-up mailbox (ACPI 6.5, 5.2.12.19): command u16, APIC identifier u32 at 4, address u64 at 8.
struct mailbox { volatile uint16_t command, reserved; volatile uint32_t apic; volatile uint64_t address; };
static struct { struct mailbox mailbox; uint8_t rest[4096 - sizeof(struct mailbox)]; } wake PAGE;
/// A start record of the reset page's processors (boards/README.md).
struct start { volatile uint32_t state, parked; uint64_t rip, rsp, rdi, cr3, unused[3]; };
static uint8_t stacks[MAXIMUM][256] __attribute__((aligned(16)));
void linuxboot_processor(void);

/// TDCALL: the status; `mask` and R10 to R15 for TDG.VP.VMCALL (leaf 0).
static uint64_t tdcall(uint64_t leaf, uint64_t rcx) {
  uint64_t rax = leaf;
  __asm__ volatile(".byte 0x66, 0x0F, 0x01, 0xCC" : "+a"(rax), "+c"(rcx)::"rdx", "r8", "r9", "r10", "r11", "memory");
  return rax;
}

_Noreturn void terminate(uint32_t reason) {
  for (;;) {
    register uint64_t r10 __asm__("r10") = 0, r11 __asm__("r11") = 0x10003, r12 __asm__("r12") = 0xA505000000 | reason;
    uint64_t rax = 0, rcx = 0x1C00;
    __asm__ volatile(".byte 0x66, 0x0F, 0x01, 0xCC" : "+a"(rax), "+c"(rcx), "+r"(r10), "+r"(r11), "+r"(r12)::"memory");
  }
}

int platform_is_complete(void) { return find(MAILBOX) != 0; }

/// TDG.MEM.PAGE.ACCEPT; a size that the host did not add is tried again page by page.
void platform_accept(uint64_t start, uint64_t end, int is_shared) {
  // Whatever the host holds is added as private when it is accepted.
  (void)is_shared;
  while (start < end) {
    if (!(start & 0x1FFFFF) && end - start >= 0x200000 && !is_filled(start, start + 0x200000)) {
      uint64_t status = tdcall(6, start | 1);
      if (!status) { start += 0x200000; continue; }
      if (status >> 32 != 0xC0000B0B) terminate(1);
    }
    if (!is_filled(start, start + 4096) && tdcall(6, start)) terminate(2);
    start += 4096;
  }
}

// CPUID leaf 0x15 tells it.
uint32_t platform_counter_rate(void) { return 0; }
void platform_parameters(uint8_t *zero_page) { (void)zero_page; }

/// The wake-up structure, version 0.
uint32_t platform_madt(uint8_t *at) {
  put(at, 0x1010, 2);
  put(at + 2, 0, 6);
  put(at + 8, (uint64_t)&wake, 8);
  return 16;
}

/// From linuxboot_processor, with a stack of its own: waits for the command of waking up.
void linuxboot_wait(uint64_t index) {
  for (;;) {
    if (__atomic_load_n(&wake.mailbox.command, __ATOMIC_ACQUIRE) == 1 && wake.mailbox.apic == index) {
      void (*entry)(void) = (void (*)(void))wake.mailbox.address;
      __atomic_store_n(&wake.mailbox.command, 0, __ATOMIC_RELEASE);
      entry();
    }
    __asm__ volatile("pause");
  }
}

void platform_processors(uint64_t root) {
  const struct area *mailbox = find(MAILBOX);
  struct start *records = (struct start *)mailbox->gpa;
  for (uint64_t index = 1; index < MAXIMUM && (index + 1) * sizeof *records <= mailbox->count; index++) {
    records[index].rip = (uint64_t)linuxboot_processor;
    records[index].rsp = (uint64_t)stacks[index] + sizeof stacks[index];
    records[index].rdi = index;
    records[index].cr3 = root;
    __atomic_store_n(&records[index].state, 1, __ATOMIC_RELEASE);
  }
}
#endif
