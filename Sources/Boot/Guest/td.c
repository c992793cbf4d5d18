// td: what the test guest does as an L2 under TD partitioning: instructions that leave it, interrupts, TDCALL.
#include "GuestPort.h"

enum { FirstVector = 0x40, VectorCount = 4 };
extern uint8_t guest_td_stubs[];
// One count for each of VectorCount vectors and vCPU, written by the handlers.
uint64_t guest_td_counts[64 * VectorCount];

struct guest_words guest_cpuid(uint32_t leaf, uint32_t subleaf) {
  struct guest_words words;
  __asm__ volatile("cpuid" : "=a"(words.a), "=b"(words.b), "=c"(words.c), "=d"(words.d) : "a"(leaf), "c"(subleaf));
  return words;
}

uint8_t guest_in(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

uint64_t guest_read_tsc(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t)high << 32 | low;
}

struct guest_leaf guest_td_leaf(uint64_t rax) {
  struct guest_leaf answer;
  register uint64_t in8 __asm__("r8") = 0;
  register uint64_t in9 __asm__("r9") = 0;
  __asm__ volatile(".byte 0x66, 0x0F, 0x01, 0xCC"
                   : "+a"(rax), "+r"(in8), "+r"(in9)
                   :
                   : "rcx", "rdx", "r10", "r11", "memory");
  answer.status = rax;
  answer.r8 = in8;
  answer.r9 = in9;
  return answer;
}

uint64_t guest_td_interrupts(uint64_t index, uint64_t vector) {
  return *(volatile uint64_t *)&guest_td_counts[(index & 63) * VectorCount + (vector - FirstVector) % VectorCount];
}

void guest_rest(void) { __asm__ volatile("sti; hlt; cli" : : : "memory"); }

void guest_fill_gates(uint64_t *gates) {
  for (unsigned i = 0; i < VectorCount; i++) {
    uint64_t target = (uint64_t)(uintptr_t)guest_td_stubs + 64 * i;
    uint64_t *gate = gates + 2 * (FirstVector + i);
    gate[0] = (target & 0xFFFF) | 0x08ull << 16 | 0x8E00ull << 32 | (target >> 16 & 0xFFFF) << 48;
    gate[1] = target >> 32;
  }
}
